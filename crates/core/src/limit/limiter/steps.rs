//! The limiter step by step: which limit each round, refusal and look at the gauges leads to.

use super::*;

/// How long the modelled engine takes for a request.
const LATENCY: Duration = Duration::from_millis(100);

fn limiter(start: u32, max: u32) -> Limiter {
    Limiter::new(LimiterSettings {
        start,
        max,
        fixed: false,
    })
}

/// How many answers end a round.
fn answers_of(limit: u32) -> u32 {
    (limit / 2).max(ROUND_ANSWERS_MIN.min(limit))
}

/// A round in which the limit is reached and everything is answered, at so many lines a second. Answers
/// the next limit.
fn round_at(limiter: &mut Limiter, rate: u32) -> u32 {
    let (limit, began) = (limiter.limit(), limiter.now);
    let round = limiter.sent(limit, began);
    let answers = answers_of(limit);
    let end = began + Duration::from_secs(1) * answers / rate;
    for answer in 1..=answers {
        assert_eq!(limiter.limit(), limit, "it moved after {answer} answers");
        limiter.answered(round, end);
    }
    limiter.limit()
}

/// The same at an engine that works on everything at once.
fn clean_round(limiter: &mut Limiter) -> u32 {
    let rate = limiter.limit() * 10;
    round_at(limiter, rate)
}

fn clean_rounds<const COUNT: usize>(limiter: &mut Limiter) -> [u32; COUNT] {
    std::array::from_fn(|_| clean_round(limiter))
}

/// One refusal with the limit in flight. Answers the next limit.
fn refusal(limiter: &mut Limiter) -> u32 {
    let in_flight = limiter.limit();
    // Behind a request of an earlier time, so that this is no fresh start.
    let round = limiter.sent(in_flight.max(2), limiter.now);
    limiter.refused(round, in_flight, None, limiter.now);
    limiter.limit()
}

#[test]
fn while_nothing_is_refused_each_round_doubles_the_step_up_to_the_most() {
    let mut limiter = limiter(8, 512);
    let limits = clean_rounds(&mut limiter);
    assert_eq!(limits, [16, 32, 64, 128, 256, 512, 512]);
}

#[test]
fn a_refusal_of_a_try_leads_back_and_then_half_way_again_and_again() {
    let mut limiter = limiter(8, 512);
    assert_eq!(clean_rounds(&mut limiter), [16, 32, 64]);
    assert_eq!(refusal(&mut limiter), 32);
    assert_eq!(clean_rounds(&mut limiter), [48, 56, 60, 62]);
    // The gap is small: it holds for five rounds, then tries one more, two more, four more.
    assert_eq!(clean_rounds(&mut limiter), [62, 62, 62, 62, 63]);
    assert_eq!(clean_rounds(&mut limiter), [65, 69, 77]);
}

#[test]
fn a_hold_also_waits_for_so_many_answers() {
    let mut limiter = limiter(4, 512);
    assert_eq!(clean_rounds(&mut limiter), [8]);
    assert_eq!(refusal(&mut limiter), 4);
    assert_eq!(clean_rounds(&mut limiter), [6, 7]);
    // Five rounds are over long before: the first nine have 4 + 6 + 7 * 7 = 59 answers.
    let held: [u32; 7] = clean_rounds(&mut limiter);
    assert_eq!(held, [7; 7]);
    assert_eq!(clean_rounds(&mut limiter), [8]);
}

#[test]
fn refused_where_it_was_good_it_loses_a_quarter_and_then_half_until_a_round_was_clean() {
    let mut limiter = limiter(8, 8);
    assert_eq!(clean_round(&mut limiter), 8);
    assert_eq!(refusal(&mut limiter), 6);
    assert_eq!(refusal(&mut limiter), 3);
    clean_round(&mut limiter);
    assert_eq!(limiter.good, 3);
    let tried = limiter.limit();
    assert_eq!(refusal(&mut limiter), 3, "{tried} was a try");
    assert_eq!(refusal(&mut limiter), 2, "a quarter of three is one");
    assert_eq!(refusal(&mut limiter), 1);
    assert_eq!(refusal(&mut limiter), 1, "it never becomes nothing");
}

