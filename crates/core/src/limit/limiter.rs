//! A limit that finds out how many requests an upstream works on at once.
//!
//! Requests are sent in *rounds*: a round is over when half as many of its own requests have been
//! answered as the limit allows in flight. What is learnt moves the limit between two bounds:
//!
//! * `good`, a limit at which a whole round was answered without a refusal, and
//! * `bad`, a limit at which something was refused, or which brought no more throughput.
//!
//! ```text
//! no `bad` yet:  each round doubles the step          (8, 16, 32, ... or good + 1, + 2, + 4, ...)
//! `bad` known:   each round halves the gap to it      (until the gap is small: then it holds)
//! holding:       after a while `bad` is forgotten, and the limit tries one more
//! refused:       back to `good` at once; refused at `good` itself, a quarter less than was in flight,
//!                and refused again before a round was clean, to half
//! ```
//!
//! Whoever shares an upstream is refused at its `good` when another one tries more. That moves places
//! from who has many to who has few: each loses a part of what it has, and gains one at a time. A quarter
//! leaves few places empty meanwhile; an upstream that has lost half of its slots refuses again at once.
//!
//! Refusals of requests that were sent before the last cut count only once, however many there are.
//! Engines that queue instead of refusing show it in their gauges ([`Limiter::gauges`]), or by answering no
//! more lines with twice as many in flight, two rounds in a row, which the mean latency of a round tells. An
//! engine that has refused is not judged by its throughput: its refusals are plainer.

use std::time::Duration;

/// A round has at least so many answers (or the limit, if that is less), to be more than noise.
const ROUND_ANSWERS_MIN: u32 = 8;

/// While it holds, so many answers at least pass before the limit tries one more.
const HOLD_ANSWERS: u32 = 64;

/// And so many rounds.
const HOLD_ROUNDS: u32 = 5;

/// After a try that brought no throughput, so many rounds pass before the next one.
const FLAT_HOLD_ROUNDS: u32 = 30;

/// A larger limit must bring so much more throughput to be kept.
const GROWTH_MIN: f64 = 1.1;

/// From so many looks in a row at gauges with nothing waiting, each raises the limit a little, whatever
/// else they show.
const IDLE_LOOKS: u32 = 4;

/// At a first refusal at a limit that was good, the limit loses one of so many parts.
const FIRST_CUT: u32 = 4;

/// The pause after a refusal at a limit of one, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// At a fixed limit, one refusal in so many requests calls for no pause: it is no matter of how many are in
/// flight, say one bad server of many behind a balancer.
const RARE_REFUSAL: u32 = 10;

/// The share of refusals is that of about so many requests.
const SHARE_REQUESTS: u32 = 256;

/// No pause that we choose ourselves is longer.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// No pause that an upstream asks for is believed beyond this.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// What a limiter starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimiterSettings {
    /// The limit at first. Default 8.
    pub start: u32,
    /// The most that it may become. Default 512.
    pub max: u32,
    /// Whether it never moves: `start` is a fixed limit that somebody set.
    pub fixed: bool,
}

impl Default for LimiterSettings {
    fn default() -> Self {
        Self {
            start: 8,
            max: 512,
            fixed: false,
        }
    }
}

impl LimiterSettings {
    /// A limit that never moves.
    #[must_use]
    pub fn fixed(limit: u32) -> Self {
        Self {
            start: limit.max(1),
            max: limit.max(1),
            fixed: true,
        }
    }
}

/// In which round a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(u64);

/// A limit that is too much, and how that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// Something was refused.
    Refused(u32),
    /// Nothing was refused, but it brought no more throughput.
    Flat,
}

/// What the engine's gauges showed the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gauges {
    /// It shows none.
    None,
    /// Nothing waits, as far as is known.
    Idle,
    /// Requests wait.
    Queueing,
}

