//! What failures and answers come to, one after another.

use super::*;

#[test]
fn a_failure_is_charged_once_a_later_line_is_answered() {
    let mut standing = Standing::default();
    let (early, bad) = (standing.send(), standing.send());
    let suspicion = standing.failed(Failure::Broke, false, 2);
    let _ = bad;
    standing.answered(early);
    assert_eq!(
        standing.settle(suspicion),
        Settled::Open,
        "sent before the failure"
    );
    let later = standing.send();
    standing.answered(later);
    assert_eq!(standing.settle(suspicion), Settled::Charged);
}

#[test]
fn failures_in_an_outage_are_cleared_and_the_recovery_charges_none() {
    let mut standing = Standing::default();
    let well = standing.send();
    standing.answered(well);
    let suspicions: Vec<Suspicion> = (0..5)
        .map(|_| {
            standing.send();
            standing.failed(Failure::Lost, false, 5)
        })
        .collect();
    assert_eq!(
        standing.health(),
        Health::Doubtful,
        "the fourth and fifth were no probes"
    );
    standing.send();
    standing.failed(Failure::Lost, true, 1);
    assert_eq!(standing.health(), Health::Parked);
    let probe = standing.send();
    assert!(standing.answered(probe));
    let next = standing.send();
    standing.answered(next);
    for suspicion in suspicions {
        assert_eq!(standing.settle(suspicion), Settled::Cleared { lost: true });
    }
}

#[test]
fn a_suspicion_is_settled_by_what_was_answered_in_its_own_period() {
    let mut standing = Standing::default();
    assert!(!standing.ever_good());
    standing.send();
    let charged = standing.failed(Failure::Broke, false, 1);
    let later = standing.send();
    standing.answered(later);
    assert!(standing.ever_good());
    standing.send();
    let cleared = standing.failed(Failure::Lost, false, 1);
    // Two doubts and two recoveries lie between now and then.
    for _ in 0..2 {
        standing.unreachable(true, false);
        let probe = standing.send();
        assert!(standing.answered(probe));
    }
    assert_eq!(standing.settle(charged), Settled::Charged);
    assert_eq!(standing.settle(cleared), Settled::Cleared { lost: true });
}

#[test]
fn a_doubt_that_no_probe_confirms_clears_only_lost_connections() {
    let mut standing = Standing::default();
    let fail = |standing: &mut Standing, failure| {
        standing.send();
        standing.failed(failure, false, 5)
    };
    let early = standing.send();
    let (slow, lost) = (
        fail(&mut standing, Failure::Broke),
        fail(&mut standing, Failure::Lost),
    );
    let last = fail(&mut standing, Failure::Broke);
    assert_eq!(standing.health(), Health::Doubtful);
    let straggler = fail(&mut standing, Failure::Broke);
    assert_eq!(standing.settle(slow), Settled::Open);
    assert_eq!(standing.settle(lost), Settled::Cleared { lost: true });
    // What was sent before the failures ends the doubt, and tells nothing of them.
    assert!(standing.answered(early));
    for suspicion in [slow, last, straggler] {
        assert_eq!(standing.settle(suspicion), Settled::Open);
    }
    let later = standing.send();
    standing.answered(later);
    for suspicion in [slow, last, straggler] {
        assert_eq!(standing.settle(suspicion), Settled::Charged);
    }
    assert_eq!(standing.settle(lost), Settled::Cleared { lost: true });
}

#[test]
fn a_failure_outlasts_any_number_of_doubts() {
    let mut standing = Standing::default();
    standing.send();
    let suspicion = standing.failed(Failure::Broke, false, 1);
    for _ in 0..1000 {
        let early = Sent(0);
        for _ in 0..3 {
            standing.failed(Failure::Broke, false, 1);
        }
        assert!(standing.answered(early));
    }
    assert_eq!(standing.settle(suspicion), Settled::Open);
    let later = standing.send();
    standing.answered(later);
    assert_eq!(standing.settle(suspicion), Settled::Charged);
}

#[test]
fn a_doubt_that_a_probe_confirms_clears_all() {
    let mut standing = Standing::default();
    let failures: Vec<Suspicion> = (0..3)
        .map(|_| {
            standing.send();
            standing.failed(Failure::Broke, false, 1)
        })
        .collect();
    standing.send();
    let probe = standing.failed(Failure::Broke, true, 1);
    assert_eq!(standing.health(), Health::Parked);
    assert_eq!(
        standing.settle(failures[0]),
        Settled::Open,
        "it may yet be gone"
    );
    let second = standing.send();
    assert!(standing.answered(second));
    for suspicion in failures.into_iter().chain([probe]) {
        assert_eq!(standing.settle(suspicion), Settled::Cleared { lost: false });
    }
}

