//! What other processes leave, and what PostgreSQL's texts cannot hold.

use overnight_core::file::File;
use overnight_core::id::FileId;

use super::{Place, block_on, run};
use crate::conformance::fixture::{
    at, extent, file, garbage, is_missing, pending, project, upload, upload_id, worker,
};
use crate::status::{UpstreamHealth, UpstreamStatus};
use crate::store::Store as _;

const DAY: u64 = 24 * 60 * 60;

/// No restart tells that an upload was given up: another process may be receiving it.
#[test]
fn what_nobody_named_within_a_day_is_garbage() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        store.announce(&upload(1), at(1)).await.unwrap();
        store.announce(&upload(2), at(100)).await.unwrap();
        place.open().await;
        assert_eq!(garbage(&store, DAY).await, []);
        assert_eq!(garbage(&store, DAY + 1).await, [upload(1)]);
        let late = store.insert_file(&file(1), &[extent(upload(1), 100)]).await;
        is_missing(late);
        store
            .insert_file(&file(2), &[extent(upload(2), 100)])
            .await
            .unwrap();
    });
}

#[test]
fn a_worker_that_is_gone_says_nothing_of_its_upstreams() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        let status = UpstreamStatus {
            worker: worker("w1"),
            name: "a".into(),
            url: "http://localhost:8000".into(),
            health: UpstreamHealth::Healthy,
            reason: None,
            models: Vec::new(),
            any_model: true,
            in_flight: 0,
            limit: 8,
            updated_at: at(5),
        };
        let said = std::slice::from_ref(&status);
        store.save_upstreams(&worker("w1"), said).await.unwrap();
        assert_eq!(store.upstreams().await.unwrap(), said);
        run(
            &store,
            "UPDATE workers SET until = now() - INTERVAL '2 minutes'",
        )
        .await;
        assert_eq!(store.upstreams().await.unwrap(), []);
        // An idle worker shows itself by asking for work.
        assert!(
            store
                .claim(&worker("w1"), 9, at(6))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(store.upstreams().await.unwrap(), said);

        run(
            &store,
            "UPDATE workers SET until = now() - INTERVAL '2 hours'",
        )
        .await;
        garbage(&store, 10).await;
        run(&store, "UPDATE workers SET until = now()").await;
        assert_eq!(store.upstreams().await.unwrap(), []);
    });
}

#[test]
fn an_id_that_no_row_can_have_is_not_found() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        let id = FileId::from("file-\0".to_owned());
        is_missing(store.file(&project(), &id, at(1)).await);
        is_missing(store.delete_file(&project(), &id, at(1)).await);
        store.ping().await.unwrap();
    });
}

#[test]
fn a_name_with_a_nul_is_kept_without_it() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        let named = File {
            filename: "a\0b.jsonl".into(),
            ..file(1)
        };
        store.insert_file(&named, &[]).await.unwrap();
        let found = store.file(&project(), &named.id, at(1)).await.unwrap();
        assert_eq!(found.filename, "a\u{fffd}b.jsonl");
        let mut parts = pending(1, 10);
        parts.filename.clone_from(&named.filename);
        store.insert_upload(&parts).await.unwrap();
        let kept = store.upload(&project(), &upload_id(1)).await.unwrap();
        assert_eq!(kept.filename, found.filename);
    });
}
