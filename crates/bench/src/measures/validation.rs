//! From a batch's creation to `in_progress`: every check of every line, and the plan written.
//!
//! A file of 4 KiB lines at an upstream that never answers, so that nothing else happens. What counts
//! is the processor time of the whole process. Compared with reading the file and seeing that it is
//! UTF-8, in turn.

use std::time::{Duration, Instant};

use super::each;
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::{CLOSE_LOOK, LOOK, Server};
use crate::upstream::held::Held;
use crate::upstream::section;
use crate::yardstick::disk;

/// Bytes a second, in billions.
struct Run {
    cpu: f64,
    wall: f64,
    yardstick: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = Lines {
        count: bench.scaled(250_000),
        bytes: 4096,
    };
    let folder = bench.scratch()?;
    let path = folder.path().join("in.jsonl");
    lines.write(&path)?;
    let held = Held::start()?;
    let configuration = format!("grace = {{ cancel = 0 }}\n{}", section(&held.url, Some(1)));
    let server = Server::start(bench, &configuration)?;
    let file = server.upload(&path)?;
    let speed = |took: Duration| real(lines.total_bytes()) / 1e9 / took.as_secs_f64();
    let mut runs = Vec::new();
    for pair in 0..=bench.pairs {
        let (cpu, began) = (server.process.cpu()?, Instant::now());
        let batch = server.create(&file)?;
        server.until_status(&batch, CLOSE_LOOK, "in_progress")?;
        let run = Run {
            wall: speed(began.elapsed()),
            cpu: speed(server.process.cpu()?.saturating_sub(cpu)),
            yardstick: speed(disk::check_utf8(&path)?),
        };
        server.cancel(&batch)?;
        server.until_status(&batch, LOOK, "cancelled")?;
        Bench::say(format_args!(
            "{:.2} GB/s of CPU, {:.2} of time; yardstick {:.2}",
            run.cpu, run.wall, run.yardstick
        ));
        // The first pair warms everything up.
        if pair > 0 {
            runs.push(run);
        }
    }
    Ok(vec![
        Figure::new(
            "validated, GB a second of CPU",
            each(&runs, |run| run.cpu),
            Target::AtLeast(1.0),
        ),
        Figure::new(
            "validated, GB a second",
            each(&runs, |run| run.wall),
            Target::None,
        ),
        Figure::new(
            "read and seen to be UTF-8, GB a second",
            each(&runs, |run| run.yardstick),
            Target::None,
        ),
    ])
}
