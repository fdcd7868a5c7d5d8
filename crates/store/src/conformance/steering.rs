//! What people do with batches beside creating and cancelling them.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_core::metadata::Metadata;
use overnight_core::segment::{Part, ResultFile};

use super::Subject;
use super::fixture::{
    at, batch, batch_id, claim, claimed, completed, extents, file_id, garbage, insert_file,
    is_illegal, is_missing, project, running, segment_key, stranger, worker,
};
use super::running::progress;
use crate::store::{BatchQuery, Content};

const DAY: Duration = Duration::from_hours(24);

/// A paused batch keeps its state and revision; its holder is told. Both verbs change nothing the
/// second time.
pub async fn a_paused_batch_says_so_until_it_is_resumed(subject: Subject) {
    let store = &*subject.store;
    running(store, 1, 9).await;
    is_missing(
        store
            .set_paused(&stranger(), &batch_id(1), true, at(5))
            .await,
    );
    let (own, id) = (project(), batch_id(1));
    let held = async || store.renew(&worker("w1"), at(6)).await.unwrap()[0].is_paused;
    for seconds in [5, 6] {
        let asked = store.set_paused(&own, &id, true, at(seconds));
        let paused = asked.await.unwrap();
        assert_eq!((paused.paused_at, paused.revision), (Some(at(5)), 1));
        assert!(paused.is_paused());
        let kept = store.batch(&project(), &batch_id(1)).await.unwrap();
        assert_eq!(kept, paused);
        assert!(held().await);
    }
    for seconds in [7, 8] {
        let asked = store.set_paused(&own, &id, false, at(seconds));
        assert_eq!(asked.await.unwrap().paused_at, None);
        assert!(!held().await);
    }
}

/// A batch of which nothing more is sent anyway is neither paused nor resumed.
pub async fn what_sends_nothing_any_more_is_not_paused(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    claimed(store, 2).await;
    let (own, id) = (project(), batch_id(2));
    let paused = store.set_paused(&own, &id, true, at(3)).await.unwrap();
    assert!(paused.is_paused());
    let cancelled = store.cancel(&project(), &batch_id(2), at(4)).await.unwrap();
    assert!(!cancelled.is_paused());
    for (n, paused) in [(1, true), (1, false), (2, true), (2, false)] {
        is_illegal(
            store
                .set_paused(&project(), &batch_id(n), paused, at(5))
                .await,
        );
    }
}

