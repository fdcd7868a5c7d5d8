//! The hot path, run so that its instructions can be counted: the real engine on one thread, with
//! seeded entropy, the store and the blobs in memory, and blocking work done on the spot.
//!
//! A case is run with some lines and with twice as many; the difference is what lines cost, without
//! what starting costs. `instructions` does that under callgrind.

mod engine;
mod validation;

use anyhow::Context as _;

use crate::input::Lines;

/// Runs so many lines.
type Case = fn(u64) -> anyhow::Result<()>;

/// What is counted, and how many lines of it: enough to hide a flush more or less.
pub(crate) const CASES: [(&str, u64, Case); 4] = [
    ("validate-300", 10_000, |count| {
        validation::run(Lines { count, bytes: 300 })
    }),
    ("validate-4096", 2_000, |count| {
        validation::run(Lines { count, bytes: 4096 })
    }),
    ("engine", 4_000, engine::run_scripted),
    ("engine-http", 4_000, engine::run_http),
];

/// Runs a case.
pub(crate) fn run(name: &str, lines: u64) -> anyhow::Result<()> {
    let case = CASES.iter().find(|(known, _, _)| *known == name);
    let (_, _, case) = case.with_context(|| format!("there is no case {name}"))?;
    case(lines)
}
