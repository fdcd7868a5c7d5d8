//! Batches as clients see them, and the events that move them.

use overnight_core::batch::{Ending, Event, InputError, InputErrorCode, Results, State, Status};
use overnight_core::metadata::Metadata;

use super::Subject;
use super::fixture::{
    answered, at, batch, batch_id, claimed, completed, contradicts, extent, file, file_id, garbage,
    insert_file, is_illegal, is_missing, plan, project, running, spec, stranger, upload,
};

/// A batch is there as it was given, also one without a deadline; a second insert changes nothing.
pub async fn an_inserted_batch_is_read_back(subject: Subject) {
    let store = &*subject.store;
    let mut given = batch(1);
    given.spec.metadata = Some(Metadata(vec![
        ("b".into(), "1".into()),
        ("a".into(), "2".into()),
    ]));
    store.insert_batch(&given).await.unwrap();
    store.insert_batch(&batch(1)).await.unwrap();
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), given);

    let endless = overnight_core::batch::Batch::new(batch_id(2), project(), spec(1, None), at(2));
    store.insert_batch(&endless).await.unwrap();
    assert_eq!(
        store.batch(&project(), &batch_id(2)).await.unwrap(),
        endless
    );
}

/// Nothing tells another project's batch from a missing one.
pub async fn another_projects_batch_is_a_missing_one(subject: Subject) {
    let store = &*subject.store;
    store.insert_batch(&batch(1)).await.unwrap();
    is_missing(store.batch(&stranger(), &batch_id(1)).await);
    is_missing(store.cancel(&stranger(), &batch_id(1), at(2)).await);
    is_missing(store.progress(&stranger(), &batch_id(1)).await);
    is_missing(store.batches(&stranger(), Some(&batch_id(1)), 10).await);
    assert_eq!(
        store.batches(&stranger(), None, 10).await.unwrap().items,
        []
    );
    let unmoved = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(unmoved.state, State::Validating);
}

/// Pages follow their cursor, which must be a batch of the project.
pub async fn batches_are_listed_newest_first(subject: Subject) {
    let store = &*subject.store;
    for n in 1..=5 {
        store.insert_batch(&batch(n)).await.unwrap();
    }
    let mut after = None;
    for (expected, more) in [(vec![5, 4], true), (vec![3, 2], true), (vec![1], false)] {
        let page = store.batches(&project(), after.as_ref(), 2).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|batch| batch.id.clone()).collect();
        assert_eq!(ids, expected.into_iter().map(batch_id).collect::<Vec<_>>());
        assert_eq!(page.has_more, more);
        after = ids.last().cloned();
    }
    is_missing(store.batches(&project(), Some(&batch_id(9)), 2).await);
}

/// Cancelling moves the state once; asking again answers the same.
pub async fn a_cancelled_batch_is_cancelling(subject: Subject) {
    let store = &*subject.store;
    store.insert_batch(&batch(1)).await.unwrap();
    let first = store.cancel(&project(), &batch_id(1), at(5)).await.unwrap();
    let again = store.cancel(&project(), &batch_id(1), at(6)).await.unwrap();
    assert_eq!(first.state, State::Cancelling);
    assert_eq!(first.history.cancelling_at, Some(at(5)));
    assert_eq!(first.revision, 1);
    assert_eq!(again, first);
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), first);
}

/// What has ended cannot be cancelled, and stays as it is.
pub async fn an_ended_batch_is_not_cancelled(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    let ended = store.batch(&project(), &batch_id(1)).await.unwrap();
    is_illegal(store.cancel(&project(), &batch_id(1), at(50)).await);
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), ended);
}

