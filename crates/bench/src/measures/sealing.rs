//! From the last recorded outcome to the end of a batch.
//!
//! A completed batch is held against two fsyncs of this disk, timed in the same run. A cancelled one
//! has to write a line for each that was not run; its upstream never answers, and it has no grace.

use std::time::{Duration, Instant};

use super::{each, millis};
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::{CLOSE_LOOK, Server};
use crate::upstream::held::Held;
use crate::upstream::{Shape, Upstream, section};
use crate::yardstick::disk;

struct Run {
    completed: Duration,
    fsync: Duration,
    /// Millions of bytes of unrun lines a second.
    unrun: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = Lines {
        count: bench.scaled(1_000_000),
        bytes: 300,
    };
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let answered = Server::start(bench, &upstream.section(Some(256)))?;
    let answered_file = answered.upload_lines(lines)?;
    let held = Held::start()?;
    let configuration = format!("grace = {{ cancel = 0 }}\n{}", section(&held.url, Some(1)));
    let unanswered = Server::start(bench, &configuration)?;
    let unanswered_file = unanswered.upload_lines(lines)?;
    let mut runs = Vec::new();
    for _ in 0..bench.pairs {
        let run = Run {
            completed: completed(&answered, &answered_file)?,
            fsync: disk::fsync(answered.folder())?,
            unrun: unrun(&unanswered, &unanswered_file)?,
        };
        Bench::say(format_args!(
            "completed in {:?}, an fsync in {:?}; {:.0} MB/s of unrun lines",
            run.completed, run.fsync, run.unrun
        ));
        runs.push(run);
    }
    Ok(vec![
        Figure::new(
            "last outcome to `completed`, less two fsyncs (ms)",
            each(&runs, |run| millis(run.completed) - 2.0 * millis(run.fsync)),
            Target::AtMost(10.0),
        ),
        Figure::new(
            "last outcome to `completed` (ms)",
            each(&runs, |run| millis(run.completed)),
            Target::None,
        ),
        Figure::new(
            "an fsync (ms)",
            each(&runs, |run| millis(run.fsync)),
            Target::None,
        ),
        Figure::new(
            "unrun lines of a cancelled batch, MB a second",
            each(&runs, |run| run.unrun),
            Target::AtLeast(500.0),
        ),
    ])
}

/// How long after the first look that sees every line recorded a look sees the batch completed. When
/// no look falls between the two, it is as long as from the last look before both: an upper bound.
fn completed(server: &Server, file: &str) -> anyhow::Result<Duration> {
    let batch = server.create(file)?;
    let (mut last_look, mut recorded) = (Instant::now(), None);
    server.until(&batch, CLOSE_LOOK, |batch| {
        let counts = &batch["request_counts"];
        let is_recorded = counts["total"] != 0 && counts["completed"] == counts["total"];
        if batch["status"] == "completed" {
            return true;
        }
        last_look = Instant::now();
        if is_recorded {
            recorded.get_or_insert(last_look);
        }
        false
    })?;
    Ok(recorded.unwrap_or(last_look).elapsed())
}

/// How fast unrun lines are written, in millions of bytes a second.
fn unrun(server: &Server, file: &str) -> anyhow::Result<f64> {
    let batch = server.create(file)?;
    server.until_status(&batch, CLOSE_LOOK, "in_progress")?;
    let began = Instant::now();
    server.cancel(&batch)?;
    let batch = server.until_status(&batch, CLOSE_LOOK, "cancelled")?;
    let took = began.elapsed();
    let error_file = batch["error_file_id"].as_str().unwrap_or_default();
    let file = server.connect()?.get(&format!("/v1/files/{error_file}"))?;
    let bytes = file["bytes"].as_u64().unwrap_or_default();
    anyhow::ensure!(bytes > 0, "no unrun lines: {batch}");
    Ok(real(bytes) / 1e6 / took.as_secs_f64())
}
