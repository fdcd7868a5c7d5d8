//! The hot path, run so that its instructions can be counted: the real engine on one thread, with
//! seeded entropy, the store and the blobs in memory, and blocking work done on the spot.
//!
//! A case is run with some lines and with twice as many; the difference is what lines cost, without
//! what starting costs. `instructions` does that under callgrind.

mod engine;
mod validation;

use anyhow::Context as _;

use crate::input::Lines;

/// Something that lines go through.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How many lines are run, and then twice as many.
    pub(crate) lines: u64,
    /// How often both are counted: the least count stands.
    pub(crate) counts: usize,
    /// As a multiple of its budget, what is no failure yet.
    pub(crate) slack: f64,
    run: fn(u64) -> anyhow::Result<()>,
}

/// What is counted.
pub(crate) const CASES: [Case; 4] = [
    Case {
        name: "validate-300",
        lines: 10_000,
        counts: 1,
        slack: 1.05,
        run: |count| validation::run(Lines { count, bytes: 300 }),
    },
    Case {
        name: "validate-4096",
        lines: 2_000,
        counts: 1,
        slack: 1.05,
        run: |count| validation::run(Lines { count, bytes: 4096 }),
    },
    Case {
        name: "engine",
        lines: 5_000,
        counts: 1,
        slack: 1.05,
        run: engine::run_scripted,
    },
    // How much is read from a socket at a time is the system's affair: no two counts are the same.
    Case {
        name: "engine-http",
        lines: 2_500,
        counts: 3,
        slack: 1.08,
        run: engine::run_http,
    },
];

/// Runs a case.
pub(crate) fn run(name: &str, lines: u64) -> anyhow::Result<()> {
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.with_context(|| format!("there is no case {name}"))?;
    (case.run)(lines)
}
