//! The end of a batch: every line in one of its two files, or no end.

use overnight_core::batch::{Event, Results, State};
use overnight_core::file::File;
use overnight_core::segment::ResultFile;

use super::Subject;
use super::fixture::{
    answered, at, batch_id, claim, claimed, completed, contradicts, extents, file, file_id,
    garbage, insert_file, is_fenced, is_missing, mixed, plan, project, running, sealing, unrun,
    upload,
};
use crate::store::{Content, FileQuery, Order};

/// A batch in progress whose lines are all done is finalized and completed at once; its files have
/// the sizes of what was recorded. Sealing again answers the same.
pub async fn a_batch_with_all_lines_is_completed(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 5).await;
    store.record(&lease, &mixed(&lease, 0, 0..3)).await.unwrap();
    store
        .record(&lease, &answered(&lease, 1, 4..5))
        .await
        .unwrap();
    let results = Results {
        output_file: Some(file_id(1001)),
        error_file: Some(file_id(2001)),
    };
    for seconds in [20, 21] {
        let sealed = store.seal(&lease, &sealing(1), at(seconds)).await.unwrap();
        assert_eq!(sealed.state, State::Completed(results.clone()));
        assert_eq!(sealed.history.finalizing_at, Some(at(20)));
        assert_eq!(sealed.history.completed_at, Some(at(20)));
        assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), sealed);
    }
    let given = sealing(1);
    let output = store
        .file(&project(), &file_id(1001), at(20))
        .await
        .unwrap();
    assert_eq!(
        output,
        File {
            bytes: 40,
            ..given.output
        }
    );
    let error = store
        .file(&project(), &file_id(2001), at(20))
        .await
        .unwrap();
    assert_eq!(
        error,
        File {
            bytes: 7,
            ..given.error
        }
    );
    for (file, part) in [
        (output.id, ResultFile::Output),
        (error.id, ResultFile::Error),
    ] {
        let sealed = extents(store, &Content::File(file)).await;
        assert_eq!(
            sealed,
            extents(store, &Content::Results(batch_id(1), part)).await
        );
        assert!(!sealed.is_empty());
    }
}

/// A line without an outcome keeps its batch open, whatever the state.
pub async fn a_batch_with_missing_lines_is_not_sealed(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    contradicts(store.seal(&lease, &sealing(1), at(5)).await);
    store
        .advance(&lease, Event::DeadlinePassed, at(6))
        .await
        .unwrap();
    contradicts(store.seal(&lease, &sealing(1), at(7)).await);
    is_missing(store.file(&project(), &file_id(1001), at(7)).await);
    store.record(&lease, &unrun(&lease, 1, 2..3)).await.unwrap();
    assert!(store.seal(&lease, &sealing(1), at(8)).await.is_ok());
}

/// As many lines as there should be are not enough when one of them is there twice.
pub async fn a_line_that_was_recorded_twice_is_found(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    store
        .record(&lease, &answered(&lease, 1, 1..2))
        .await
        .unwrap();
    contradicts(store.seal(&lease, &sealing(1), at(5)).await);
    let open = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(open.state, State::InProgress);
}

/// No error, no error file.
pub async fn a_file_without_lines_does_not_exist(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    let results = Results {
        output_file: Some(file_id(1001)),
        error_file: None,
    };
    assert_eq!(batch.state, State::Completed(results));
    is_missing(store.file(&project(), &file_id(2001), at(20)).await);
}

/// Out of time, a batch is sealed as expired, with its unrun lines in the error file.
pub async fn a_batch_whose_deadline_passed_is_expired(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .advance(&lease, Event::DeadlinePassed, at(5))
        .await
        .unwrap();
    store
        .record(&lease, &answered(&lease, 0, 0..1))
        .await
        .unwrap();
    store.record(&lease, &unrun(&lease, 1, 1..3)).await.unwrap();
    let sealed = store.seal(&lease, &sealing(1), at(9)).await.unwrap();
    let results = Results {
        output_file: Some(file_id(1001)),
        error_file: Some(file_id(2001)),
    };
    assert_eq!(sealed.state, State::Expired(results));
    assert_eq!(sealed.history.expired_at, Some(at(9)));
    assert_eq!((sealed.tally.completed, sealed.tally.unrun), (1, 2));
}

/// A cancelled batch has the results that it got.
pub async fn a_cancelled_batch_keeps_its_results(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..1))
        .await
        .unwrap();
    store.cancel(&project(), &batch_id(1), at(5)).await.unwrap();
    store.record(&lease, &unrun(&lease, 1, 1..3)).await.unwrap();
    let sealed = store.seal(&lease, &sealing(1), at(9)).await.unwrap();
    assert!(matches!(
        sealed.state,
        State::Cancelled(Results {
            output_file: Some(_),
            ..
        })
    ));
    let again = store
        .cancel(&project(), &batch_id(1), at(10))
        .await
        .unwrap();
    assert_eq!(again, sealed);
}

