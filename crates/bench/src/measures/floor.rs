//! The least that things take: a batch of one line, a cancel, a restart.
//!
//! A batch of one line is held against fsyncs of this disk, timed in the same run, and how many it
//! costs is counted by `strace` in a run of its own. What is cancelled and what is restarted waits at
//! an upstream that never answers.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{each, millis};
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::{CLOSE_LOOK, LOOK, Server};
use crate::trace::Strace;
use crate::upstream::held::Held;
use crate::upstream::{Shape, Upstream, section};
use crate::yardstick::disk;

/// How many fsyncs a batch of one line may cost.
const FSYNCS_MAX: u32 = 6;

/// Batches of one line whose fsyncs are counted together.
const COUNTED: u32 = 20;

/// The grace of a batch that is cancelled while lines are in flight.
const GRACE: Duration = Duration::from_secs(1);

/// The batches that are open when the process ends, and their lines.
const OPEN: u32 = 50;
const OPEN_LINES: u32 = 50_000;

struct Round {
    one_line: Duration,
    fsync: Duration,
    cancel: Duration,
    restart: Duration,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let held = Held::start()?;
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let quick = Server::start(bench, &upstream.section(Some(256)))?;
    let one_line = quick.upload_lines(Lines {
        count: 1,
        bytes: 300,
    })?;
    let fsyncs = fsyncs(bench, &quick, &one_line)?;
    Bench::say(format_args!("{fsyncs:.2} fsyncs a batch of one line"));
    let cancelled = Cancelled::new(bench)?;
    let mut open = Open::new(bench, &held)?;
    let mut rounds = Vec::new();
    for _ in 0..bench.pairs {
        let round = Round {
            one_line: alone(&quick, &one_line)?,
            fsync: disk::fsync(quick.folder())?,
            cancel: cancelled.cancel()?,
            restart: open.restart(&held)?,
        };
        Bench::say(format_args!(
            "one line in {:?}, an fsync in {:?}; cancelled {:?} after the grace; sends {:?} after \
             its start",
            round.one_line, round.fsync, round.cancel, round.restart
        ));
        rounds.push(round);
    }
    Ok(vec![
        Figure::new(
            "a batch of one line, less six fsyncs (ms)",
            each(&rounds, |round| {
                millis(round.one_line) - f64::from(FSYNCS_MAX) * millis(round.fsync)
            }),
            Target::AtMost(8.0),
        ),
        Figure::new(
            "a batch of one line (ms)",
            each(&rounds, |round| millis(round.one_line)),
            Target::None,
        ),
        Figure::new(
            "fsyncs of a batch of one line",
            vec![fsyncs],
            Target::AtMost(f64::from(FSYNCS_MAX)),
        ),
        Figure::new(
            "an fsync (ms)",
            each(&rounds, |round| millis(round.fsync)),
            Target::None,
        ),
        Figure::new(
            "cancel to `cancelled` beyond the grace (ms)",
            each(&rounds, |round| millis(round.cancel)),
            Target::AtMost(100.0),
        ),
        Figure::new(
            "start to the first line sent, 50 batches of 50,000 lines open (ms)",
            each(&rounds, |round| millis(round.restart)),
            Target::AtMost(300.0),
        ),
    ])
}

/// How long a batch of one line takes: the median of some.
fn alone(server: &Server, file: &str) -> anyhow::Result<Duration> {
    let mut took = Vec::new();
    for _ in 0..COUNTED {
        let began = Instant::now();
        let batch = server.create(file)?;
        server.completed(&batch, CLOSE_LOOK)?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied().unwrap_or_default())
}

/// How many times a batch of one line makes the disk keep something.
fn fsyncs(bench: &Bench, server: &Server, file: &str) -> anyhow::Result<f64> {
    let strace = Strace::attach(bench, server.process.id())?;
    for _ in 0..COUNTED {
        server.run(file)?;
    }
    Ok(real(strace.count()?) / f64::from(COUNTED))
}

/// A server whose batches are cancelled while lines are in flight.
struct Cancelled {
    server: Server,
    file: String,
    held: Held,
}

impl Cancelled {
    fn new(bench: &Bench) -> anyhow::Result<Self> {
        let held = Held::start()?;
        let (grace, upstream) = (GRACE.as_secs(), section(&held.url, Some(256)));
        let server = Server::start(
            bench,
            &format!("grace = {{ cancel = {grace} }}\n{upstream}"),
        )?;
        let file = server.upload_lines(Lines {
            count: bench.scaled(OPEN_LINES),
            bytes: 300,
        })?;
        Ok(Self { server, file, held })
    }

    /// From a cancel to its end, the grace aside.
    fn cancel(&self) -> anyhow::Result<Duration> {
        self.held.forget();
        let batch = self.server.create(&self.file)?;
        self.held.next()?;
        let began = Instant::now();
        self.server.cancel(&batch)?;
        self.server.until_status(&batch, CLOSE_LOOK, "cancelled")?;
        let took = began.elapsed().checked_sub(GRACE);
        took.context("what was in flight had no grace")
    }
}

/// A server with many open batches.
struct Open {
    server: Server,
    file: String,
}

impl Open {
    fn new(bench: &Bench, held: &Held) -> anyhow::Result<Self> {
        let server = Server::start(bench, &section(&held.url, Some(256)))?;
        let file = server.upload_lines(Lines {
            count: bench.scaled(OPEN_LINES),
            bytes: 300,
        })?;
        let open = Self { server, file };
        let batches: Vec<String> = (0..OPEN)
            .map(|_| open.server.create(&open.file))
            .collect::<anyhow::Result<_>>()?;
        for batch in batches {
            open.server.until_status(&batch, LOOK, "in_progress")?;
        }
        Ok(open)
    }

    /// From the start of a process, after the sudden end of another, to the first line that it sends.
    fn restart(&mut self, held: &Held) -> anyhow::Result<Duration> {
        self.server.process.kill();
        held.forget();
        let began = Instant::now();
        self.server.restart()?;
        Ok(held.next()?.saturating_duration_since(began))
    }
}
