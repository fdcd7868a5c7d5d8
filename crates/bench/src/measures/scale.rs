//! What a line costs as batches grow, and as more of them are open, at an instant upstream.
//!
//! Compared with one batch of 100,000 lines, in turn. Small batches are run one after another until
//! they are as many lines; open ones share the same number of lines among them.

use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::{LOOK, Server};
use crate::upstream::{Shape, Upstream};

/// The lines of the batch that others are compared with, and of all open batches together.
const LINES: u32 = 100_000;

/// Lines of one batch.
const SIZES: [u32; 4] = [1_000, 10_000, 1_000_000, 10_000_000];

/// Batches that are open at once.
const OPEN: [u32; 3] = [10, 100, 1_000];

/// How often one of more than a million lines is run: it takes minutes.
const LARGEST_RUNS_MAX: usize = 1;

/// Some batches of one length.
#[derive(Clone, Copy)]
enum Case {
    OneByOne { lines: u64 },
    AtOnce { batches: u64 },
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let whole = bench.scaled(LINES);
    let yardstick = Lot::new(&server, Case::OneByOne { lines: whole }, whole)?;
    // The first run warms everything up.
    yardstick.cost(&server)?;
    let mut comparison = Comparison {
        server,
        yardstick,
        whole,
        costs: Vec::new(),
    };
    let mut figures = Vec::new();
    for size in SIZES {
        // A small batch stays small: its size is what is looked at.
        let is_small = size < LINES;
        let lines = if is_small {
            u64::from(size)
        } else {
            bench.scaled(size)
        };
        let runs = if size > 1_000_000 {
            LARGEST_RUNS_MAX
        } else {
            usize::MAX
        };
        let name = format!("batches of {size} lines");
        let case = Case::OneByOne { lines };
        figures.push(comparison.compare(&name, case, bench.pairs.min(runs))?);
    }
    for batches in OPEN {
        let name = format!("{batches} open batches");
        let batches = u64::from(batches);
        figures.push(comparison.compare(&name, Case::AtOnce { batches }, bench.pairs)?);
    }
    figures.push(Figure::new(
        "one batch of 100000 lines: CPU a line (us)",
        comparison.costs,
        Target::None,
    ));
    Ok(figures)
}

/// Compares one case after another with the same yardstick.
struct Comparison {
    server: Server,
    yardstick: Lot,
    /// The lines of the yardstick.
    whole: u64,
    /// What they cost.
    costs: Vec<f64>,
}

impl Comparison {
    /// The cost of a line in a case, as a multiple of the yardstick's.
    fn compare(&mut self, name: &str, case: Case, runs: usize) -> anyhow::Result<Figure> {
        let lot = Lot::new(&self.server, case, self.whole)?;
        let mut ratios = Vec::new();
        for _ in 0..runs {
            let own = lot.cost(&self.server)?;
            let yardstick = self.yardstick.cost(&self.server)?;
            Bench::say(format_args!(
                "{name}: {own:.1} us a line; yardstick {yardstick:.1}"
            ));
            ratios.push(own / yardstick);
            self.costs.push(yardstick);
        }
        let name = format!("{name}: CPU a line, times that of one of 100000");
        Ok(Figure::new(&name, ratios, Target::AtMost(1.1)))
    }
}

/// Batches of one file.
struct Lot {
    case: Case,
    file: String,
    lines: Lines,
    batches: u64,
}

impl Lot {
    fn new(server: &Server, case: Case, whole: u64) -> anyhow::Result<Self> {
        let (count, batches) = match case {
            Case::OneByOne { lines } => (lines, (whole / lines).max(1)),
            Case::AtOnce { batches } => ((whole / batches).max(1), batches),
        };
        let lines = Lines { count, bytes: 300 };
        let file = server.upload_lines(lines)?;
        Ok(Self {
            case,
            file,
            lines,
            batches,
        })
    }

    /// Microseconds of the processor's time a line.
    fn cost(&self, server: &Server) -> anyhow::Result<f64> {
        let before = server.process.cpu()?;
        match self.case {
            Case::OneByOne { .. } => {
                for _ in 0..self.batches {
                    server.run(&self.file)?;
                }
            }
            Case::AtOnce { .. } => {
                let created: Vec<String> = (0..self.batches)
                    .map(|_| server.create(&self.file))
                    .collect::<anyhow::Result<_>>()?;
                for batch in created {
                    server.completed(&batch, LOOK)?;
                }
            }
        }
        let cpu = server.process.cpu()?.saturating_sub(before);
        Ok(cpu.as_secs_f64() * 1e6 / real(self.lines.count * self.batches))
    }
}
