//! The limiter against a small event-driven model of an engine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// What the modelled engine does with requests beyond its slots.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    Refuse,
    Queue { gauges: bool },
}

/// A client that always has something to send, and an engine whose slots change.
struct Model {
    limiter: Limiter,
    beyond: Beyond,
    slots: u32,
    now: Duration,
    in_flight: u32,
    /// Requests at work: when they end, their round.
    working: BinaryHeap<Reverse<(Duration, u64)>>,
    queued: std::collections::VecDeque<u64>,
    sent: u64,
    refused: u64,
    next_poll: Duration,
}

const LATENCY: Duration = Duration::from_millis(100);

impl Model {
    fn new(beyond: Beyond, slots: u32) -> Self {
        Self {
            limiter: Limiter::new(LimiterSettings::default()),
            beyond,
            slots,
            now: Duration::ZERO,
            in_flight: 0,
            working: BinaryHeap::new(),
            queued: std::collections::VecDeque::new(),
            sent: 0,
            refused: 0,
            next_poll: Duration::ZERO,
        }
    }

    /// A latency that varies by a fifth, the same on every run.
    fn latency(&self) -> Duration {
        LATENCY * u32::try_from(80 + self.sent * 7919 % 41).unwrap() / 100
    }

    fn send_all(&mut self) {
        while self.in_flight < self.limiter.limit() && self.limiter.paused_until() <= self.now {
            self.in_flight += 1;
            self.sent += 1;
            let round = self.limiter.sent(self.in_flight, self.now);
            let at_work = u32::try_from(self.working.len()).unwrap();
            if at_work < self.slots {
                self.working
                    .push(Reverse((self.now + self.latency(), round.0)));
            } else if self.beyond == Beyond::Refuse {
                self.refused += 1;
                self.limiter.refused(round, self.in_flight, None, self.now);
                self.in_flight -= 1;
            } else {
                self.queued.push_back(round.0);
            }
        }
    }

    fn run_until(&mut self, end: Duration) {
        self.send_all();
        while self.now < end {
            let Some(Reverse((ends, round))) = self.working.pop() else {
                self.now = self.limiter.paused_until();
                self.send_all();
                continue;
            };
            self.now = ends;
            self.in_flight -= 1;
            self.limiter.answered(Round(round), self.now);
            while u32::try_from(self.working.len()).unwrap() < self.slots {
                let Some(round) = self.queued.pop_front() else {
                    break;
                };
                self.working
                    .push(Reverse((self.now + self.latency(), round)));
            }
            self.send_all();
            if self.beyond == (Beyond::Queue { gauges: true }) && self.now >= self.next_poll {
                let (running, waiting) = (self.working.len() as u64, self.queued.len() as u64);
                self.limiter.gauges(running, waiting, self.in_flight);
                self.next_poll = self.now + Duration::from_millis(250);
                self.send_all();
            }
        }
    }

    fn is_within_a_fifth(&self) -> bool {
        let in_flight = f64::from(self.in_flight);
        let slots = f64::from(self.slots);
        (slots * 0.8..=slots * 1.2).contains(&in_flight)
    }
}

fn slots_move_from_8_to_64_to_16(beyond: Beyond) -> Model {
    let mut model = Model::new(beyond, 8);
    for (slots, until) in [(8, 4), (64, 8), (16, 12)] {
        model.slots = slots;
        model.run_until(Duration::from_secs(until - 1));
        assert!(
            model.is_within_a_fifth(),
            "{} in flight for {slots} slots",
            model.in_flight
        );
        model.run_until(Duration::from_secs(until));
        assert!(
            model.is_within_a_fifth(),
            "{} in flight for {slots} slots",
            model.in_flight
        );
    }
    model
}

#[test]
fn it_follows_an_engine_that_refuses_what_it_cannot_take() {
    let model = slots_move_from_8_to_64_to_16(Beyond::Refuse);
    assert!(
        model.refused * 100 < model.sent * 3,
        "{} of {} refused",
        model.refused,
        model.sent
    );
}

#[test]
fn it_follows_an_engine_that_queues_and_shows_it() {
    let model = slots_move_from_8_to_64_to_16(Beyond::Queue { gauges: true });
    assert_eq!(model.refused, 0);
}

