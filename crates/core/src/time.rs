//! Points in time and the source they come from.
//!
//! The rules never read a clock. Whoever needs the time holds a [`Clock`], a closure that the wiring
//! fills with the system's clock and a test with one that it moves by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant that many microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The instant that many whole seconds after the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch: how the store keeps it.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: how the wire shows it.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This instant moved forward, stopping at the largest one there is.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// How long after `earlier` this instant is; zero when it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time of day. Cloning shares the source.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that answers with what `read` returns.
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_says_what_it_reads() {
        let clock = Clock::new(|| Timestamp::from_seconds(7));
        assert_eq!(clock.now().seconds(), 7);
        assert_eq!(format!("{clock:?}"), "Clock");
    }

    #[test]
    fn instants_move_and_are_compared_without_wrapping() {
        let second = Timestamp::from_seconds(1);
        assert_eq!(second.micros(), 1_000_000);
        let later = second.plus(Duration::from_millis(1_500));
        assert_eq!((later.seconds(), later.micros()), (2, 2_500_000));
        assert_eq!(later.since(second), Duration::from_millis(1_500));
        assert_eq!(second.since(later), Duration::ZERO);
        let end = Timestamp::from_micros(u64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
    }
}
