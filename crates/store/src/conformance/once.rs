//! Created once: one object a key, and one answer for a day.

use futures_util::future::join_all;

use super::Subject;
use super::fixture::{at, batch, batch_id, first, is_missing, pending, project, stranger};
use crate::store::{FirstAnswer, NewObject};

/// The object and the answer are there together; a second call brings neither.
pub async fn the_first_answer_under_a_key_is_kept(subject: Subject) {
    let store = &*subject.store;
    let kept = first("k", 1);
    let batch = batch(1);
    for _ in 0..2 {
        let answer = store.insert_once(NewObject::Batch(&batch), &kept).await;
        assert_eq!(answer.unwrap(), kept);
    }
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), batch);
    let found = store.first_answer(&project(), "k", at(9)).await.unwrap();
    assert_eq!(found, Some(kept));
}

/// What comes second under a key is answered with what came first, and creates nothing, be it
/// another object or another kind of object.
pub async fn a_second_object_under_a_key_is_not_created(subject: Subject) {
    let store = &*subject.store;
    let kept = first("k", 1);
    store
        .insert_once(NewObject::Batch(&batch(1)), &kept)
        .await
        .unwrap();
    let (second, upload) = (batch(2), pending(2, 10));
    for object in [NewObject::Batch(&second), NewObject::Upload(&upload)] {
        let answer = store.insert_once(object, &first("k", 2)).await.unwrap();
        assert_eq!(answer, kept);
    }
    is_missing(store.batch(&project(), &batch_id(2)).await);
    is_missing(store.upload(&project(), &upload.id).await);
    let other = first("other", 2);
    let answer = store.insert_once(NewObject::Upload(&upload), &other).await;
    assert_eq!(answer.unwrap(), other);
    assert!(store.upload(&project(), &upload.id).await.is_ok());
}

/// Requests at the same time under one key create one object, and are answered alike.
pub async fn of_many_at_a_time_one_is_created(subject: Subject) {
    let store = &*subject.store;
    let given: Vec<_> = (1..=8).map(|n| (batch(n), first("k", n))).collect();
    let answers = join_all(
        given
            .iter()
            .map(|(batch, answer)| store.insert_once(NewObject::Batch(batch), answer)),
    )
    .await;
    let answers: Vec<FirstAnswer> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let created = store.batches(&project(), None, 100).await.unwrap().items;
    assert_eq!(created.len(), 1);
    assert_eq!(
        answers[0].body,
        first("k", created_second(&created[0])).body
    );
}

fn created_second(batch: &overnight_core::batch::Batch) -> u64 {
    batch.created_at.since(at(0)).as_secs()
}

/// The same key of another project is another key.
pub async fn a_key_is_its_projects(subject: Subject) {
    let store = &*subject.store;
    store
        .insert_once(NewObject::Batch(&batch(1)), &first("k", 1))
        .await
        .unwrap();
    let found = store.first_answer(&stranger(), "k", at(2)).await.unwrap();
    assert_eq!(found, None);
    let theirs = FirstAnswer {
        project: stranger(),
        ..first("k", 2)
    };
    let answer = store
        .insert_once(NewObject::Batch(&batch(2)), &theirs)
        .await;
    assert_eq!(answer.unwrap(), theirs);
    let ours = store.first_answer(&project(), "k", at(2)).await.unwrap();
    assert_eq!(ours, Some(first("k", 1)));
}

/// After a day a key is free again, swept or not; the sweep forgets so many at a time.
pub async fn an_answer_is_kept_for_a_day(subject: Subject) {
    let store = &*subject.store;
    let day = 24 * 3600;
    for (n, key) in [(1, "a"), (2, "b"), (3, "c")] {
        store
            .insert_once(NewObject::Batch(&batch(n)), &first(key, n))
            .await
            .unwrap();
    }
    let kept = store.first_answer(&project(), "a", at(day)).await.unwrap();
    assert_eq!(kept, Some(first("a", 1)));
    let gone = store.first_answer(&project(), "a", at(day + 1)).await;
    assert_eq!(gone.unwrap(), None);
    let again = first("a", day + 1);
    let answer = store
        .insert_once(NewObject::Batch(&batch(day + 1)), &again)
        .await;
    assert_eq!(answer.unwrap(), again);
    for (limit, seconds, forgotten) in [
        (9, day + 1, 0),
        (1, day + 3, 1),
        (9, day + 3, 1),
        (9, day + 3, 0),
    ] {
        let answer = store.forget_answers(limit, at(seconds)).await.unwrap();
        assert_eq!(answer, forgotten, "at {seconds}");
    }
    let found = store.first_answer(&project(), "a", at(day + 3)).await;
    assert_eq!(found.unwrap(), Some(again));
}
