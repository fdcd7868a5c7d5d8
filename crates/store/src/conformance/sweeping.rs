//! What ends by itself: blobs that nobody named, and batches whose time is over.

use std::time::Duration;

use overnight_core::batch::Event;
use overnight_core::segment::{BlobKey, Part};

use super::Subject;
use super::fixture::{
    answered, at, batch, batch_id, claim, claimed, completed, file_id, garbage, insert_file,
    is_missing, plan, project, running, segment_key, upload,
};

/// A blob that no row names is told when nobody can name it any more: its epoch is past, its batch
/// has ended or is gone. What the present holder may still name, and uploads, are left alone.
pub async fn unnamed_blobs_are_told_by_their_epoch(subject: Subject) {
    let store = &*subject.store;
    let old = running(store, 1, 9).await;
    let named = answered(&old, 0, 0..1);
    store.record(&old, &named).await.unwrap();
    store.release(&old).await.unwrap();
    let new = claim(store, "w2", 1).await;
    let gone = overnight_core::batch::Lease {
        batch: batch_id(9),
        ..new.clone()
    };
    let past = [
        segment_key(&old, 1, Part::Output),
        BlobKey::plan(&old.batch, old.epoch, 99 << 96),
        segment_key(&gone, 0, Part::Index),
    ];
    let present = [
        segment_key(&new, 0, Part::Output),
        BlobKey::plan(&new.batch, new.epoch, 99 << 96),
    ];
    let mut listed: Vec<BlobKey> = [past.as_slice(), present.as_slice()].concat();
    listed.extend(named.blobs().cloned());
    listed.extend([
        plan(&old, 9).entries.blob,
        upload(1),
        "something/else".into(),
    ]);
    assert_eq!(store.unnamed(&listed).await.unwrap(), past);

    store
        .advance(&new, Event::DeadlinePassed, at(5))
        .await
        .unwrap();
    assert_eq!(store.unnamed(&present).await.unwrap(), []);
    let failed = claimed(store, 2).await;
    store
        .advance(&failed, Event::Rejected(Vec::new()), at(6))
        .await
        .unwrap();
    let ended = [segment_key(&failed, 0, Part::Output)];
    assert_eq!(store.unnamed(&ended).await.unwrap(), ended);
}

/// Garbage has its own time; a sweep of what is unnamed does not come before it.
pub async fn blobs_that_wait_as_garbage_are_not_unnamed(subject: Subject) {
    let store = &*subject.store;
    let lease = completed(store, 1).await;
    let plan = plan(&lease, 2).entries.blob;
    assert_eq!(
        store.unnamed(std::slice::from_ref(&plan)).await.unwrap(),
        []
    );
    store
        .forget_garbage(std::slice::from_ref(&plan))
        .await
        .unwrap();
    assert_eq!(
        store.unnamed(std::slice::from_ref(&plan)).await.unwrap(),
        [plan]
    );
}

/// An ended batch is kept for its retention, so many are forgotten at a time, and open ones never.
pub async fn batches_are_forgotten_after_their_retention(subject: Subject) {
    let store = &*subject.store;
    for n in [1, 2] {
        let lease = claimed(store, n).await;
        store
            .advance(&lease, Event::Rejected(Vec::new()), at(10 * n))
            .await
            .unwrap();
    }
    store.insert_batch(&batch(3)).await.unwrap();
    let minute = Duration::from_mins(1);
    for (limit, seconds, forgotten) in [(9, 70, 0), (1, 81, 1), (9, 81, 1), (9, 9000, 0)] {
        let answer = store
            .forget_batches(minute, limit, at(seconds))
            .await
            .unwrap();
        assert_eq!(answer, forgotten, "at {seconds}");
    }
    for n in [1, 2] {
        is_missing(store.batch(&project(), &batch_id(n)).await);
    }
    assert!(store.batch(&project(), &batch_id(3)).await.is_ok());
}

/// Results are reached over their batch, so it outlives them; what its segments still name
/// goes with it.
pub async fn a_batch_is_kept_while_its_result_files_are(subject: Subject) {
    let store = &*subject.store;
    let lease = completed(store, 1).await;
    let blobs = garbage(store, 20).await;
    store.forget_garbage(&blobs).await.unwrap();
    assert_eq!(
        store
            .forget_batches(Duration::ZERO, 9, at(100))
            .await
            .unwrap(),
        0
    );
    store
        .delete_file(&project(), &file_id(1001), at(100))
        .await
        .unwrap();
    assert_eq!(
        store
            .forget_batches(Duration::ZERO, 9, at(101))
            .await
            .unwrap(),
        0
    );
    let output = segment_key(&lease, 0, Part::Output);
    assert_eq!(garbage(store, 700).await, std::slice::from_ref(&output));
    assert_eq!(
        store
            .forget_batches(Duration::ZERO, 9, at(701))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        garbage(store, 701).await,
        [segment_key(&lease, 0, Part::Index), output]
    );
    is_missing(store.batch(&project(), &batch_id(1)).await);
    assert_eq!(store.segments(&batch_id(1), None, 9).await.unwrap(), []);
}

/// The newest past event of any row; what is planned for later is no event.
pub async fn the_newest_time_is_told(subject: Subject) {
    let store = &*subject.store;
    assert_eq!(store.newest().await.unwrap(), None);
    insert_file(store, 1).await;
    assert_eq!(store.newest().await.unwrap(), Some(at(1)));
    store.insert_batch(&batch(3)).await.unwrap();
    assert_eq!(store.newest().await.unwrap(), Some(at(3)));
    store.cancel(&project(), &batch_id(3), at(8)).await.unwrap();
    assert_eq!(store.newest().await.unwrap(), Some(at(8)));
    store.announce(&upload(2), at(9)).await.unwrap();
    assert_eq!(store.newest().await.unwrap(), Some(at(9)));
}