/// The first of two racing events wins; the late one answers what there is. A plan that comes too
/// late is garbage.
pub async fn late_events_change_nothing(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    let cancelling = store.cancel(&project(), &batch_id(1), at(2)).await.unwrap();
    let late = plan(&lease, 5);
    let errors = vec![InputError {
        code: InputErrorCode::EmptyFile,
        message: "it is empty".into(),
        param: None,
        line: None,
    }];
    for event in [
        Event::Validated(late.clone()),
        Event::Rejected(errors.clone()),
        Event::DeadlinePassed,
    ] {
        assert_eq!(
            store.advance(&lease, event, at(3)).await.unwrap(),
            cancelling
        );
    }
    assert_eq!(garbage(store, 3).await, [late.entries.blob]);

    let rejected = claimed(store, 2).await;
    for seconds in [4, 5] {
        let event = Event::Rejected(errors.clone());
        let failed = store.advance(&rejected, event, at(seconds)).await.unwrap();
        assert_eq!(failed.state, State::Failed(errors.clone()));
        assert_eq!(failed.history.failed_at, Some(at(4)));
    }

    let lease = running(store, 3, 2).await;
    let validated = Event::Validated(plan(&lease, 2));
    let again = store.advance(&lease, validated, at(9)).await.unwrap();
    assert_eq!(again.history.in_progress_at, Some(at(4)));
    is_illegal(
        store
            .advance(&lease, Event::Validated(plan(&lease, 3)), at(9))
            .await,
    );
    for seconds in [10, 11] {
        let late = store
            .advance(&lease, Event::DeadlinePassed, at(seconds))
            .await
            .unwrap();
        assert_eq!(late.state, State::Finalizing(Ending::DeadlinePassed));
        assert_eq!(late.history.finalizing_at, Some(at(10)));
        assert_eq!(
            store
                .cancel(&project(), &batch_id(3), at(seconds))
                .await
                .unwrap(),
            late
        );
    }
    assert_eq!(
        store
            .batch(&project(), &batch_id(3))
            .await
            .unwrap()
            .revision,
        2
    );
}

/// Cancel and seal do more than move a state, so neither comes as a bare event.
pub async fn events_that_need_a_verb_of_their_own_are_refused(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 2).await;
    for event in [Event::CancelRequested, Event::Sealed(Results::default())] {
        is_illegal(store.advance(&lease, event, at(5)).await);
    }
    is_illegal(
        store
            .advance(&lease, Event::Rejected(Vec::new()), at(5))
            .await,
    );
    let unmoved = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(unmoved.state, State::InProgress);
}

/// Drained means that every line has a recorded outcome.
pub async fn drained_is_refused_while_lines_are_missing(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    contradicts(store.advance(&lease, Event::Drained, at(5)).await);
    store
        .record(&lease, &answered(&lease, 1, 2..3))
        .await
        .unwrap();
    for seconds in [6, 7] {
        let drained = store
            .advance(&lease, Event::Drained, at(seconds))
            .await
            .unwrap();
        assert_eq!(drained.state, State::Finalizing(Ending::Drained));
        assert_eq!(drained.history.finalizing_at, Some(at(6)));
    }
}

/// The input is found by its id in the batch's own project, and tells whether it was deleted or
/// expired.
pub async fn the_input_of_a_batch_is_its_projects(subject: Subject) {
    let store = &*subject.store;
    store.insert_batch(&batch(1)).await.unwrap();
    is_missing(store.input(&batch_id(1), at(1)).await);
    is_missing(store.input(&batch_id(9), at(1)).await);
    let foreign = overnight_core::file::File {
        project: stranger(),
        ..file(1)
    };
    store.insert_file(&foreign, &[]).await.unwrap();
    is_missing(store.input(&batch_id(1), at(1)).await);

    let mut other = batch(2);
    other.spec.input_file = file_id(2);
    store.insert_batch(&other).await.unwrap();
    let file = insert_file(store, 2).await;
    let input = store.input(&batch_id(2), at(2)).await.unwrap();
    assert_eq!((input.file, input.deleted), (file, false));
    assert_eq!(input.extents, [extent(upload(2), 100)]);

    let mut expiring = batch(3);
    expiring.spec.input_file = file_id(3);
    store.insert_batch(&expiring).await.unwrap();
    let brief = overnight_core::file::File {
        expires_at: Some(at(60)),
        ..super::fixture::file(3)
    };
    store.insert_file(&brief, &[]).await.unwrap();
    assert!(!store.input(&batch_id(3), at(59)).await.unwrap().deleted);
    assert!(store.input(&batch_id(3), at(60)).await.unwrap().deleted);
}

/// Every status is told, also one that no batch has.
pub async fn batches_are_counted_by_status(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    for n in [2, 3] {
        store.insert_batch(&batch(n)).await.unwrap();
    }
    let counts = store.count_batches(&Status::ALL).await.unwrap();
    let expected = Status::ALL.map(|status| match status {
        Status::Validating => (status, 2),
        Status::Completed => (status, 1),
        Status::InProgress
        | Status::Finalizing
        | Status::Failed
        | Status::Expired
        | Status::Cancelling
        | Status::Cancelled => (status, 0),
    });
    assert_eq!(counts, expected);
    let some = [Status::Completed, Status::Failed];
    let counts = store.count_batches(&some).await.unwrap();
    assert_eq!(counts, [(Status::Completed, 1), (Status::Failed, 0)]);
}