/// Filters go together; text is looked for in ids, values of metadata and names of input files.
#[expect(clippy::too_many_lines, reason = "a list of questions to one store")]
pub async fn batches_are_found_by_status_text_and_parent(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    insert_file(store, 7).await;
    for n in 2..=5 {
        let mut given = batch(n);
        given.parent = (n >= 4).then(|| batch_id(1));
        if n == 2 {
            let pair = ("Colour".to_owned(), "Dark\u{0} %_Blue".to_owned());
            given.spec.metadata = Some(Metadata(vec![pair]));
        }
        if n == 3 {
            let pair = ("colour".to_owned(), "%_BLUE sky".to_owned());
            given.spec.metadata = Some(Metadata(vec![pair]));
            given.spec.input_file = file_id(7);
        }
        store.insert_batch(&given).await.unwrap();
    }
    let found = async |query: BatchQuery| {
        let query = BatchQuery { limit: 3, ..query };
        let page = store.find_batches(&project(), &query).await.unwrap();
        let of_strangers = BatchQuery {
            after: None,
            ..query
        };
        let strangers = store
            .find_batches(&stranger(), &of_strangers)
            .await
            .unwrap();
        assert_eq!(strangers.items, []);
        let ids: Vec<_> = page.items.into_iter().map(|batch| batch.id).collect();
        (ids, page.has_more)
    };
    let all = BatchQuery::default;
    let text = |search: &str| BatchQuery {
        search: Some(search.to_owned()),
        ..all()
    };
    assert_eq!(found(all()).await, ([5, 4, 3].map(batch_id).to_vec(), true));
    let rest = BatchQuery {
        after: Some(batch_id(3)),
        ..all()
    };
    assert_eq!(
        found(rest.clone()).await,
        ([2, 1].map(batch_id).to_vec(), false)
    );
    is_missing(store.find_batches(&stranger(), &rest).await);
    let ended = BatchQuery {
        statuses: vec![Status::Completed, Status::Failed],
        ..all()
    };
    assert_eq!(found(ended).await, (vec![batch_id(1)], false));
    let children = BatchQuery {
        parent: Some(batch_id(1)),
        ..all()
    };
    assert_eq!(
        found(children).await,
        ([5, 4].map(batch_id).to_vec(), false)
    );
    let name = insert_file(store, 7).await.filename.to_ascii_uppercase();
    for (search, expected) in [
        ("%_blue S", vec![batch_id(3)]),
        (batch_id(4).as_str(), vec![batch_id(4)]),
        (
            &batch_id(4).as_str().to_ascii_uppercase(),
            vec![batch_id(4)],
        ),
        (&name, vec![batch_id(3)]),
        ("colour", vec![]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(found(text(search)).await, (expected, false), "{search}");
    }
}

/// A deleted batch is missing at once, and its result files with it; their bytes are kept for ten
/// minutes, and the row as long.
pub async fn a_deleted_batch_is_gone_with_its_results(subject: Subject) {
    let store = &*subject.store;
    let lease = completed(store, 1).await;
    let ended = store.batch(&project(), &batch_id(1)).await.unwrap();
    let output = ended.state.results().unwrap().output_file.clone().unwrap();
    is_missing(store.delete_batch(&stranger(), &batch_id(1), at(20)).await);
    store
        .delete_batch(&project(), &batch_id(1), at(20))
        .await
        .unwrap();
    is_missing(store.delete_batch(&project(), &batch_id(1), at(20)).await);
    is_missing(store.batch(&project(), &batch_id(1)).await);
    is_missing(store.cancel(&project(), &batch_id(1), at(20)).await);
    is_missing(store.progress(&project(), &batch_id(1)).await);
    is_missing(store.file(&project(), &output, at(20)).await);
    let listed = store.batches(&project(), None, 9).await.unwrap();
    assert_eq!(listed.items, []);
    let query = BatchQuery {
        limit: 9,
        ..BatchQuery::default()
    };
    let found = store.find_batches(&project(), &query).await.unwrap();
    assert_eq!(found.items, []);

    let content = Content::Results(batch_id(1), ResultFile::Output);
    assert_eq!(store.forget_batches(DAY, 9, at(600)).await.unwrap(), 0);
    assert_eq!(extents(store, &content).await.len(), 1);
    garbage(store, 620).await;
    assert_eq!(store.forget_batches(DAY, 9, at(620)).await.unwrap(), 1);
    assert_eq!(store.forget_batches(DAY, 9, at(620)).await.unwrap(), 0);
    let left = garbage(store, 620).await;
    assert!(
        left.contains(&segment_key(&lease, 0, Part::Output)),
        "{left:?}"
    );
    assert_eq!(extents(store, &content).await, []);
}

/// A batch that is open is cancelled first; one without result files goes at the next sweep.
pub async fn an_open_batch_is_not_deleted(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    is_illegal(store.delete_batch(&project(), &batch_id(1), at(2)).await);
    assert!(store.batch(&project(), &batch_id(1)).await.is_ok());
    let rejected = overnight_core::batch::Event::Rejected(Vec::new());
    store.advance(&lease, rejected, at(3)).await.unwrap();
    store
        .delete_batch(&project(), &batch_id(1), at(4))
        .await
        .unwrap();
    assert_eq!(store.forget_batches(DAY, 9, at(4)).await.unwrap(), 1);
}

/// An overview counts the batches of one project that were not deleted, and tells how those that
/// are open get on.
pub async fn an_overview_is_its_projects(subject: Subject) {
    let store = &*subject.store;
    completed(store, 1).await;
    for n in [2, 3] {
        store.insert_batch(&batch(n)).await.unwrap();
    }
    claim(store, "w1", 2).await;
    store.save_progress(&[progress(2, 5)]).await.unwrap();
    let seen = store.overview(&project()).await.unwrap();
    let count = |status| {
        let mut counted = seen.batches.iter();
        counted.find(|(counted, _)| *counted == status).unwrap().1
    };
    assert_eq!(seen.batches.len(), Status::ALL.len());
    assert_eq!(
        (count(Status::Completed), count(Status::Validating)),
        (1, 2)
    );
    assert_eq!(seen.progress, [progress(2, 5)]);
    let strangers = store.overview(&stranger()).await.unwrap();
    assert!(strangers.batches.iter().all(|(_, batches)| *batches == 0));
    assert_eq!(strangers.progress, []);

    store
        .delete_batch(&project(), &batch_id(1), at(20))
        .await
        .unwrap();
    let seen = store.overview(&project()).await.unwrap();
    assert!(seen.batches.contains(&(Status::Completed, 0)));
}
