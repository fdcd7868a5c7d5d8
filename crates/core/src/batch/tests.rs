//! A batch's own bookkeeping: what an event leaves behind besides the state.

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_000);

fn batch(window: Option<Duration>) -> Batch {
    let spec = BatchSpec {
        input_file: "file-in".into(),
        endpoint: "/v1/embeddings".into(),
        window: CompletionWindow {
            text: "24h".into(),
            length: window,
        },
        metadata: None,
        output_expires_after: None,
    };
    Batch::new("batch_1".into(), ProjectId::default_project(), spec, START)
}

fn plan(total: u64) -> Plan {
    Plan {
        entries: Extent {
            blob: "plans/1".into(),
            offset: 0,
            length: 40 * total,
            checksum: 7,
        },
        total,
        model: Some("m".into()),
    }
}

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

#[test]
fn a_batch_expires_after_its_window_or_never() {
    let day = Duration::from_hours(24);
    assert_eq!(batch(Some(day)).expires_at, START.plus(day));
    assert!(batch(None).expires_at > START.plus(day * 365 * 1_000));
}

#[test]
fn each_change_is_noted_with_its_time_and_moves_the_revision() {
    let mut batch = batch(None);
    assert_eq!((batch.total(), batch.model()), (0, None));
    assert_eq!(batch.apply(Event::Validated(plan(3)), after(1)), Ok(true));
    assert_eq!((batch.total(), batch.model()), (3, Some("m")));
    assert_eq!(batch.apply(Event::CancelRequested, after(2)), Ok(true));
    assert_eq!(batch.plan, Some(plan(3)), "kept, whatever follows");
    let results = Results::default();
    assert_eq!(batch.apply(Event::Sealed(results), after(3)), Ok(true));
    assert_eq!(batch.revision, 3);
    let expected = History {
        in_progress_at: Some(after(1)),
        cancelling_at: Some(after(2)),
        cancelled_at: Some(after(3)),
        ..History::default()
    };
    assert_eq!(batch.history, expected);
}

#[test]
fn every_status_has_its_own_time() {
    let told = |events: [Event; 3]| {
        let mut batch = batch(None);
        for (event, at) in events.into_iter().zip(1..) {
            batch.apply(event, after(at)).unwrap();
        }
        batch.history
    };
    let sealed = || Event::Sealed(Results::default());
    let (validated, none) = (Event::Validated(plan(1)), History::default());
    assert_eq!(
        told([validated.clone(), Event::Drained, sealed()]),
        History {
            in_progress_at: Some(after(1)),
            finalizing_at: Some(after(2)),
            completed_at: Some(after(3)),
            ..none
        }
    );
    assert_eq!(
        told([validated, Event::DeadlinePassed, sealed()]),
        History {
            in_progress_at: Some(after(1)),
            finalizing_at: Some(after(2)),
            expired_at: Some(after(3)),
            ..none
        }
    );
    let mut refused = batch(None);
    refused
        .apply(Event::Rejected(Vec::new()), after(1))
        .unwrap();
    assert_eq!(
        refused.history,
        History {
            failed_at: Some(after(1)),
            ..none
        }
    );
}

#[test]
fn an_event_that_comes_too_late_or_cannot_happen_changes_nothing() {
    let mut batch = batch(None);
    batch.apply(Event::CancelRequested, after(1)).unwrap();
    let before = batch.clone();
    assert_eq!(batch.apply(Event::CancelRequested, after(2)), Ok(false));
    assert_eq!(batch.apply(Event::Validated(plan(3)), after(3)), Ok(false));
    assert_eq!(batch, before);
    batch
        .apply(Event::Sealed(Results::default()), after(4))
        .unwrap();

    let mut failed = self::batch(None);
    failed.apply(Event::Rejected(Vec::new()), after(1)).unwrap();
    let before = failed.clone();
    assert!(failed.apply(Event::CancelRequested, after(2)).is_err());
    assert_eq!(failed, before);
}

#[test]
fn tallies_add_up() {
    let mut sum = Tally {
        completed: 2,
        failed: 3,
        unrun: 5,
    };
    sum += Tally {
        completed: 7,
        failed: 11,
        unrun: 13,
    };
    let expected = Tally {
        completed: 9,
        failed: 14,
        unrun: 18,
    };
    assert_eq!(sum, expected);
    assert_eq!(sum.ended(), 41);
}

#[test]
fn a_batch_is_paused_while_lines_of_it_are_sent() {
    let mut batch = batch(None);
    assert!(!batch.is_paused());
    assert_eq!(batch.set_paused(None), Ok(false), "it goes on");
    for (at, changes) in [(1, true), (2, false)] {
        assert_eq!(batch.set_paused(Some(after(at))), Ok(changes));
        assert!(batch.is_paused());
        assert_eq!(batch.paused_at, Some(after(1)), "since the first time");
    }
    assert_eq!(batch.apply(Event::Validated(plan(3)), after(3)), Ok(true));
    assert!(batch.is_paused(), "what is checked is not sent");
    assert_eq!(batch.set_paused(None), Ok(true));
    assert!(!batch.is_paused());
    assert_eq!(batch.set_paused(Some(after(4))), Ok(true));
    assert_eq!(batch.revision, 1);
    assert_eq!(batch.apply(Event::CancelRequested, after(5)), Ok(true));
    assert!(!batch.is_paused(), "nothing is sent anyway");
    for (at, event) in [(Some(after(6)), "Paused"), (None, "Resumed")] {
        let refused = batch.set_paused(at).unwrap_err();
        assert_eq!((refused.status, refused.event), (Status::Cancelling, event));
    }
}