#[test]
fn who_failed_before_the_upstream_was_gone_may_have_taken_it_down() {
    let mut standing = Standing::default();
    let [broke, other] = [Failure::Broke, Failure::Other].map(|failure| {
        standing.send();
        standing.failed(failure, false, 8)
    });
    standing.unreachable(false, false);
    standing.send();
    let probe = standing.failed(Failure::Broke, true, 1);
    let recovery = standing.send();
    standing.answered(recovery);
    assert_eq!(standing.settle(broke), Settled::Cleared { lost: true });
    for suspicion in [other, probe] {
        assert_eq!(standing.settle(suspicion), Settled::Cleared { lost: false });
    }
}

#[test]
fn a_few_bad_lines_among_many_raise_no_doubt() {
    let mut standing = Standing::default();
    for _ in 0..31 {
        standing.send();
        standing.failed(Failure::Broke, false, 64);
    }
    assert_eq!(standing.health(), Health::Well, "31 of 64 in flight");
    standing.failed(Failure::Broke, false, 64);
    assert_eq!(standing.health(), Health::Doubtful);
}

#[test]
fn an_unreachable_upstream_is_parked_at_once() {
    let mut standing = Standing::default();
    standing.unreachable(false, false);
    standing.unreachable(false, false);
    assert_eq!(
        standing.probes_failed(),
        1,
        "what was in flight with it is no probe"
    );
    standing.unreachable(true, false);
    assert_eq!(standing.health(), Health::Parked);
    assert_eq!(standing.probes_failed(), 2);
}

#[test]
fn who_failed_while_the_upstream_still_answered_before_it_was_gone_may_have_taken_it_down() {
    let mut standing = Standing::default();
    let failures = [(); 3].map(|()| {
        standing.send();
        standing.failed(Failure::Broke, false, 3)
    });
    standing.send();
    standing.failed(Failure::Broke, true, 1);
    assert_eq!(standing.settle(failures[0]), Settled::Open);
    standing.send();
    standing.unreachable(true, false);
    for suspicion in failures {
        assert_eq!(standing.settle(suspicion), Settled::Cleared { lost: true });
    }
}

#[test]
fn a_refused_connection_beside_others_in_flight_is_a_doubt_and_clears_no_failure() {
    let mut standing = Standing::default();
    let beside = standing.send();
    standing.send();
    let suspicion = standing.failed(Failure::Broke, false, 8);
    standing.unreachable(false, true);
    assert_eq!(standing.health(), Health::Doubtful);
    assert!(standing.answered(beside));
    assert_eq!(standing.settle(suspicion), Settled::Open);
    let later = standing.send();
    standing.answered(later);
    assert_eq!(standing.settle(suspicion), Settled::Charged);
}

#[test]
fn a_probe_that_is_lost_takes_nothing_down() {
    let mut standing = Standing::default();
    standing.unreachable(false, false);
    standing.send();
    let probe = standing.failed(Failure::Lost, true, 1);
    let recovery = standing.send();
    standing.answered(recovery);
    assert_eq!(standing.settle(probe), Settled::Cleared { lost: false });
}

#[test]
fn when_nothing_beside_a_refused_connection_is_answered_it_was_an_outage() {
    let mut standing = Standing::default();
    for _ in 0..3 {
        standing.send();
    }
    standing.unreachable(false, true);
    let failures = [Failure::Other, Failure::Broke]
        .map(|failure| (failure, standing.failed(failure, false, 2)));
    assert_eq!(standing.health(), Health::Doubtful);
    let last = standing.failed(Failure::Other, false, 1);
    assert_eq!(standing.health(), Health::Parked);
    for (failure, suspicion) in failures.into_iter().chain([(Failure::Other, last)]) {
        let lost = failure == Failure::Broke;
        assert_eq!(standing.settle(suspicion), Settled::Cleared { lost });
    }
}

#[test]
fn an_answer_to_what_was_sent_before_a_doubt_is_no_recovery_from_it() {
    let mut standing = Standing::default();
    let early = [standing.send(), standing.send()];
    let fail = |standing: &mut Standing| {
        let failures = [(); 3].map(|()| standing.failed(Failure::Lost, false, 5));
        failures[0].recoveries()
    };
    assert_eq!(fail(&mut standing), 0);
    assert!(standing.answered(early[0]));
    assert_eq!(fail(&mut standing), 0, "the same doubt goes on");
    assert!(standing.answered(early[1]));
    let later = standing.send();
    standing.answered(later);
    assert_eq!(fail(&mut standing), 1);
}
