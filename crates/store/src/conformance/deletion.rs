//! Files that are deleted, and what becomes of their bytes.

use overnight_core::batch::Event;
use overnight_core::file::File;
use overnight_core::segment::{Part, ResultFile};

use super::Subject;
use super::fixture::{
    at, batch, batch_id, claim, completed, extent, extents, file, file_id, garbage, insert_file,
    is_missing, project, segment_key, upload,
};
use crate::store::Content;

/// A deleted file is not seen, but a download that began before can be finished. A second call finds
/// no file.
pub async fn a_deleted_file_is_kept_ten_minutes_for_downloads(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    store
        .delete_file(&project(), &file_id(1), at(5))
        .await
        .unwrap();
    is_missing(store.delete_file(&project(), &file_id(1), at(5)).await);
    is_missing(store.file(&project(), &file_id(1), at(5)).await);
    assert_eq!(garbage(store, 604).await, []);
    assert_eq!(extents(store, &Content::File(file_id(1))).await.len(), 1);

    assert_eq!(garbage(store, 605).await, [upload(1)]);
    is_missing(store.extents(&Content::File(file_id(1)), 0, 9).await);
}

/// A batch goes on although its input was deleted, and after the downloads had their time; the bytes
/// go with the last one that is open.
pub async fn an_input_is_kept_until_the_last_open_batch_ends(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    for n in [1, 2] {
        store.insert_batch(&batch(n)).await.unwrap();
    }
    let second = claim(store, "w1", 2).await;
    let mut first = second.clone();
    first.batch = batch_id(1);
    store
        .delete_file(&project(), &file_id(1), at(5))
        .await
        .unwrap();
    is_missing(store.file(&project(), &file_id(1), at(5)).await);

    store
        .advance(&first, Event::Rejected(Vec::new()), at(6))
        .await
        .unwrap();
    let input = store.input(&batch_id(2), at(6)).await.unwrap();
    assert!(input.deleted);
    assert_eq!(input.extents, [extent(upload(1), 100)]);
    assert_eq!(garbage(store, 1000).await, []);
    assert_eq!(extents(store, &Content::File(file_id(1))).await.len(), 1);

    store
        .advance(&second, Event::DeadlinePassed, at(1001))
        .await
        .unwrap();
    assert_eq!(garbage(store, 1001).await, [upload(1)]);
    is_missing(store.input(&batch_id(2), at(1001)).await);
    is_missing(store.extents(&Content::File(file_id(1)), 0, 9).await);
}

/// A deleted result file is not seen, but a download that began before can be finished.
pub async fn a_deleted_result_file_is_kept_ten_minutes_for_downloads(subject: Subject) {
    let store = &*subject.store;
    let lease = completed(store, 1).await;
    garbage_is_swept(store, 20).await;
    store
        .delete_file(&project(), &file_id(1001), at(100))
        .await
        .unwrap();
    is_missing(store.file(&project(), &file_id(1001), at(100)).await);
    assert_eq!(garbage(store, 699).await, []);
    assert_eq!(extents(store, &Content::File(file_id(1001))).await.len(), 1);

    assert_eq!(
        garbage(store, 700).await,
        [segment_key(&lease, 0, Part::Output)]
    );
    is_missing(store.extents(&Content::File(file_id(1001)), 0, 9).await);
    let results = Content::Results(batch_id(1), ResultFile::Output);
    assert_eq!(extents(store, &results).await, []);
    let segments = store.segments(&batch_id(1), None, 10).await.unwrap();
    assert_eq!(segments[0].output, None);
    assert!(segments[0].index.is_some());
}

async fn garbage_is_swept(store: &dyn crate::Store, seconds: u64) {
    let blobs = garbage(store, seconds).await;
    store.forget_garbage(&blobs).await.unwrap();
}

/// The sweep takes so many expired files at a time, and says how many.
pub async fn expired_files_are_deleted_by_the_sweep(subject: Subject) {
    let store = &*subject.store;
    for n in 1..=3 {
        let file = File {
            expires_at: Some(at(10 * n)),
            ..file(n)
        };
        store
            .insert_file(&file, &[extent(upload(n), 100)])
            .await
            .unwrap();
    }
    insert_file(store, 4).await;
    assert_eq!(store.expire_files(10, at(9)).await.unwrap(), 0);
    assert_eq!(store.expire_files(1, at(25)).await.unwrap(), 1);
    assert_eq!(store.expire_files(10, at(26)).await.unwrap(), 1);
    assert_eq!(store.expire_files(10, at(26)).await.unwrap(), 0);
    assert_eq!(garbage(store, 625).await, [upload(1)]);
    assert_eq!(garbage(store, 626).await, [upload(1), upload(2)]);
    assert!(store.file(&project(), &file_id(4), at(1000)).await.is_ok());
}

/// Garbage is told until it is said to be deleted, and then never again.
pub async fn forgotten_garbage_does_not_come_back(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    insert_file(store, 2).await;
    for n in [1, 2] {
        store
            .delete_file(&project(), &file_id(n), at(5))
            .await
            .unwrap();
    }
    assert_eq!(store.garbage(1, at(605)).await.unwrap().len(), 1);
    for _ in 0..2 {
        store.forget_garbage(&[upload(1)]).await.unwrap();
        assert_eq!(garbage(store, 605).await, [upload(2)]);
    }
}