#[test]
fn what_it_loses_is_a_part_of_what_was_in_flight_and_of_no_more_than_the_limit() {
    let cut = |in_flight: u32| {
        let mut limiter = limiter(16, 16);
        assert_eq!(clean_round(&mut limiter), 16);
        let round = limiter.sent(in_flight, limiter.now);
        limiter.refused(round, in_flight, None, limiter.now);
        limiter.limit()
    };
    assert_eq!((cut(8), cut(16), cut(40)), (6, 12, 12));
}

#[test]
fn refusals_of_requests_that_were_sent_together_count_once() {
    let mut limiter = limiter(8, 8);
    assert_eq!(clean_round(&mut limiter), 8);
    let rounds = [(); 8].map(|()| limiter.sent(8, limiter.now));
    for round in rounds {
        limiter.refused(round, 8, None, limiter.now);
        assert_eq!(limiter.limit(), 6);
    }
}

#[test]
fn an_upstream_that_asks_to_wait_is_waited_for_unless_it_was_a_try() {
    let wait = Some(Duration::from_secs(5));
    let mut tried = limiter(8, 512);
    assert_eq!(clean_round(&mut tried), 16);
    let round = tried.sent(16, tried.now);
    tried.refused(round, 16, wait, tried.now);
    assert_eq!((tried.limit(), tried.paused_until()), (8, Duration::ZERO));
    let round = tried.sent(8, tried.now);
    tried.refused(round, 8, wait, tried.now);
    assert_eq!(tried.paused_until(), tried.now + Duration::from_secs(5));
}

#[test]
fn an_answer_makes_the_next_pause_short_again() {
    let mut limiter = limiter(1, 1);
    let pause = |limiter: &mut Limiter| {
        let now = limiter.paused_until().max(limiter.now);
        let round = limiter.sent(1, now);
        limiter.refused(round, 1, None, now);
        limiter.paused_until().saturating_sub(now)
    };
    assert_eq!(pause(&mut limiter), PAUSE_FIRST);
    assert_eq!(pause(&mut limiter), 2 * PAUSE_FIRST);
    let now = limiter.paused_until();
    let round = limiter.sent(1, now);
    limiter.answered(round, now);
    assert_eq!(pause(&mut limiter), PAUSE_FIRST);
}

#[test]
fn a_limit_that_brings_no_more_twice_in_a_row_is_given_up_for_thirty_rounds() {
    let mut limiter = limiter(8, 512);
    assert_eq!(round_at(&mut limiter, 80), 16);
    assert_eq!(round_at(&mut limiter, 80), 16, "once may be chance");
    assert_eq!(round_at(&mut limiter, 80), 8);
    for held in 1..30 {
        assert_eq!(round_at(&mut limiter, 80), 8, "round {held}");
    }
    assert_eq!(round_at(&mut limiter, 80), 16, "the double is tried again");
    assert_eq!(round_at(&mut limiter, 88), 32, "a tenth more is worth it");
}

#[test]
fn a_round_that_brought_no_more_is_forgiven_by_one_that_does() {
    let mut limiter = limiter(8, 512);
    assert_eq!(round_at(&mut limiter, 80), 16);
    assert_eq!(round_at(&mut limiter, 87), 16);
    assert_eq!(round_at(&mut limiter, 160), 32);
    assert_eq!(round_at(&mut limiter, 160), 32);
    assert_eq!(round_at(&mut limiter, 320), 64);
}

#[test]
fn a_step_of_less_than_a_half_is_taken_on_trust() {
    let after_flat_rounds = |max: u32| {
        let mut limiter = limiter(8, max);
        for _ in 0..3 {
            round_at(&mut limiter, 80);
        }
        limiter.limit()
    };
    assert_eq!((after_flat_rounds(11), after_flat_rounds(12)), (11, 8));
}

#[test]
fn a_hold_is_over_with_its_last_answer() {
    let mut limiter = limiter(8, 512);
    assert_eq!(clean_rounds(&mut limiter), [16]);
    assert_eq!(refusal(&mut limiter), 8);
    // Eight rounds of eight answers are sixty-four.
    let limits = clean_rounds(&mut limiter);
    assert_eq!(limits, [12, 14, 15, 15, 15, 15, 15, 16]);
}

#[test]
fn an_engine_that_has_refused_is_not_judged_by_its_throughput() {
    let mut limiter = limiter(8, 512);
    assert_eq!(clean_rounds(&mut limiter), [16, 32]);
    assert_eq!(refusal(&mut limiter), 16);
    assert_eq!(round_at(&mut limiter, 1), 24);
    assert_eq!(round_at(&mut limiter, 1), 28);
}

