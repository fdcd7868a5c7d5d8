//! What whoever runs the simulation asks for.

#[expect(
    clippy::disallowed_methods,
    reason = "a test is asked for more seeds, or for one of them, from outside"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `OVERNIGHT_SIM_SEEDS`: so many seeds are run. Default 2,000.
pub(crate) fn seeds() -> u64 {
    number("OVERNIGHT_SIM_SEEDS").unwrap_or(2_000)
}

/// `OVERNIGHT_SIM_SEED`: the one seed that is to be run, its trace being shown.
pub(crate) fn seed() -> Option<u64> {
    number("OVERNIGHT_SIM_SEED")
}

/// Whether a failure shows all of the trace.
pub(crate) fn shows_trace() -> bool {
    seed().is_some()
}