#[test]
fn a_look_at_the_gauges_between_two_waves_does_not_raise_the_limit() {
    let mut limiter = Limiter::new(LimiterSettings::default());
    limiter.gauges(8, 0, 8);
    assert_eq!(limiter.limit(), 16);
    limiter.gauges(8, 8, 16);
    assert_eq!(limiter.limit(), 9, "eight slots, and one that waits");
    for _ in 0..20 {
        limiter.gauges(1, 0, 9);
        assert_eq!(limiter.limit(), 9);
        limiter.gauges(8, 1, 9);
    }
    limiter.gauges(9, 0, 9);
    assert_eq!(limiter.limit(), 18, "there is a ninth slot now");
}

#[test]
fn gauges_with_nothing_waiting_time_after_time_raise_the_limit_of_an_engine_with_short_answers() {
    let mut limiter = Limiter::new(LimiterSettings::default());
    limiter.gauges(2, 1, 8);
    for _ in 0..IDLE_LOOKS {
        assert_eq!(limiter.limit(), 8);
        limiter.gauges(2, 0, 8);
    }
    assert!(limiter.limit() > 8);
}

#[test]
fn it_stops_where_more_in_flight_brings_nothing() {
    let mut model = Model::new(Beyond::Queue { gauges: false }, 32);
    model.run_until(Duration::from_secs(20));
    let good = model.limiter.good;
    assert!((32..=64).contains(&good), "{good} found good for 32 slots");
    assert!(
        model.in_flight <= 128,
        "{} in flight for 32 slots",
        model.in_flight
    );
}

#[test]
fn it_reaches_many_slots_fast() {
    let mut model = Model::new(Beyond::Queue { gauges: false }, 256);
    model.run_until(Duration::from_secs(1));
    assert!(model.in_flight >= 256, "{}", model.in_flight);
    assert!(model.limiter.limit() <= 512);
}

#[test]
fn an_idle_hour_says_nothing_of_the_upstream() {
    let mut model = Model::new(Beyond::Refuse, 64);
    model.run_until(Duration::from_millis(350));
    let before = model.limiter.limit();
    assert!(before > 8);
    // Everything in flight lands, and nothing is sent for an hour.
    while let Some(Reverse((ends, round))) = model.working.pop() {
        model.now = ends;
        model.limiter.answered(Round(round), ends);
    }
    model.in_flight = 0;
    model.now += Duration::from_hours(1);
    let end = model.now + Duration::from_secs(2);
    model.run_until(end);
    assert!(model.is_within_a_fifth(), "{} in flight", model.in_flight);
}

#[test]
fn a_fixed_limit_never_moves() {
    let mut limiter = Limiter::new(LimiterSettings::fixed(5));
    for _ in 0..100 {
        let round = limiter.sent(5, Duration::ZERO);
        limiter.answered(round, Duration::from_secs(1));
        let round = limiter.sent(5, Duration::ZERO);
        limiter.refused(
            round,
            5,
            Some(Duration::from_secs(1)),
            Duration::from_secs(9),
        );
        limiter.gauges(5, 50, 5);
    }
    assert_eq!(limiter.limit(), 5);
    assert_eq!(limiter.paused_until(), Duration::from_secs(10));
}

#[test]
fn refusals_at_a_limit_of_one_pause_longer_and_longer() {
    let mut limiter = Limiter::new(LimiterSettings {
        start: 1,
        ..LimiterSettings::default()
    });
    let mut pauses = Vec::new();
    let mut now = Duration::ZERO;
    for _ in 0..10 {
        let round = limiter.sent(1, Duration::ZERO);
        limiter.refused(round, 1, None, now);
        pauses.push(limiter.paused_until().saturating_sub(now).as_millis());
        now = limiter.paused_until();
    }
    assert_eq!(pauses[..4], [250, 500, 1000, 2000]);
    assert_eq!(*pauses.last().unwrap(), PAUSE_MAX.as_millis());
}

#[test]
fn it_is_back_soon_after_a_spell_in_which_everything_was_refused() {
    let mut model = Model::new(Beyond::Refuse, 64);
    model.run_until(Duration::from_secs(3));
    let (slots, end) = (model.slots, model.now + Duration::from_secs(5));
    model.slots = 0;
    model.run_until(end);
    assert_eq!(model.limiter.limit(), 1);
    model.slots = slots;
    let end = model.limiter.paused_until() + Duration::from_secs(3);
    model.run_until(end);
    assert!(model.is_within_a_fifth(), "{} in flight", model.in_flight);
}

