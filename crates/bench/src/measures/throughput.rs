//! End to end against an instant upstream: how many lines a second, and what a line costs.
//!
//! Compared with the bare loop on the same file and the same upstream, in turn.

use std::path::Path;
use std::time::Duration;

use super::each;
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::process;
use crate::server::Server;
use crate::upstream::{Shape, Upstream};

/// Requests in flight, of the product and of the yardstick.
const IN_FLIGHT: usize = 256;

/// One run of either.
#[derive(Clone, Copy)]
struct Run {
    lines_per_second: f64,
    /// Microseconds of the processor's time a line.
    cpu_us: f64,
}

impl Run {
    fn new(lines: Lines, took: Duration, cpu: Duration) -> Self {
        let lines = real(lines.count);
        Self {
            lines_per_second: lines / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / lines,
        }
    }
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = Lines {
        count: bench.scaled(500_000),
        bytes: 300,
    };
    let folder = bench.scratch()?;
    let file = folder.path().join("in.jsonl");
    lines.write(&file)?;
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let server = Server::start(bench, &upstream.section(Some(IN_FLIGHT)))?;
    let uploaded = server.upload(&file)?;
    let mut pairs = Vec::new();
    for pair in 0..=bench.pairs {
        let before = server.process.cpu()?;
        let took = server.run(&uploaded)?;
        let cpu = server.process.cpu()?.saturating_sub(before);
        let product = Run::new(lines, took, cpu);
        let (took, cpu) = bare(bench, &upstream.url, &file)?;
        let bare = Run::new(lines, took, cpu);
        Bench::say(format_args!(
            "{:.0} lines/s at {:.1} us; bare {:.0} at {:.1}",
            product.lines_per_second, product.cpu_us, bare.lines_per_second, bare.cpu_us
        ));
        // The first pair warms everything up.
        if pair > 0 {
            pairs.push((product, bare));
        }
    }
    Ok(figures(&pairs))
}

fn figures(pairs: &[(Run, Run)]) -> Vec<Figure> {
    vec![
        Figure::new(
            "CPU a line, times the bare loop's",
            each(pairs, |(product, bare)| product.cpu_us / bare.cpu_us),
            Target::AtMost(1.5),
        ),
        Figure::new(
            "lines a second, of the bare loop's",
            each(pairs, |(product, bare)| {
                product.lines_per_second / bare.lines_per_second
            }),
            Target::AtLeast(0.7),
        ),
        Figure::new(
            "CPU a line (us)",
            each(pairs, |(product, _)| product.cpu_us),
            Target::None,
        ),
        Figure::new(
            "lines a second",
            each(pairs, |(product, _)| product.lines_per_second),
            Target::None,
        ),
        Figure::new(
            "the bare loop's CPU a line (us)",
            each(pairs, |(_, bare)| bare.cpu_us),
            Target::None,
        ),
        Figure::new(
            "the bare loop's lines a second",
            each(pairs, |(_, bare)| bare.lines_per_second),
            Target::None,
        ),
    ]
}

/// Runs the bare loop over a file: how long it took, and the processor time that it used.
pub(super) fn bare(bench: &Bench, url: &str, file: &Path) -> anyhow::Result<(Duration, Duration)> {
    let mut command = bench.command("bare");
    command
        .args(["--url", url, "--in-flight", &IN_FLIGHT.to_string()])
        .arg("--input")
        .arg(file)
        .arg("--output")
        .arg(file.with_extension("out"));
    process::run(&mut command)
}