/// Without a plan there is no line to write about.
pub async fn a_batch_cancelled_while_validating_has_no_files(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    store.cancel(&project(), &batch_id(1), at(5)).await.unwrap();
    let sealed = store.seal(&lease, &sealing(1), at(9)).await.unwrap();
    assert_eq!(sealed.state, State::Cancelled(Results::default()));
    let query = FileQuery {
        purpose: None,
        after: None,
        limit: 9,
        order: Order::Descending,
    };
    assert_eq!(
        store.files(&project(), &query, at(9)).await.unwrap().items,
        []
    );
}

/// When the second file cannot be inserted, the first is not there either, and the batch is open.
pub async fn sealing_is_all_or_nothing(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    let lease = running(store, 1, 3).await;
    store.record(&lease, &mixed(&lease, 0, 0..2)).await.unwrap();
    let mut clashing = sealing(1);
    clashing.error.id = file(1).id;
    assert!(store.seal(&lease, &clashing, at(9)).await.is_err());
    is_missing(store.file(&project(), &file_id(1001), at(9)).await);
    let open = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(open.state, State::InProgress);
    let kept = extents(store, &Content::File(file_id(1))).await;
    assert_eq!(kept[0].extent.blob, upload(1));
    assert!(store.seal(&lease, &sealing(1), at(10)).await.is_ok());
}

/// The plan is needed until then, and not a moment longer.
pub async fn the_plan_is_garbage_when_its_batch_has_ended(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 1).await;
    assert_eq!(garbage(store, 9000).await, []);
    store
        .record(&lease, &answered(&lease, 0, 0..1))
        .await
        .unwrap();
    store.seal(&lease, &sealing(1), at(9)).await.unwrap();
    let plan = plan(&lease, 1);
    assert_eq!(
        garbage(store, 9).await,
        std::slice::from_ref(&plan.entries.blob)
    );
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(batch.plan, Some(plan));
}

/// What came last is recorded, and the batch has ended, in one. A second call, after a lost answer,
/// answers the same.
pub async fn the_last_segment_ends_its_batch(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..1))
        .await
        .unwrap();
    let last = mixed(&lease, 1, 1..2);
    let results = Results {
        output_file: Some(file_id(1001)),
        error_file: Some(file_id(2001)),
    };
    for seconds in [20, 21] {
        let ended = store
            .record_last(&lease, &last, &sealing(1), at(seconds))
            .await
            .unwrap();
        assert_eq!(ended.state, State::Completed(results.clone()));
        assert_eq!(ended.history.completed_at, Some(at(20)));
        assert_eq!((ended.tally.completed, ended.tally.failed), (2, 1));
        assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), ended);
    }
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap().last(),
        Some(&last)
    );
    // One who records it by itself learns that it is there.
    store.record(&lease, &last).await.unwrap();
}

/// A cancel that comes before the last segment decides how the batch ends.
pub async fn the_last_segment_of_a_cancelled_batch_ends_it_as_cancelled(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 2).await;
    store.cancel(&project(), &batch_id(1), at(5)).await.unwrap();
    let last = answered(&lease, 0, 0..2);
    let ended = store
        .record_last(&lease, &last, &sealing(1), at(9))
        .await
        .unwrap();
    assert!(matches!(ended.state, State::Cancelled(_)));
    assert_eq!(ended.tally.completed, 2);
}

/// With a segment that is not the last, or holds a line that is there already, nothing changes.
pub async fn a_segment_that_is_not_the_last_ends_nothing(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    let first = answered(&lease, 0, 0..2);
    store.record(&lease, &first).await.unwrap();
    let missing = running(store, 2, 3).await;
    let wrong = [
        (&lease, answered(&lease, 1, 1..2), 1),
        (&missing, answered(&missing, 0, 0..2), 2),
    ];
    for (lease, segment, n) in wrong {
        let before = store.batch(&project(), &batch_id(n)).await.unwrap();
        let segments = store.segments(&batch_id(n), None, 9).await.unwrap();
        let told = store.record_last(lease, &segment, &sealing(n), at(9)).await;
        contradicts(told);
        assert_eq!(store.batch(&project(), &batch_id(n)).await.unwrap(), before);
        let after = store.segments(&batch_id(n), None, 9).await.unwrap();
        assert_eq!(after, segments);
        is_missing(store.file(&project(), &file_id(1000 + n), at(9)).await);
    }
    let rest = answered(&lease, 1, 2..3);
    let ended = store.record_last(&lease, &rest, &sealing(1), at(10)).await;
    assert!(ended.is_ok());
}

/// Whoever lost the batch neither records nor ends anything.
pub async fn the_last_segment_of_another_run_is_fenced(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 1).await;
    store.release(&lease).await.unwrap();
    let newer = claim(store, "w2", 1).await;
    let last = answered(&lease, 0, 0..1);
    is_fenced(store.record_last(&lease, &last, &sealing(1), at(9)).await);
    assert_eq!(store.segments(&batch_id(1), None, 9).await.unwrap(), []);
    let last = answered(&newer, 0, 0..1);
    let ended = store.record_last(&newer, &last, &sealing(1), at(9)).await;
    assert!(ended.is_ok());
}
