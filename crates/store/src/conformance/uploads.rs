//! Uploads: parts that become a file, or garbage.

use std::time::Duration;

use overnight_core::file::File;
use overnight_core::upload::{Upload, UploadRefusal, UploadState, UploadStatus};

use super::Subject;
use super::fixture::{
    at, completion, extents, file, file_id, garbage, insert_part, is_missing, is_refused, part,
    pending, project, stranger, upload, upload_id,
};
use crate::store::{Content, Store};

/// What the store has of [`pending`] upload 1.
async fn found(store: &dyn Store) -> Upload {
    store.upload(&project(), &upload_id(1)).await.unwrap()
}

/// An upload is there; a second insert, even of other words, changes nothing.
pub async fn an_inserted_upload_is_read_back(subject: Subject) {
    let store = &*subject.store;
    let upload = pending(1, 30);
    store.insert_upload(&upload).await.unwrap();
    let other = Upload {
        filename: "other".into(),
        ..upload.clone()
    };
    store.insert_upload(&other).await.unwrap();
    assert_eq!(found(store).await, upload);
    let for_ever = Upload {
        file_expires_after: None,
        ..pending(2, 0)
    };
    store.insert_upload(&for_ever).await.unwrap();
    let id = &for_ever.id;
    assert_eq!(store.upload(&project(), id).await.unwrap(), for_ever);
}

/// Nothing tells another project's upload from a missing one, whatever the verb.
pub async fn another_projects_upload_is_a_missing_one(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 10)).await.unwrap();
    insert_part(store, 1, 5, 10).await;
    store.announce(&upload(6), at(6)).await.unwrap();
    is_missing(store.upload(&stranger(), &upload_id(1)).await);
    is_missing(store.parts(&stranger(), &upload_id(1)).await);
    is_missing(store.insert_part(&stranger(), &part(1, 6, 10)).await);
    let completion = completion(1, &[5]);
    is_missing(store.complete_upload(&stranger(), &completion, at(7)).await);
    let cancelled = store.cancel_upload(&stranger(), &upload_id(1), at(7)).await;
    is_missing(cancelled);
    is_missing(store.upload(&project(), &upload_id(2)).await);
    assert_eq!(found(store).await.state, UploadState::Pending);
    assert_eq!(garbage(store, 9000).await, []);
}

/// A part is there once, and counted once; giving its blob up afterwards has no effect.
pub async fn a_part_counts_once(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 30)).await.unwrap();
    for n in [5, 6] {
        for _ in 0..2 {
            insert_part(store, 1, n, 10).await;
        }
        store.abandon(&upload(n), at(n)).await.unwrap();
    }
    let parts = store.parts(&project(), &upload_id(1)).await.unwrap();
    assert_eq!(parts, [part(1, 5, 10), part(1, 6, 10)]);
    let upload = found(store).await;
    assert_eq!((upload.parts, upload.part_bytes), (2, 20));
    assert_eq!(garbage(store, 3000).await, []);
}

/// A blob that may be deleted at any moment cannot become a part.
pub async fn garbage_does_not_become_a_part(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 10)).await.unwrap();
    store.announce(&upload(5), at(5)).await.unwrap();
    store.abandon(&upload(5), at(5)).await.unwrap();
    is_missing(store.insert_part(&project(), &part(1, 5, 10)).await);
    assert_eq!(found(store).await.parts, 0);
}

/// The order of the bytes is the order of the completion, whatever came first; parts that are not
/// named are garbage, and the named ones are not. Completed again of the same parts, the first file
/// stays the only one.
pub async fn a_completed_upload_is_a_file_of_its_parts(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 30)).await.unwrap();
    for (n, length) in [(5, 10), (6, 99), (7, 20)] {
        insert_part(store, 1, n, length).await;
    }
    let completed = store
        .complete_upload(&project(), &completion(1, &[7, 5]), at(8))
        .await
        .unwrap();
    let made = File {
        bytes: 30,
        expires_at: Some(at(8 + 3600)),
        ..file(1001)
    };
    let made = File {
        created_at: at(8),
        filename: completed.filename.clone(),
        ..made
    };
    assert_eq!(completed.file(), Some(made.clone()));
    assert_eq!(found(store).await, completed);
    let mut again = completion(1, &[7, 5]);
    again.file = file_id(1002);
    let repeated = store.complete_upload(&project(), &again, at(9)).await;
    assert_eq!(repeated.unwrap(), completed);
    is_missing(store.file(&project(), &file_id(1002), at(9)).await);

    assert_eq!(store.file(&project(), &made.id, at(9)).await.unwrap(), made);
    let placed = extents(store, &Content::File(made.id.clone())).await;
    let blobs: Vec<_> = placed.iter().map(|p| (p.at, &p.extent.blob)).collect();
    assert_eq!(blobs, [(0, &upload(7)), (20, &upload(5))]);
    assert_eq!(garbage(store, 8).await, [upload(6)]);
    let left = store.parts(&project(), &upload_id(1)).await.unwrap();
    assert_eq!(left, []);
}

/// The bytes of a completed upload go when its file goes, although the upload is still remembered.
pub async fn the_file_of_an_upload_is_deleted_like_any_other(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 30)).await.unwrap();
    insert_part(store, 1, 5, 10).await;
    insert_part(store, 1, 6, 20).await;
    let completion = completion(1, &[5, 6]);
    store
        .complete_upload(&project(), &completion, at(8))
        .await
        .unwrap();
    assert_eq!(garbage(store, 9).await, []);
    store
        .delete_file(&project(), &file_id(1001), at(9))
        .await
        .unwrap();
    assert_eq!(garbage(store, 608).await, []);
    assert_eq!(garbage(store, 609).await, [upload(5), upload(6)]);
    assert!(found(store).await.file().is_some());
}

