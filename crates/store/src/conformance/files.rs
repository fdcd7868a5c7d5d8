//! Files: inserted, listed, read.

use overnight_core::file::{File, Purpose};
use overnight_core::segment::{Extent, PlacedExtent};

use super::Subject;
use super::fixture::{
    at, extent, extents, file, file_id, garbage, insert_file, is_missing, project, stranger, upload,
};
use crate::store::{Content, FileQuery, Order};

fn query(limit: usize) -> FileQuery {
    FileQuery {
        purpose: None,
        after: None,
        limit,
        order: Order::Descending,
    }
}

/// A file is there with its extents; a second insert, even of other words, changes nothing.
pub async fn an_inserted_file_is_read_back(subject: Subject) {
    let store = &*subject.store;
    let file = insert_file(store, 1).await;
    let other = File {
        filename: "other".into(),
        ..file.clone()
    };
    store
        .insert_file(&other, &[extent(upload(2), 5)])
        .await
        .unwrap();
    assert_eq!(store.file(&project(), &file.id, at(1)).await.unwrap(), file);
    let placed = PlacedExtent {
        at: 0,
        extent: extent(upload(1), 100),
    };
    assert_eq!(extents(store, &Content::File(file.id)).await, [placed]);
}

/// Nothing tells another project's file from a missing one.
pub async fn another_projects_file_is_a_missing_one(subject: Subject) {
    let store = &*subject.store;
    let id = insert_file(store, 1).await.id;
    is_missing(store.file(&stranger(), &id, at(1)).await);
    is_missing(store.delete_file(&stranger(), &id, at(1)).await);
    let behind = FileQuery {
        after: Some(id.clone()),
        ..query(10)
    };
    is_missing(store.files(&stranger(), &behind, at(1)).await);
    assert_eq!(
        store
            .files(&stranger(), &query(10), at(1))
            .await
            .unwrap()
            .items,
        []
    );
    assert!(store.file(&project(), &id, at(1)).await.is_ok());
}