#[test]
fn a_round_that_did_not_reach_the_limit_says_nothing() {
    let mut limiter = limiter(8, 512);
    for _ in 0..3 {
        let round = limiter.sent(7, limiter.now);
        for _ in 0..8 {
            limiter.answered(round, limiter.now + LATENCY);
        }
        assert_eq!(limiter.limit(), 8);
        assert_ne!(limiter.sent(7, limiter.now), round, "but it is over");
    }
}

#[test]
fn a_request_after_a_silence_begins_a_round_and_others_do_not() {
    let mut limiter = limiter(8, 512);
    let first = limiter.sent(1, LATENCY);
    assert_eq!(limiter.sent(2, LATENCY), first);
    assert!(limiter.sent(1, LATENCY) > first);
}

#[test]
fn what_was_sent_before_an_interruption_moves_nothing() {
    let mut limiter = limiter(8, 512);
    let before = limiter.sent(8, limiter.now);
    limiter.interrupted(Duration::from_mins(1));
    for _ in 0..20 {
        limiter.answered(before, Duration::from_secs(61));
    }
    assert_eq!(limiter.limit(), 8);
    assert_eq!(limiter.now, Duration::from_secs(61), "time went on");
    // Nor does the time before it make the engine look slow.
    assert_eq!(clean_rounds(&mut limiter), [16, 32, 64]);
}

#[test]
fn a_limit_is_kept_while_gauges_show_a_queue_and_moves_when_there_are_none_any_more() {
    let mut limiter = limiter(8, 512);
    limiter.gauges(7, 1, 8);
    assert_eq!(clean_rounds(&mut limiter), [8, 8]);
    limiter.lost_gauges();
    assert_eq!(clean_rounds(&mut limiter), [16, 32]);
}

#[test]
fn an_engine_with_gauges_is_not_judged_by_its_throughput() {
    let mut limiter = limiter(8, 512);
    limiter.gauges(0, 0, 0);
    assert_eq!(round_at(&mut limiter, 80), 16);
    assert_eq!(round_at(&mut limiter, 80), 32);
}

#[test]
fn a_queue_lowers_the_limit_to_what_is_worked_on_and_a_tenth() {
    let after = |waiting: u64, in_flight: u32| {
        let mut limiter = limiter(100, 512);
        limiter.gauges(u64::from(in_flight) - waiting, waiting, in_flight);
        limiter.limit()
    };
    assert_eq!(after(50, 100), 55);
    assert_eq!(after(10, 100), 99);
    // A tenth of what is worked on may wait.
    assert_eq!(after(9, 100), 100);
    assert_eq!(after(2, 12), 11);
    assert_eq!(after(1, 12), 100);
    assert_eq!(after(100, 100), 2, "one is worked on at least");
    // What would be the limit anyway proves nothing good.
    let mut same = limiter(11, 512);
    same.gauges(10, 2, 12);
    assert_eq!((same.limit(), same.good), (11, 1));
}

#[test]
fn an_engine_that_works_on_all_that_the_limit_allows_gets_twice_as_many() {
    let after = |running: u64, in_flight: u32| {
        let mut limiter = limiter(48, 512);
        limiter.gauges(running, 0, in_flight);
        limiter.limit()
    };
    assert_eq!((after(48, 48), after(46, 48)), (96, 96));
    assert_eq!(after(45, 48), 48, "too few are on their way for that");
    assert_eq!((after(48, 47), after(48, 46)), (96, 48));
    let mut most = limiter(48, 60);
    most.gauges(48, 0, 48);
    assert_eq!(most.limit(), 60);
}

#[test]
fn idle_gauges_raise_the_limit_by_a_tenth_from_the_fourth_look_on() {
    let mut limiter = limiter(40, 512);
    let mut look = |waiting: u64| {
        let in_flight = limiter.limit();
        limiter.gauges(3, waiting, in_flight);
        limiter.limit()
    };
    assert_eq!([look(0), look(0), look(0), look(0)], [40, 40, 40, 44]);
    assert_eq!(look(0), 48);
    assert_eq!(look(1), 48);
    assert_eq!([look(0), look(0), look(0), look(0)], [48, 48, 48, 52]);
}