/// The moving limit of one upstream.
#[derive(Clone, Debug)]
pub struct Limiter {
    settings: LimiterSettings,
    limit: u32,
    good: u32,
    bad: Option<Bad>,
    /// By how much the next clean round raises the limit while no `bad` is known.
    step: u32,
    round: u64,
    /// The latest time that was heard of.
    now: Duration,
    /// When the present round began.
    round_began: Duration,
    /// Answers to requests of the present round.
    answers: u32,
    /// Answers in the present round, to whatever request.
    answers_all: u32,
    /// Whether the limit was reached in it.
    saturated: bool,
    /// Answers and rounds since the limit began to hold.
    held_answers: u32,
    held_rounds: u32,
    hold_rounds: u32,
    /// Answers a second in the last clean round at `good`.
    good_rate: Option<f64>,
    /// Whether it has ever refused: then a refusal tells better than throughput what is too much.
    refuses: bool,
    /// Whether the round before this one, at the same limit, brought no more throughput.
    seemed_flat: bool,
    gauges: Gauges,
    /// Looks at the gauges in a row at which nothing waited.
    idle_looks: u32,
    /// How often a limit that was good was cut since a round was clean.
    cuts: u32,
    pause: Duration,
    paused_until: Duration,
    /// Refusals and answers since the last pause of a fixed limit; both halved when they are many.
    refusals_since: u32,
    answers_since: u32,
    /// The round that began with the last pause of a fixed limit.
    paused_round: u64,
}

impl Limiter {
    /// A limiter that knows nothing.
    #[must_use]
    pub fn new(settings: LimiterSettings) -> Self {
        let start = settings.start.clamp(1, settings.max.max(1));
        Self {
            settings,
            limit: start,
            good: 1,
            bad: None,
            step: start,
            round: 0,
            now: Duration::ZERO,
            round_began: Duration::ZERO,
            answers: 0,
            answers_all: 0,
            saturated: false,
            held_answers: 0,
            held_rounds: 0,
            hold_rounds: HOLD_ROUNDS,
            good_rate: None,
            refuses: false,
            seemed_flat: false,
            gauges: Gauges::None,
            idle_looks: 0,
            cuts: 0,
            pause: PAUSE_FIRST,
            paused_until: Duration::ZERO,
            refusals_since: 0,
            answers_since: 0,
            paused_round: 0,
        }
    }

    /// How many requests may be in flight.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Until when nothing is sent, on the engine's own clock.
    #[must_use]
    pub const fn paused_until(&self) -> Duration {
        self.paused_until
    }

    /// A request goes out; `in_flight` counts it.
    pub fn sent(&mut self, in_flight: u32, now: Duration) -> Round {
        self.now = self.now.max(now);
        if in_flight <= 1 {
            // Nothing was in flight for a while, and that while says nothing of the upstream.
            self.begin_round(self.limit);
        }
        self.saturated |= in_flight >= self.limit;
        Round(self.round)
    }

    /// A request of that round was answered, in whatever way that is no refusal.
    pub fn answered(&mut self, round: Round, now: Duration) {
        self.now = self.now.max(now);
        self.held_answers = self.held_answers.saturating_add(1);
        self.answers_all += 1;
        self.count_since(1, 0);
        if round.0 != self.round {
            return;
        }
        self.answers += 1;
        self.pause = PAUSE_FIRST;
        if self.answers >= (self.limit / 2).max(ROUND_ANSWERS_MIN.min(self.limit)) {
            self.end_round();
        }
    }

    /// A request of that round was refused because the upstream has too much to do. `in_flight` counts it.
    /// A pause of no length that the upstream asks for is none.
    pub fn refused(
        &mut self,
        round: Round,
        in_flight: u32,
        retry_after: Option<Duration>,
        now: Duration,
    ) {
        self.now = self.now.max(now);
        let retry_after = retry_after.filter(|wait| !wait.is_zero());
        if self.settings.fixed {
            self.refused_at_fixed(round, retry_after, now);
            return;
        }
        if self.is_known(round) {
            return;
        }
        match retry_after {
            Some(wait) if !self.is_tried() => self.pause_until(now + wait.min(RETRY_AFTER_MAX)),
            None if self.limit <= 1 => {
                let pause = self.next_pause();
                self.pause_until(now + pause);
            }
            Some(_) | None => {}
        }
        self.cut(in_flight);
    }

