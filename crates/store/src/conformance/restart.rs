//! What is there behind a restart.

use overnight_core::segment::ResultFile;

use super::Subject;
use super::fixture::{
    answered, at, batch_id, claim, completed, extents, garbage, insert_file, mixed, project,
    running,
};
use crate::store::Content;

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
