//! What workers say of themselves.

use overnight_core::batch::Event;

use super::Subject;
use super::fixture::{at, batch_id, claimed, project, worker};
use crate::status::{BatchProgress, Pace, ServedModel, UpstreamHealth, UpstreamStatus};

pub(super) fn progress(n: u64, in_flight: u64) -> BatchProgress {
    BatchProgress {
        batch: batch_id(n),
        in_flight,
        retrying: 1,
        lines_per_second: 2.5,
        eta_seconds: Some(7),
        reason: Some("the upstream is away".into()),
        pace: Pace::default(),
        updated_at: at(5),
    }
}

fn upstream(by: &str, name: &str) -> UpstreamStatus {
    UpstreamStatus {
        worker: worker(by),
        name: name.into(),
        url: "http://localhost:8000".into(),
        health: UpstreamHealth::Parked,
        reason: None,
        models: vec![ServedModel {
            id: "m".into(),
            created: Some(1),
            owned_by: None,
        }],
        any_model: false,
        in_flight: 3,
        limit: 8,
        updated_at: at(5),
    }
}

/// The last word counts; a batch that ended, or never was, makes no progress.
pub async fn progress_is_replaced_and_ends_with_its_batch(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    assert_eq!(
        store.progress(&project(), &batch_id(1)).await.unwrap(),
        None
    );
    for in_flight in [3, 4] {
        store
            .save_progress(&[progress(1, in_flight), progress(9, 1)])
            .await
            .unwrap();
        let saved = store.progress(&project(), &batch_id(1)).await.unwrap();
        assert_eq!(saved, Some(progress(1, in_flight)));
    }
    store
        .advance(&lease, Event::Rejected(Vec::new()), at(6))
        .await
        .unwrap();
    assert_eq!(
        store.progress(&project(), &batch_id(1)).await.unwrap(),
        None
    );
    store.save_progress(&[progress(1, 5)]).await.unwrap();
    assert_eq!(
        store.progress(&project(), &batch_id(1)).await.unwrap(),
        None
    );
}

/// A worker speaks for itself alone, and what it no longer says is gone.
pub async fn a_worker_replaces_what_it_said_of_its_upstreams(subject: Subject) {
    let store = &*subject.store;
    let first = [upstream("w1", "a"), upstream("w1", "b")];
    store.save_upstreams(&worker("w1"), &first).await.unwrap();
    store
        .save_upstreams(&worker("w2"), &[upstream("w2", "a")])
        .await
        .unwrap();
    for _ in 0..2 {
        store
            .save_upstreams(&worker("w1"), &[upstream("w1", "b")])
            .await
            .unwrap();
        let said = store.upstreams().await.unwrap();
        assert_eq!(said, [upstream("w1", "b"), upstream("w2", "a")]);
    }
}

/// A store that is well says so.
pub async fn the_store_answers(subject: Subject) {
    subject.store.ping().await.unwrap();
}