/// At its expiry a file is gone for every reader, swept or not.
pub async fn a_file_is_gone_when_its_expiry_has_come(subject: Subject) {
    let store = &*subject.store;
    let file = File {
        expires_at: Some(at(60)),
        ..file(1)
    };
    store
        .insert_file(&file, &[extent(upload(1), 100)])
        .await
        .unwrap();
    assert_eq!(
        store.file(&project(), &file.id, at(59)).await.unwrap(),
        file
    );
    assert_eq!(
        store
            .files(&project(), &query(10), at(59))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    is_missing(store.file(&project(), &file.id, at(60)).await);
    assert_eq!(
        store
            .files(&project(), &query(10), at(60))
            .await
            .unwrap()
            .items,
        []
    );
    is_missing(store.delete_file(&project(), &file.id, at(60)).await);
}

/// Pages follow their cursor in either direction, and say whether there is more.
pub async fn files_are_listed_page_by_page(subject: Subject) {
    let store = &*subject.store;
    for n in 1..=5 {
        insert_file(store, n).await;
    }
    for (order, pages) in [
        (Order::Descending, [vec![5, 4], vec![3, 2], vec![1]]),
        (Order::Ascending, [vec![1, 2], vec![3, 4], vec![5]]),
    ] {
        let mut after = None;
        for (index, expected) in pages.iter().enumerate() {
            let query = FileQuery {
                after,
                order,
                ..query(2)
            };
            let page = store.files(&project(), &query, at(9)).await.unwrap();
            let ids: Vec<_> = page.items.iter().map(|file| file.id.clone()).collect();
            assert_eq!(
                ids,
                expected.iter().map(|n| file_id(*n)).collect::<Vec<_>>()
            );
            assert_eq!(page.has_more, index < 2);
            after = ids.last().cloned();
        }
    }
}

/// A list of one purpose has no file of another.
pub async fn files_are_listed_by_purpose(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    let vision = File {
        purpose: Purpose::Vision,
        ..file(2)
    };
    store.insert_file(&vision, &[]).await.unwrap();
    insert_file(store, 3).await;
    let query = FileQuery {
        purpose: Some(Purpose::Vision),
        ..query(10)
    };
    let page = store.files(&project(), &query, at(9)).await.unwrap();
    assert_eq!(page.items, [vision]);
    assert!(!page.has_more);
}

/// A cursor must be a file that the project sees.
pub async fn a_cursor_that_is_no_file_is_not_found(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    store
        .delete_file(&project(), &file_id(1), at(2))
        .await
        .unwrap();
    for cursor in [file_id(1), file_id(7)] {
        let query = FileQuery {
            after: Some(cursor),
            ..query(10)
        };
        is_missing(store.files(&project(), &query, at(3)).await);
    }
}

/// Any byte of a file of many extents is found, and so is its end.
pub async fn extents_begin_with_the_one_that_holds_the_byte(subject: Subject) {
    let store = &*subject.store;
    let parts: Vec<Extent> = [10, 0, 20, 5]
        .into_iter()
        .zip(1..)
        .map(|(length, n)| extent(upload(n), length))
        .collect();
    let file = File {
        bytes: 35,
        ..file(1)
    };
    store.insert_file(&file, &parts).await.unwrap();
    let content = Content::File(file.id);
    for (from, limit, places) in [
        (0, 9, vec![0, 10, 30]),
        (9, 9, vec![0, 10, 30]),
        (10, 9, vec![10, 30]),
        (29, 1, vec![10]),
        (30, 9, vec![30]),
        (34, 9, vec![30]),
        (35, 9, vec![]),
        (99, 9, vec![]),
        (0, 2, vec![0, 10]),
    ] {
        let found = store.extents(&content, from, limit).await.unwrap();
        let found: Vec<u64> = found.iter().map(|placed| placed.at).collect();
        assert_eq!(found, places, "from byte {from}, at most {limit}");
    }
    is_missing(store.extents(&Content::File(file_id(9)), 0, 9).await);
}

/// An empty file exists and ends at once; its blob goes with it.
pub async fn a_file_without_bytes_has_no_extents(subject: Subject) {
    let store = &*subject.store;
    store
        .insert_file(
            &File {
                bytes: 0,
                ..file(1)
            },
            &[extent(upload(1), 0)],
        )
        .await
        .unwrap();
    assert_eq!(extents(store, &Content::File(file_id(1))).await, []);
    store
        .delete_file(&project(), &file_id(1), at(2))
        .await
        .unwrap();
    assert_eq!(garbage(store, 602).await, [upload(1)]);
}

/// An upload that is given up leaves a blob to delete.
pub async fn an_abandoned_upload_is_garbage_at_once(subject: Subject) {
    let store = &*subject.store;
    for _ in 0..2 {
        store.announce(&upload(1), at(1)).await.unwrap();
    }
    assert_eq!(garbage(store, 1).await, []);
    for _ in 0..2 {
        store.abandon(&upload(1), at(2)).await.unwrap();
    }
    assert_eq!(garbage(store, 1).await, []);
    assert_eq!(garbage(store, 2).await, [upload(1)]);
}

/// Once a file names its blob, giving up the upload has no effect.
pub async fn an_inserted_file_ends_its_announcement(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    store.abandon(&upload(1), at(2)).await.unwrap();
    assert_eq!(garbage(store, 1000).await, []);
}

/// A blob that may be deleted at any moment cannot be named any more.
pub async fn garbage_does_not_become_a_file(subject: Subject) {
    let store = &*subject.store;
    store.announce(&upload(1), at(1)).await.unwrap();
    store.abandon(&upload(1), at(1)).await.unwrap();
    is_missing(store.insert_file(&file(1), &[extent(upload(1), 100)]).await);
    is_missing(store.file(&project(), &file_id(1), at(1)).await);
}
