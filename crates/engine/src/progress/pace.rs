//! How fast a batch is: rates that forget, what to expect of them, and how long lines take.

use std::time::Duration;

use overnight_core::usage::Usage;
use overnight_store::status::Latency;

/// A rate forgets what was this long ago to about a third.
const RATE_SECONDS: f64 = 20.0;

/// However much a rate has varied, a batch is not expected to take longer than at this part of it.
const SLOWEST_PART: f64 = 0.1;

/// What was counted when it was looked last, and how fast it has moved since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) lines: Rate,
    input_tokens: Rate,
    output_tokens: Rate,
}

impl Rates {
    /// So many lines ended, and so many tokens came, within that many seconds.
    pub(super) fn add(&mut self, lines: u64, tokens: (u64, u64), seconds: f64) {
        self.lines.add(per(lines, seconds), seconds);
        self.input_tokens.add(per(tokens.0, seconds), seconds);
        self.output_tokens.add(per(tokens.1, seconds), seconds);
    }

    /// Tokens that go in and come out a second.
    pub(super) fn tokens(&self) -> (f64, f64) {
        (self.input_tokens.shown(), self.output_tokens.shown())
    }
}

/// The tokens that one count has more than another.
pub(super) fn tokens_since(now: &Usage, before: &Usage) -> (u64, u64) {
    let more = |now: u64, before: u64| now.saturating_sub(before);
    (
        more(now.input_tokens, before.input_tokens),
        more(now.output_tokens, before.output_tokens),
    )
}

// Counts are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// A rate a second that forgets, and how much it varies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    value: f64,
    variance: f64,
}

impl Rate {
    fn add(&mut self, sample: f64, seconds: f64) {
        if self.value == 0.0 {
            (self.value, self.variance) = (sample, 0.0);
            return;
        }
        let learns = 1.0 - (-seconds / RATE_SECONDS).exp();
        let off = sample - self.value;
        self.value += learns * off;
        self.variance = (1.0 - learns) * (self.variance + learns * off * off);
    }

    /// The rate with two digits behind the point.
    pub(super) fn shown(self) -> f64 {
        (self.value * 100.0).round() / 100.0
    }

    /// After how many seconds so many are done; unknown while nothing moves.
    pub(super) fn eta(self, left: u64) -> Option<u64> {
        seconds(left, self.value)
    }

    /// The same if it stays a deviation above, or below, what it is now.
    pub(super) fn eta_range(self, left: u64) -> Option<(u64, u64)> {
        let deviation = self.variance.sqrt();
        let slow = (self.value - deviation).max(self.value * SLOWEST_PART);
        Some((seconds(left, self.value + deviation)?, seconds(left, slow)?))
    }
}

fn seconds(left: u64, rate: f64) -> Option<u64> {
    let eta = Duration::try_from_secs_f64(per(left, rate)).ok()?;
    Some(eta.as_secs())
}

/// How long these lines took, in milliseconds; `None` of none.
pub(super) fn latency(mut took: Vec<u32>) -> Option<Latency> {
    took.sort_unstable();
    let last = took.len().checked_sub(1)?;
    let of = |percent: usize| took.get((last * percent).div_ceil(100)).copied();
    Some(Latency {
        p50: of(50)?,
        p95: of(95)?,
        p99: of(99)?,
        max: of(100)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(rate: u64, seconds: u32) -> Rates {
        let mut rates = Rates::default();
        for _ in 0..seconds {
            rates.add(rate, (3 * rate, rate), 1.0);
        }
        rates
    }

    #[test]
    fn a_steady_rate_is_told_with_no_doubt() {
        let rates = steady(10, 5);
        assert_eq!((rates.lines.shown(), rates.tokens()), (10.0, (30.0, 10.0)));
        assert_eq!(rates.lines.eta(100), Some(10));
        assert_eq!(rates.lines.eta_range(100), Some((10, 10)));
        assert_eq!(Rate::default().eta(1), None);
        assert_eq!(Rate::default().eta_range(1), None);
    }

    #[test]
    fn a_rate_that_varies_gives_a_range_around_what_is_expected() {
        let mut rates = Rates::default();
        for second in 0..60_u64 {
            rates.add(if second.is_multiple_of(2) { 5 } else { 15 }, (0, 0), 1.0);
        }
        let eta = rates.lines.eta(1_000).unwrap();
        let (least, most) = rates.lines.eta_range(1_000).unwrap();
        assert!((60..=75).contains(&least), "{least}");
        assert!((90..=110).contains(&eta), "{eta}");
        assert!((170..=260).contains(&most), "{most}");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut rates = steady(100, 60);
        for _ in 0..200 {
            rates.add(10, (0, 0), 1.0);
        }
        assert!((rates.lines.shown() - 10.0).abs() < 0.5);
    }

    #[test]
    fn percentiles_are_those_of_the_lines() {
        assert_eq!(latency(Vec::new()), None);
        let one = latency(vec![7]).unwrap();
        assert_eq!((one.p50, one.p95, one.p99, one.max), (7, 7, 7, 7));
        let all = latency((0..=100).rev().collect()).unwrap();
        assert_eq!((all.p50, all.p95, all.p99, all.max), (50, 95, 99, 100));
    }
}
