//! The most memory of its own (`RssAnon`) that the process is seen to have while a file is uploaded
//! and its batch runs, 256 lines at a time.
//!
//! The bound is that of the settings: `memory.answers` (64 MiB) and a part for everything else.

use super::each;
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::Server;
use crate::upstream::{Shape, Upstream};

/// `memory.answers`, in millions of bytes.
const ANSWERS_MB: f64 = 67.1;

/// What else 50,000 lines may take.
const SMALL_MB: f64 = 50.0;

/// What else a million lines may take.
const LARGE_MB: f64 = 100.0;

/// How often each case is run; a peak hardly moves, and some cases write many gigabytes.
const RUNS_MAX: usize = 3;

/// A kind of batch.
struct Case {
    name: &'static str,
    lines: Lines,
    answer_bytes: usize,
    besides_mb: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = |count, bytes| Lines {
        count: bench.scaled(count),
        bytes,
    };
    let cases = [
        Case {
            name: "50,000 lines of 300 bytes (MB)",
            lines: lines(50_000, 300),
            answer_bytes: 400,
            besides_mb: SMALL_MB,
        },
        Case {
            name: "1,000,000 lines of 300 bytes (MB)",
            lines: lines(1_000_000, 300),
            answer_bytes: 400,
            besides_mb: LARGE_MB,
        },
        Case {
            name: "10 GB of 1 MB lines (MB)",
            lines: lines(10_000, 1_000_000),
            answer_bytes: 400,
            besides_mb: SMALL_MB,
        },
        Case {
            name: "1,000 answers of 4 MB (MB)",
            lines: lines(1_000, 300),
            answer_bytes: 4_000_000,
            besides_mb: SMALL_MB,
        },
    ];
    let mut figures = Vec::new();
    for case in cases {
        let mut peaks = Vec::new();
        for _ in 0..bench.pairs.min(RUNS_MAX) {
            let peak = peak(bench, &case)?;
            Bench::say(format_args!("{}: {:.1}", case.name, real(peak) / 1e6));
            peaks.push(peak);
        }
        let peaks = each(&peaks, |peak| real(*peak) / 1e6);
        let bound = Target::AtMost(case.besides_mb + ANSWERS_MB);
        figures.push(Figure::new(case.name, peaks, bound));
    }
    Ok(figures)
}

/// The most bytes of a new process that runs the case.
fn peak(bench: &Bench, case: &Case) -> anyhow::Result<u64> {
    let shape = Shape {
        answer_bytes: case.answer_bytes,
        ..Shape::INSTANT
    };
    let upstream = Upstream::start(bench, shape)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let watch = server.process.watch_memory();
    let file = server.upload_lines(case.lines)?;
    server.run(&file)?;
    watch.most()
}