#[test]
fn refusals_of_one_cohort_pause_a_fixed_limit_once() {
    let mut limiter = Limiter::new(LimiterSettings::fixed(16));
    let rounds: Vec<Round> = (1..=16)
        .map(|sent| limiter.sent(sent, Duration::ZERO))
        .collect();
    for round in rounds {
        limiter.refused(round, 16, None, Duration::ZERO);
    }
    assert_eq!(limiter.paused_until(), PAUSE_FIRST);
}

/// Requests at a fixed limit of 20 that are answered after 200 ms, but for one in `every` that is refused at
/// once. Answers how many are answered a second.
fn answers_a_second(every: u64) -> f64 {
    let mut limiter = Limiter::new(LimiterSettings::fixed(20));
    let (mut now, mut sent, mut answered) = (Duration::ZERO, 0, 0);
    while now < Duration::from_mins(10) {
        now = now.max(limiter.paused_until());
        let mut flying = Vec::new();
        for _ in 0..20 {
            if limiter.paused_until() > now {
                break;
            }
            sent += 1;
            let round = limiter.sent(20, now);
            if sent % every == 0 {
                limiter.refused(round, 20, None, now);
            } else {
                flying.push(round);
            }
        }
        now += Duration::from_millis(200);
        for round in flying {
            limiter.answered(round, now);
            answered += 1;
        }
    }
    f64::from(answered) / now.as_secs_f64()
}

#[test]
fn a_fixed_limit_pauses_little_for_refusals_that_are_few() {
    let rare = answers_a_second(30);
    assert!(rare > 85.0, "{rare} of 97");
    let some = answers_a_second(5);
    assert!(some > 10.0, "{some} of 80");
    let all = answers_a_second(1);
    assert!(all < 0.1, "{all}");
}

#[test]
fn rare_refusals_are_told_from_a_flood_that_begins_late() {
    let mut limiter = Limiter::new(LimiterSettings::fixed(20));
    for _ in 0..100_000 {
        let round = limiter.sent(20, Duration::ZERO);
        limiter.answered(round, Duration::ZERO);
    }
    let refused = (1..100).find(|_| {
        let round = limiter.sent(20, Duration::ZERO);
        limiter.refused(round, 20, None, Duration::ZERO);
        !limiter.paused_until().is_zero()
    });
    assert!(refused.is_some_and(|refused| refused < 40), "{refused:?}");
}

#[test]
fn retry_after_is_honoured_up_to_ten_minutes() {
    let mut limiter = Limiter::new(LimiterSettings::default());
    let round = limiter.sent(8, Duration::ZERO);
    limiter.refused(
        round,
        8,
        Some(Duration::from_secs(u64::MAX)),
        Duration::ZERO,
    );
    assert_eq!(limiter.paused_until(), RETRY_AFTER_MAX);
}

#[test]
fn a_pause_of_no_length_is_none_that_an_upstream_asks_for() {
    for settings in [LimiterSettings::fixed(4), LimiterSettings::fixed(1)] {
        let mut limiter = Limiter::new(settings);
        let round = limiter.sent(1, Duration::ZERO);
        limiter.refused(round, 1, Some(Duration::ZERO), Duration::ZERO);
        assert_eq!(limiter.paused_until(), PAUSE_FIRST);
    }
}

#[test]
fn a_lack_of_time_pauses_no_fixed_limit_and_cuts_a_moving_one() {
    let mut fixed = Limiter::new(LimiterSettings::fixed(8));
    let mut moving = Limiter::new(LimiterSettings::default());
    for limiter in [&mut fixed, &mut moving] {
        let round = limiter.sent(8, Duration::ZERO);
        limiter.timed_out(round, 8, Duration::ZERO);
        assert_eq!(limiter.paused_until(), Duration::ZERO);
    }
    assert_eq!((fixed.limit(), moving.limit()), (8, 6));
}

#[test]
fn a_fixed_limit_pauses_for_what_was_sent_since_its_last_pause() {
    let mut limiter = Limiter::new(LimiterSettings::fixed(4));
    let asked = Some(Duration::from_secs(9));
    let slow = limiter.sent(4, Duration::ZERO);
    for _ in 0..100 {
        let round = limiter.sent(4, Duration::ZERO);
        limiter.answered(round, Duration::ZERO);
    }
    limiter.refused(slow, 4, asked, Duration::ZERO);
    assert_eq!(limiter.paused_until(), Duration::from_secs(9));
}
