//! What is measured. Each measure says what it compares with what.

mod floor;
mod memory;
mod polling;
mod scale;
mod sealing;
mod slow;
mod throughput;
mod transfer;
mod validation;

use std::time::Duration;

use crate::bench::Bench;
use crate::figure::Figure;

/// Measures, and answers what came out.
pub(crate) type Measure = fn(&Bench) -> anyhow::Result<Vec<Figure>>;

/// Everything that can be measured.
pub(crate) const MEASURES: [(&str, Measure); 9] = [
    ("throughput", throughput::measure),
    ("slow", slow::measure),
    ("validation", validation::measure),
    ("sealing", sealing::measure),
    ("transfer", transfer::measure),
    ("memory", memory::measure),
    ("floor", floor::measure),
    ("polling", polling::measure),
    ("scale", scale::measure),
];

/// One value of each run.
fn each<T>(runs: &[T], value: impl Fn(&T) -> f64) -> Vec<f64> {
    runs.iter().map(value).collect()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
