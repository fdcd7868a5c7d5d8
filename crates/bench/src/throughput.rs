//! End to end against an instant upstream: how many lines a second, and what a line costs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::figure::{Figure, Target};
use crate::input;
use crate::process::{self, Process};
use crate::server::Server;

/// Requests in flight, of the product and of the yardstick.
const IN_FLIGHT: usize = 256;

/// The bytes of a line, its end included.
const LINE_BYTES: usize = 300;

/// The bytes of an answer's body.
const ANSWER_BYTES: usize = 400;

/// One run of either.
#[derive(Clone, Copy)]
struct Run {
    lines_per_second: f64,
    /// Microseconds of the processor's time a line.
    cpu_us: f64,
}

impl Run {
    fn new(lines: usize, took: Duration, cpu: Duration) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of lines is exact in a double"
        )]
        let lines = lines as f64;
        Self {
            lines_per_second: lines / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / lines,
        }
    }
}

/// Runs the product and the yardstick in turn, on the same upstream and the same file.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = bench.scaled(500_000);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("in.jsonl");
    input::write(&file, lines, LINE_BYTES)?;
    let (_upstream, url) = upstream(bench)?;
    let server = Server::start(
        &bench.overnight,
        &format!(
            "[[upstreams]]\nurl = \"{url}\"\nmodels = [\"m\"]\ngauges = false\nlimit = {IN_FLIGHT}\n"
        ),
    )?;
    let uploaded = server.upload(&file)?;
    let mut pairs = Vec::new();
    for pair in 0..=bench.pairs {
        let product = product(&server, &uploaded, lines)?;
        let bare = bare(bench, &url, &file, lines)?;
        Bench::say(&format!(
            "  {:.0} lines/s at {:.1} us; bare {:.0} at {:.1}",
            product.lines_per_second, product.cpu_us, bare.lines_per_second, bare.cpu_us
        ));
        // The first pair warms everything up.
        if pair > 0 {
            pairs.push((product, bare));
        }
    }
    let of = |value: fn(&(Run, Run)) -> f64| pairs.iter().map(value).collect::<Vec<_>>();
    Ok(vec![
        Figure::new(
            "CPU a line, times the bare loop's",
            of(|(product, bare)| product.cpu_us / bare.cpu_us),
            Target::AtMost(1.5),
        ),
        Figure::new(
            "lines a second, of the bare loop's",
            of(|(product, bare)| product.lines_per_second / bare.lines_per_second),
            Target::AtLeast(0.7),
        ),
        Figure::new(
            "CPU a line (us)",
            of(|(product, _)| product.cpu_us),
            Target::None,
        ),
        Figure::new(
            "lines a second",
            of(|(product, _)| product.lines_per_second),
            Target::None,
        ),
        Figure::new(
            "the bare loop's CPU a line (us)",
            of(|(_, bare)| bare.cpu_us),
            Target::None,
        ),
        Figure::new(
            "the bare loop's lines a second",
            of(|(_, bare)| bare.lines_per_second),
            Target::None,
        ),
    ])
}

fn upstream(bench: &Bench) -> anyhow::Result<(Process, String)> {
    let mut command = Command::new(&bench.own);
    command.args(["upstream", "--answer-bytes", &ANSWER_BYTES.to_string()]);
    Process::start(&mut command)
}

fn product(server: &Server, file: &str, lines: usize) -> anyhow::Result<Run> {
    let cpu = server.process.cpu()?;
    let began = Instant::now();
    let batch = server.create(file)?;
    server.completed(&batch)?;
    let took = began.elapsed();
    Ok(Run::new(
        lines,
        took,
        server.process.cpu()?.saturating_sub(cpu),
    ))
}

fn bare(bench: &Bench, url: &str, file: &Path, lines: usize) -> anyhow::Result<Run> {
    let output = file.with_extension("out");
    let mut command = Command::new(&bench.own);
    command
        .args(["bare", "--url", url, "--in-flight", &IN_FLIGHT.to_string()])
        .arg("--input")
        .arg(file)
        .arg("--output")
        .arg(&output);
    let (took, cpu) = process::run(&mut command)?;
    Ok(Run::new(lines, took, cpu))
}