    /// A request of that round ran out of time, as those do that an upstream cannot get to. `in_flight`
    /// counts it.
    pub fn timed_out(&mut self, round: Round, in_flight: u32, now: Duration) {
        self.now = self.now.max(now);
        if !self.settings.fixed && !self.is_known(round) {
            self.cut(in_flight);
        }
    }

    /// The upstream was lost or came back: what the present round has measured is worth nothing.
    pub fn interrupted(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.begin_round(self.limit);
    }

    /// The engine shows no gauges any more.
    pub fn lost_gauges(&mut self) {
        self.gauges = Gauges::None;
    }

    /// What the engine's gauges say, with `in_flight` requests of ours there.
    ///
    /// When requests of about one length end together, a look may fall between two waves, and nothing
    /// waits for a moment. So nothing waiting doubles the limit only if the engine works on about as many
    /// as the limit allows; when it is seen time after time, the limit is raised by a little.
    pub fn gauges(&mut self, running: u64, waiting: u64, in_flight: u32) {
        if self.gauges == Gauges::None {
            self.gauges = Gauges::Idle;
        }
        if self.settings.fixed {
            return;
        }
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let working = in_flight.saturating_sub(waiting).max(1);
        // A few that wait keep the engine busy between two of its steps.
        let spare = (working / 10).max(1);
        self.idle_looks += 1;
        if waiting > 0 {
            self.gauges = Gauges::Queueing;
            self.idle_looks = 0;
        }
        // A few are always on their way.
        let is_full = running >= u64::from(self.limit - self.limit / 24);
        if waiting > spare {
            let target = working.saturating_add(spare);
            if target < self.limit {
                self.good = target;
                self.begin_round(target);
            }
        } else if in_flight.saturating_add(1) >= self.limit && waiting == 0 {
            if is_full {
                self.gauges = Gauges::Idle;
                self.bad = None;
                self.good = self.limit;
                self.step = self.limit.saturating_mul(2);
                self.raise(self.step);
            } else if self.idle_looks >= IDLE_LOOKS {
                self.good = self.limit;
                self.raise(self.limit.saturating_add(spare));
            }
        }
    }

    fn end_round(&mut self) {
        self.cuts = 0;
        if self.settings.fixed || self.gauges == Gauges::Queueing || !self.saturated {
            self.begin_round(self.limit);
            return;
        }
        let took = self.now.saturating_sub(self.round_began).as_secs_f64();
        let rate = f64::from(self.answers_all) / took.max(1e-6);
        if self.limit > self.good {
            let asks_rate = self.gauges == Gauges::None && !self.refuses;
            if asks_rate && !self.is_worth_it(rate) {
                if !self.seemed_flat {
                    // One round may be chance: requests of one length come back in waves.
                    self.begin_round(self.limit);
                    self.seemed_flat = true;
                    return;
                }
                self.bad = Some(Bad::Flat);
                self.hold(FLAT_HOLD_ROUNDS);
                self.begin_round(self.good);
                return;
            }
            self.good = self.limit;
        }
        self.good_rate = Some(rate);
        self.advance();
    }

    /// Whether the present limit brought as much more throughput as its growth lets expect. A step
    /// of less than a half is too small to be seen in the noise and is taken on trust.
    fn is_worth_it(&self, rate: f64) -> bool {
        let grown = f64::from(self.limit) / f64::from(self.good.max(1));
        grown < 1.5
            || self
                .good_rate
                .is_none_or(|before| rate >= before * GROWTH_MIN)
    }

