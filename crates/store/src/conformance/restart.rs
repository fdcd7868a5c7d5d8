//! What is there behind a restart.

use overnight_core::segment::ResultFile;

use super::Subject;
use super::fixture::{
    answered, at, batch, batch_id, claim, completed, completion, extents, first, garbage,
    insert_file, insert_part, mixed, pending, project, running, upload, upload_id,
};
use crate::store::{Content, NewObject};

/// Whatever was answered is there when the process comes again.
pub async fn files_batches_and_segments_are_as_they_were(subject: Subject) {
    let store = &*subject.store;
    let file = insert_file(store, 1).await;
    completed(store, 1).await;
    let lease = running(store, 2, 9).await;
    store.record(&lease, &mixed(&lease, 0, 0..3)).await.unwrap();
    let mut batches = Vec::new();
    for n in [1, 2] {
        batches.push(store.batch(&project(), &batch_id(n)).await.unwrap());
    }
    let segments = store.segments(&batch_id(2), None, 9).await.unwrap();
    let content = Content::Results(batch_id(2), ResultFile::Output);
    let placed = extents(store, &content).await;
    let due = garbage(store, 50).await;

    let subject = subject.restart().await;
    let store = &*subject.store;
    assert_eq!(
        store.file(&project(), &file.id, at(50)).await.unwrap(),
        file
    );
    for batch in &batches {
        assert_eq!(store.batch(&project(), &batch.id).await.unwrap(), *batch);
    }
    assert_eq!(
        store.segments(&batch_id(2), None, 9).await.unwrap(),
        segments
    );
    assert_eq!(extents(store, &content).await, placed);
    assert_eq!(garbage(store, 50).await, due);
}

/// Parts that were answered wait for the rest of their upload, whichever process comes; keys go on
/// naming what was created under them.
pub async fn uploads_and_first_answers_are_as_they_were(subject: Subject) {
    let store = &*subject.store;
    for n in [1, 2] {
        store.insert_upload(&pending(n, 30)).await.unwrap();
        insert_part(store, n, 10 + n, 10).await;
    }
    store
        .cancel_upload(&project(), &upload_id(2), at(15))
        .await
        .unwrap();
    let kept = first("k", 1);
    store
        .insert_once(NewObject::Batch(&batch(1)), &kept)
        .await
        .unwrap();

    let subject = subject.restart().await;
    let store = &*subject.store;
    assert_eq!(garbage(store, 9000).await, [upload(12)]);
    insert_part(store, 1, 20, 20).await;
    let completion = completion(1, &[20, 11]);
    let completed = store.complete_upload(&project(), &completion, at(30)).await;
    assert!(completed.unwrap().file().is_some());
    let second = first("k", 2);
    let answer = store
        .insert_once(NewObject::Batch(&batch(2)), &second)
        .await;
    assert_eq!(answer.unwrap(), kept);
}

/// A lease of the process before is never good again.
pub async fn epochs_go_on_growing(subject: Subject) {
    let old = running(&*subject.store, 1, 9).await;
    subject.store.release(&old).await.unwrap();
    let subject = subject.restart().await;
    let store = &*subject.store;
    let new = claim(store, "w2", 1).await;
    assert_eq!((old.epoch, new.epoch), (1, 2));
    super::fixture::is_fenced(store.record(&old, &answered(&old, 0, 0..1)).await);
    store.record(&new, &answered(&new, 0, 0..1)).await.unwrap();
}
