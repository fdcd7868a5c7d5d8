//! Verdicts, and how many attempts it takes to get there.

use super::*;
use crate::attempt::{Form, Standing};

const WELL: Circumstances = Circumstances {
    health: Health::Well,
    alone: false,
    vouched: true,
    lone: None,
    now: Duration::ZERO,
};

fn answered(status: u16) -> Reply {
    Reply::Answered {
        status,
        form: Form::Json,
        retry_after: None,
    }
}

/// Another line is answered, then the upstream is lost while this one is in flight.
fn lose(standing: &mut Standing, trial: &mut Trial) {
    lose_over(&Reply::NoAnswer(NoAnswer::Reset), false, standing, trial);
}

/// The same over such a reply, the line alone or not.
fn lose_over(reply: &Reply, alone: bool, standing: &mut Standing, trial: &mut Trial) {
    let warm = standing.send();
    standing.answered(warm);
    standing.send();
    let blame = Blame::of(reply);
    let Blame::Doubt { failures_max, lost } = blame else {
        panic!("{blame:?}");
    };
    let suspicion = standing.failed(Failure::of(failures_max, lost), false, 1);
    trial.suspect(0, suspicion, blame, alone);
    standing.unreachable(false, false);
    trial.settle(|_| Some(standing));
}

/// Fails a line with `reply` until it is final, a later line being answered after each failure.
fn attempts_until_final(reply: &Reply) -> u32 {
    let (mut standing, mut trial) = (Standing::default(), Trial::default());
    for attempt in 1..100 {
        standing.send();
        let suspicion = standing.failed(Failure::Broke, false, 8);
        trial.settle(|_| Some(&standing));
        if judge(
            Blame::of(reply),
            &mut trial,
            &WELL,
            &AttemptRules::default(),
        ) == Verdict::Final
        {
            return attempt;
        }
        trial.suspect(0, suspicion, Blame::of(reply), false);
        let other = standing.send();
        standing.answered(other);
    }
    panic!("never final");
}

#[test]
fn a_line_of_its_own_fault_ends_at_once() {
    for status in [200, 400, 413, 415, 422] {
        let verdict = judge(
            Blame::of(&answered(status)),
            &mut Trial::default(),
            &WELL,
            &AttemptRules::default(),
        );
        assert_eq!(verdict, Verdict::Final, "{status}");
    }
}

#[test]
fn what_costs_a_line_nothing_is_sent_again() {
    for reply in [
        answered(429),
        answered(503),
        Reply::NoAnswer(NoAnswer::Refused),
        Reply::NoAnswer(NoAnswer::StaleConnection),
    ] {
        let verdict = judge(
            Blame::of(&reply),
            &mut Trial::default(),
            &WELL,
            &AttemptRules::default(),
        );
        assert_eq!(verdict, Verdict::Again, "{reply:?}");
    }
}

#[test]
fn failures_that_others_do_not_share_end_the_line() {
    assert_eq!(attempts_until_final(&answered(500)), 5);
    assert_eq!(attempts_until_final(&answered(408)), 5);
    assert_eq!(attempts_until_final(&Reply::NoAnswer(NoAnswer::CutBody)), 5);
    assert_eq!(
        attempts_until_final(&Reply::NoAnswer(NoAnswer::HeadTimeout)),
        2
    );
    for status in [301, 401, 402, 403, 404, 405] {
        assert_eq!(attempts_until_final(&answered(status)), 2, "{status}");
    }
    let html = Reply::Answered {
        status: 200,
        form: Form::NotJson,
        retry_after: None,
    };
    assert_eq!(attempts_until_final(&html), 2);
}

#[test]
fn a_lone_line_is_to_blame_after_five_probes_and_its_patience() {
    let mut trial = Trial::default();
    let rules = AttemptRules::default();
    let mut circumstances = Circumstances {
        health: Health::Parked,
        lone: Some(Lone { ever_good: false }),
        ..WELL
    };
    for probe in 0..5_u64 {
        circumstances.now = Duration::from_secs(probe * 100);
        let verdict = judge(
            Blame::of(&answered(500)),
            &mut trial,
            &circumstances,
            &rules,
        );
        assert_ne!(verdict, Verdict::Final, "probe {probe}");
    }
    circumstances.now = Duration::from_mins(10);
    circumstances.vouched = false;
    assert_ne!(
        judge(
            Blame::of(&answered(500)),
            &mut trial,
            &circumstances,
            &rules
        ),
        Verdict::Final
    );
    circumstances.vouched = true;
    assert_eq!(
        judge(
            Blame::of(&answered(500)),
            &mut trial,
            &circumstances,
            &rules
        ),
        Verdict::Final
    );
}

#[test]
fn a_line_that_kills_its_upstream_runs_alone_and_ends_at_the_third_loss() {
    let reset = Reply::NoAnswer(NoAnswer::Reset);
    let (mut standing, mut trial) = (Standing::default(), Trial::default());
    for _ in 0..2 {
        lose(&mut standing, &mut trial);
    }
    assert!(trial.is_suspect());
    let mut alone = Circumstances {
        health: Health::Parked,
        alone: true,
        vouched: false,
        ..WELL
    };
    let rules = AttemptRules::default();
    let verdict = judge(Blame::of(&reset), &mut trial, &alone, &rules);
    assert_ne!(
        verdict,
        Verdict::Final,
        "the upstream is not there for anybody"
    );
    alone.vouched = true;
    alone.health = Health::Well;
    for (reply, expected) in [
        (&reset, true),
        (&answered(500), false),
        (&answered(401), false),
    ] {
        let judged = judge(Blame::of(reply), &mut trial.clone(), &alone, &rules);
        assert_eq!(judged == Verdict::Fatal, expected, "{reply:?}");
    }
}