    /// The next limit after a clean round.
    fn advance(&mut self) {
        match self.bad {
            None => {
                let next = self.limit.saturating_add(self.step);
                self.step = self.step.saturating_mul(2);
                self.raise(next);
            }
            Some(Bad::Refused(bad)) => {
                let gap = bad.saturating_sub(self.good);
                if gap > (self.good / 16).max(1) {
                    self.raise(self.good + gap / 2);
                } else {
                    // Each refusal costs a request, so only one more is tried.
                    self.keep_or_try(1);
                }
            }
            // A smaller step than to the double would be lost in the noise.
            Some(Bad::Flat) => self.keep_or_try(self.limit),
        }
    }

    /// Keeps the limit; after a while, forgets `bad` and tries that many more.
    fn keep_or_try(&mut self, more: u32) {
        self.held_rounds += 1;
        if self.held_rounds < self.hold_rounds || self.held_answers < HOLD_ANSWERS {
            self.begin_round(self.limit);
            return;
        }
        self.bad = None;
        self.step = more.saturating_mul(2);
        self.raise(self.limit.saturating_add(more));
    }

    fn hold(&mut self, rounds: u32) {
        self.hold_rounds = rounds;
        self.held_rounds = 0;
        self.held_answers = 0;
    }

    fn raise(&mut self, limit: u32) {
        self.begin_round(limit.min(self.settings.max).max(1));
    }

    fn begin_round(&mut self, limit: u32) {
        self.limit = limit;
        self.round += 1;
        self.round_began = self.now;
        self.answers = 0;
        self.answers_all = 0;
        self.seemed_flat = false;
        self.saturated = false;
    }

    /// Whether a cut has answered already what was sent in that round.
    const fn is_known(&self, round: Round) -> bool {
        round.0 < self.round && self.bad.is_some()
    }

    /// Whether the limit is one that was never good.
    const fn is_tried(&self) -> bool {
        self.limit > self.good && self.good > 1
    }

    /// Goes back to a limit that is no more than the upstream works on.
    fn cut(&mut self, in_flight: u32) {
        self.refuses = true;
        // One request alone that is refused says nothing of how many would be too many.
        self.bad = (in_flight > 1).then(|| Bad::Refused(in_flight.clamp(2, self.limit.max(2))));
        if !self.is_tried() {
            let full = in_flight.min(self.limit);
            let kept = if self.cuts == 0 {
                full - full.div_ceil(FIRST_CUT)
            } else {
                full / 2
            };
            self.good = kept.max(1);
            self.cuts = self.cuts.saturating_add(1);
            self.good_rate = None;
        }
        self.hold(HOLD_ROUNDS);
        self.begin_round(self.good);
    }

    /// A fixed limit only pauses, and once for all that was sent before a pause.
    fn refused_at_fixed(&mut self, round: Round, retry_after: Option<Duration>, now: Duration) {
        self.count_since(0, 1);
        if round.0 < self.paused_round {
            return;
        }
        let (refusals, answers) = (self.refusals_since, self.answers_since);
        if retry_after.is_none() && answers >= refusals * (RARE_REFUSAL - 1) {
            return;
        }
        if answers >= refusals {
            self.pause = PAUSE_FIRST;
        }
        let pause = retry_after.unwrap_or_else(|| self.next_pause());
        self.pause_until(now + pause.min(RETRY_AFTER_MAX));
        (self.refusals_since, self.answers_since) = (0, 0);
        self.begin_round(self.limit);
        self.paused_round = self.round;
    }

    fn count_since(&mut self, answers: u32, refusals: u32) {
        self.answers_since += answers;
        self.refusals_since += refusals;
        if self.answers_since + self.refusals_since > SHARE_REQUESTS {
            self.answers_since /= 2;
            self.refusals_since /= 2;
        }
    }

    /// The pause after a refusal that names none; the next one is twice as long.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }

    fn pause_until(&mut self, instant: Duration) {
        self.paused_until = self.paused_until.max(instant);
    }
}

#[cfg(test)]
mod shared;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
