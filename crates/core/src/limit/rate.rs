//! Requests and tokens a minute, for hosted APIs that count them.

use std::time::Duration;

/// After such a wait it is looked again, however little is left.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// A budget that refills evenly and holds at most a sixtieth of a minute's worth (but at least one
/// request), so that a minute's requests are spread over it instead of going out in its first second.
#[derive(Clone, Debug)]
pub struct RateBudget {
    a_second: f64,
    most: f64,
    left: f64,
    at: Duration,
}

impl RateBudget {
    /// A full budget of so many a minute.
    #[must_use]
    pub fn new(a_minute: u64) -> Self {
        // A rate beyond 2^53 a minute is no limit at all, so the rounding does not matter.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let a_second = a_minute.max(1) as f64 / 60.0;
        let most = a_second.max(1.0);
        Self {
            a_second,
            most,
            left: most,
            at: Duration::ZERO,
        }
    }

    /// How long until something may be taken; zero when it may be now. The budget may go below zero by what
    /// one request takes, so that a request larger than it is not refused for ever.
    pub fn wait(&mut self, now: Duration) -> Duration {
        self.refill(now);
        if self.left > 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64((-self.left / self.a_second).max(0.001))
            .map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX))
    }

    /// Takes that much.
    pub fn take(&mut self, amount: f64, now: Duration) {
        self.refill(now);
        self.left -= amount;
    }

    /// Corrects what was taken by an estimate, once the real figure is known.
    pub fn correct(&mut self, estimated: f64, real: f64) {
        // A figure beyond a minute's worth is an upstream's mistake; it must not close the place.
        let real = real.min(self.a_second * 60.0);
        self.left = (self.left + estimated - real).min(self.most);
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * self.a_second).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_lets_as_many_through_as_it_says() {
        let mut budget = RateBudget::new(600);
        let (mut now, mut sent) = (Duration::ZERO, 0);
        while now < Duration::from_mins(1) {
            let wait = budget.wait(now);
            if wait.is_zero() {
                budget.take(1.0, now);
                sent += 1;
            } else {
                now += wait;
            }
        }
        assert!((600..=611).contains(&sent), "{sent}");
    }

    #[test]
    fn a_slow_rate_lets_the_first_through_at_once() {
        let mut budget = RateBudget::new(1);
        assert_eq!(budget.wait(Duration::ZERO), Duration::ZERO);
        budget.take(1.0, Duration::ZERO);
        assert!(budget.wait(Duration::ZERO) > Duration::ZERO);
        assert_eq!(budget.wait(Duration::from_secs(61)), Duration::ZERO);
    }

    #[test]
    fn an_estimate_is_corrected_by_the_real_figure() {
        let mut budget = RateBudget::new(6000);
        budget.take(1000.0, Duration::ZERO);
        assert!(budget.wait(Duration::ZERO) > Duration::from_secs(8));
        budget.correct(1000.0, 10.0);
        assert_eq!(budget.wait(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_figure_beyond_a_minutes_worth_counts_as_a_minutes_worth() {
        let mut budget = RateBudget::new(6000);
        budget.correct(0.0, 1e12);
        assert_eq!(budget.wait(Duration::ZERO), Duration::from_secs(59));
        budget.correct(5000.0, 1000.0);
        assert_eq!(budget.wait(Duration::ZERO), Duration::from_secs(19));
    }
}