/// What does not make the declared file changes nothing, and can be mended.
pub async fn parts_that_do_not_make_the_file_are_refused(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 30)).await.unwrap();
    insert_part(store, 1, 5, 10).await;
    store.insert_upload(&pending(2, 30)).await.unwrap();
    insert_part(store, 2, 6, 20).await;
    for (order, refusal) in [
        (
            vec![5],
            UploadRefusal::WrongSize {
                declared: 30,
                found: 10,
            },
        ),
        (vec![5, 6], UploadRefusal::UnknownPart(part(2, 6, 20).id)),
        (vec![5, 5], UploadRefusal::RepeatedPart(part(1, 5, 10).id)),
    ] {
        let completion = completion(1, &order);
        let completed = store.complete_upload(&project(), &completion, at(8)).await;
        is_refused(completed, &refusal);
    }
    is_missing(store.file(&project(), &file_id(1001), at(8)).await);
    assert_eq!(found(store).await.state, UploadState::Pending);
    insert_part(store, 1, 7, 20).await;
    let completion = completion(1, &[5, 7]);
    let completed = store.complete_upload(&project(), &completion, at(8)).await;
    assert!(completed.unwrap().file().is_some());
}

/// A cancelled upload's parts are garbage at once; nothing more can be done with it, but it can be
/// cancelled again.
pub async fn a_cancelled_upload_is_garbage(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 10)).await.unwrap();
    insert_part(store, 1, 5, 10).await;
    for seconds in [8, 9000] {
        let cancelled = store
            .cancel_upload(&project(), &upload_id(1), at(seconds))
            .await
            .unwrap();
        assert_eq!(cancelled.state, UploadState::Cancelled);
        assert_eq!(garbage(store, 8).await, [upload(5)]);
    }
    let closed = UploadRefusal::Closed(UploadStatus::Cancelled);
    let completion = completion(1, &[5]);
    let completed = store.complete_upload(&project(), &completion, at(9)).await;
    is_refused(completed, &closed);
    store.announce(&upload(6), at(9)).await.unwrap();
    is_refused(
        store.insert_part(&project(), &part(1, 6, 10)).await,
        &closed,
    );
    store.abandon(&upload(6), at(9)).await.unwrap();
    assert_eq!(garbage(store, 9).await, [upload(5), upload(6)]);
}

/// A completed upload cannot be cancelled, and its file stays.
pub async fn a_completed_upload_is_not_cancelled(subject: Subject) {
    let store = &*subject.store;
    store.insert_upload(&pending(1, 10)).await.unwrap();
    insert_part(store, 1, 5, 10).await;
    let completion = completion(1, &[5]);
    store
        .complete_upload(&project(), &completion, at(8))
        .await
        .unwrap();
    let cancelled = store.cancel_upload(&project(), &upload_id(1), at(9)).await;
    is_refused(cancelled, &UploadRefusal::Closed(UploadStatus::Completed));
    assert!(store.file(&project(), &file_id(1001), at(9)).await.is_ok());
    assert_eq!(garbage(store, 9).await, []);
}

/// An upload is over at its expiry, swept or not. The sweep lets go of its parts, so many at a
/// time; a day later the upload is forgotten, and so is a completed one, whose file stays.
pub async fn an_upload_that_is_not_completed_in_time_is_garbage(subject: Subject) {
    let store = &*subject.store;
    for n in [1, 2, 3] {
        store.insert_upload(&pending(n, 10)).await.unwrap();
        insert_part(store, n, 10 + n, 10).await;
    }
    let done = completion(3, &[13]);
    store
        .complete_upload(&project(), &done, at(20))
        .await
        .unwrap();
    let closed = UploadRefusal::Closed(UploadStatus::Expired);
    let late = completion(1, &[11]);
    let completed = store.complete_upload(&project(), &late, at(3601)).await;
    is_refused(completed, &closed);
    let cancelled = store
        .cancel_upload(&project(), &upload_id(1), at(3601))
        .await;
    is_refused(cancelled, &closed);

    for (limit, seconds, ended) in [(9, 3600, 0), (1, 3602, 1), (9, 3602, 1), (9, 3602, 0)] {
        let answer = store.expire_uploads(limit, at(seconds)).await.unwrap();
        assert_eq!(answer, ended, "at {seconds}");
    }
    assert_eq!(garbage(store, 3602).await, [upload(11), upload(12)]);
    assert_eq!(found(store).await.state, UploadState::Expired);
    let day = 24 * 3600;
    assert_eq!(store.expire_uploads(9, at(3600 + day)).await.unwrap(), 0);
    assert_eq!(store.expire_uploads(9, at(3601 + day)).await.unwrap(), 1);
    is_missing(store.upload(&project(), &upload_id(1)).await);
    assert_eq!(store.expire_uploads(9, at(3603 + day)).await.unwrap(), 2);
    assert_eq!(extents(store, &Content::File(file_id(1003))).await.len(), 1);
}

/// A part that comes at the moment of its upload's expiry is too late.
pub async fn a_part_that_comes_too_late_is_refused(subject: Subject) {
    let store = &*subject.store;
    let upload = Upload {
        expires_at: at(5),
        file_expires_after: Some(Duration::from_hours(2)),
        ..pending(1, 10)
    };
    store.insert_upload(&upload).await.unwrap();
    let refused = store.insert_part(&project(), &part(1, 5, 10)).await;
    is_refused(refused, &UploadRefusal::Closed(UploadStatus::Expired));
    insert_part(store, 1, 4, 10).await;
}