#[test]
fn a_suspect_that_is_answered_with_a_500_ends_only_when_one_took_its_upstream_down_alone() {
    let (mut standing, mut trial) = (Standing::default(), Trial::default());
    for _ in 0..2 {
        lose(&mut standing, &mut trial);
    }
    let alone = Circumstances {
        alone: true,
        ..WELL
    };
    let rules = AttemptRules::default();
    let broke = answered(500);
    let verdict = judge(Blame::of(&broke), &mut trial, &alone, &rules);
    assert!(matches!(verdict, Verdict::Retry { .. }), "it stayed up");
    lose_over(&broke, true, &mut standing, &mut trial);
    let verdict = judge(Blame::of(&broke), &mut trial, &alone, &rules);
    assert_eq!(verdict, Verdict::Fatal);
    trial.acquit();
    assert!(
        trial.is_suspect(),
        "another that was found does not acquit it"
    );
}

#[test]
fn what_is_lost_in_one_outage_is_one_loss() {
    let mut standing = Standing::default();
    let mut trial = Trial::default();
    let mut fail = |reply: &Reply, failure| {
        standing.send();
        let suspicion = standing.failed(failure, false, 1);
        trial.suspect(0, suspicion, Blame::of(reply), false);
        trial.settle(|_| Some(&standing));
    };
    fail(&answered(500), Failure::Broke);
    fail(&Reply::NoAnswer(NoAnswer::Reset), Failure::Lost);
    standing.unreachable(false, false);
    trial.settle(|_| Some(&standing));
    assert!(!trial.is_suspect());
}

#[test]
fn what_failed_in_several_ways_before_others_were_answered_is_charged_once() {
    let mut standing = Standing::default();
    let mut trial = Trial::default();
    for (status, failure) in [(500, Failure::Broke), (401, Failure::Other)] {
        standing.send();
        let suspicion = standing.failed(failure, false, 8);
        trial.suspect(0, suspicion, Blame::of(&answered(status)), false);
    }
    let later = standing.send();
    standing.answered(later);
    trial.settle(|_| Some(&standing));
    assert_eq!((trial.charged, trial.charged_of_few), (1, 1));
}

#[test]
fn the_first_401_of_an_outage_does_not_end_a_line_that_failed_otherwise_before() {
    let (mut standing, mut trial) = (Standing::default(), Trial::default());
    let rules = AttemptRules::default();
    for _ in 0..3 {
        standing.send();
        let suspicion = standing.failed(Failure::Broke, false, 8);
        trial.suspect(0, suspicion, Blame::of(&answered(500)), false);
        let other = standing.send();
        standing.answered(other);
    }
    trial.settle(|_| Some(&standing));
    let verdict = judge(Blame::of(&answered(401)), &mut trial, &WELL, &rules);
    assert_ne!(verdict, Verdict::Final);
    let verdict = judge(Blame::of(&answered(500)), &mut trial, &WELL, &rules);
    assert_ne!(verdict, Verdict::Final, "the fourth of its kind");
}

#[test]
fn a_line_over_which_idle_connections_are_lost_time_after_time_is_in_doubt() {
    let (stale, mut trial) = (Reply::NoAnswer(NoAnswer::StaleConnection), Trial::default());
    for _ in 0..STALE_MAX {
        assert_eq!(trial.blame(&stale), Blame::Connection);
    }
    assert_eq!(
        trial.blame(&stale),
        Blame::Doubt {
            failures_max: None,
            lost: true
        }
    );
    trial.blame(&answered(429));
    assert_eq!(trial.blame(&stale), Blame::Connection, "not in a row");
}

#[test]
fn a_fault_of_our_own_ends_a_line_after_a_few_tries() {
    let mut trial = Trial::default();
    for _ in 1..5 {
        let verdict = judge(Blame::Ours, &mut trial, &WELL, &AttemptRules::default());
        assert_ne!(verdict, Verdict::Final);
    }
    let verdict = judge(Blame::Ours, &mut trial, &WELL, &AttemptRules::default());
    assert_eq!(verdict, Verdict::Final);
}

#[test]
fn attempts_are_counted_whatever_came_of_them() {
    let mut trial = Trial::default();
    assert_eq!(trial.attempts(), 0);
    for _ in 0..3 {
        trial.attempted();
    }
    assert_eq!(trial.attempts(), 3);
}

#[test]
fn a_line_that_was_near_two_losses_is_a_suspect_until_another_is_found_to_blame() {
    let (mut standing, mut trial) = (Standing::default(), Trial::default());
    for losses in 1..=2 {
        assert!(!trial.is_suspect(), "after fewer than {losses}");
        lose(&mut standing, &mut trial);
    }
    assert!(trial.is_suspect());
    trial.acquit();
    assert!(!trial.is_suspect());
}

#[test]
fn a_lack_of_time_has_a_code_of_its_own() {
    let out_of_time = [NoAnswer::HeadTimeout, NoAnswer::IdleTimeout];
    for why in [
        NoAnswer::Refused,
        NoAnswer::StaleConnection,
        NoAnswer::Reset,
        NoAnswer::CutBody,
        NoAnswer::HeadTimeout,
        NoAnswer::IdleTimeout,
        NoAnswer::TooLarge,
        NoAnswer::Ours,
    ] {
        let reply = Reply::NoAnswer(why);
        assert_eq!(timed_out(&reply), out_of_time.contains(&why), "{why}");
        assert!(!why.to_string().is_empty());
    }
    assert!(!timed_out(&answered(408)));
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pauses: Vec<u128> = (0..9).map(|charged| backoff(charged).as_millis()).collect();
    assert_eq!(
        pauses,
        [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
    );
    assert_eq!(backoff(255), BACKOFF_MAX);
}
