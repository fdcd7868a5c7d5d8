//! Claims, leases and epochs: who may run a batch, and who no longer may.

use std::time::Duration;

use overnight_core::batch::{Batch, Event, Lease, Status};

use super::Subject;
use super::fixture::{
    answered, at, batch_id, claim, claimed, completed, is_fenced, is_missing, project, running,
    sealing, spec, worker,
};
use crate::store::Held;

/// Deadlines decide, not ages; a batch without a deadline comes last.
pub async fn the_soonest_deadline_is_claimed_first(subject: Subject) {
    let store = &*subject.store;
    for (n, hours) in [(1, None), (2, Some(9)), (3, Some(2)), (4, Some(5))] {
        let window = hours.map(Duration::from_hours);
        let batch = Batch::new(batch_id(n), project(), spec(1, window), at(n));
        store.insert_batch(&batch).await.unwrap();
    }
    let mut order = Vec::new();
    for limit in [2, 1, 5] {
        let claims = store.claim(&worker("w1"), limit, at(9)).await.unwrap();
        assert!(claims.len() <= limit);
        order.extend(claims.into_iter().map(|claim| claim.batch.id));
    }
    assert_eq!(order, [3, 4, 2, 1].map(batch_id));
}

/// What one worker holds, another does not get.
pub async fn a_batch_is_held_by_one_worker(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    assert_eq!(
        lease,
        Lease {
            batch: batch_id(1),
            worker: worker("w1"),
            epoch: 1
        }
    );
    assert!(
        store
            .claim(&worker("w2"), 9, at(2))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .claim(&worker("w1"), 9, at(2))
            .await
            .unwrap()
            .is_empty()
    );
}

/// A batch that was given back is free at once, under a greater epoch. Giving it back twice is
/// fine.
pub async fn each_claim_has_a_new_epoch(subject: Subject) {
    let store = &*subject.store;
    let first = claimed(store, 1).await;
    for _ in 0..2 {
        store.release(&first).await.unwrap();
    }
    let second = claim(store, "w2", 1).await;
    assert_eq!((first.epoch, second.epoch), (1, 2));
    is_fenced(store.release(&first).await);
    assert_eq!(store.renew(&worker("w2"), at(3)).await.unwrap().len(), 1);
    let revision = store
        .batch(&project(), &batch_id(1))
        .await
        .unwrap()
        .revision;
    assert_eq!(revision, 0);
}

/// Under an older epoch no verb of a run has an effect.
pub async fn a_worker_that_was_fenced_changes_nothing(subject: Subject) {
    let store = &*subject.store;
    let old = running(store, 1, 2).await;
    let recorded = answered(&old, 0, 0..1);
    store.record(&old, &recorded).await.unwrap();
    store.release(&old).await.unwrap();
    let new = claim(store, "w2", 1).await;
    let before = store.batch(&project(), &batch_id(1)).await.unwrap();

    is_fenced(store.record(&old, &recorded).await);
    is_fenced(store.record(&old, &answered(&old, 1, 1..2)).await);
    is_fenced(store.advance(&old, Event::DeadlinePassed, at(5)).await);
    is_fenced(store.seal(&old, &sealing(1), at(5)).await);
    is_fenced(store.release(&old).await);
    // The epoch alone is not enough: nor is a segment of an older one under the new lease.
    is_fenced(store.record(&new, &answered(&old, 1, 1..2)).await);
    let forged = Lease {
        worker: worker("w3"),
        ..new.clone()
    };
    is_fenced(store.record(&forged, &answered(&forged, 0, 1..2)).await);
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), before);
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        [recorded]
    );
    store.record(&new, &answered(&new, 0, 1..2)).await.unwrap();

    let nowhere = Lease {
        batch: batch_id(9),
        ..new
    };
    is_missing(store.release(&nowhere).await);
}

/// Once given back, a lease cannot be used, although nobody has claimed the batch since.
pub async fn a_released_lease_is_good_for_nothing(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 2).await;
    store.release(&lease).await.unwrap();
    is_fenced(store.record(&lease, &answered(&lease, 0, 0..1)).await);
    is_fenced(store.advance(&lease, Event::DeadlinePassed, at(5)).await);
    is_fenced(store.seal(&lease, &sealing(1), at(5)).await);
}

/// Renewing tells which batches are held and where each is, so that a cancel is seen.
pub async fn a_worker_is_told_what_it_holds(subject: Subject) {
    let store = &*subject.store;
    let first = claimed(store, 1).await;
    let second = running(store, 2, 2).await;
    store.cancel(&project(), &batch_id(2), at(5)).await.unwrap();
    let held = |lease: &Lease, status| Held {
        is_paused: false,
        batch: lease.batch.clone(),
        epoch: 1,
        status,
    };
    let expected = [
        held(&first, Status::Validating),
        held(&second, Status::Cancelling),
    ];
    assert_eq!(store.renew(&worker("w1"), at(6)).await.unwrap(), expected);
    assert_eq!(store.renew(&worker("w2"), at(6)).await.unwrap(), []);
}

/// An ended batch is nobody's.
pub async fn an_ended_batch_is_neither_held_nor_claimed(subject: Subject) {
    let store = &*subject.store;
    let lease = completed(store, 1).await;
    assert_eq!(store.renew(&worker("w1"), at(20)).await.unwrap(), []);
    assert!(
        store
            .claim(&worker("w2"), 9, at(20))
            .await
            .unwrap()
            .is_empty()
    );
    is_fenced(store.record(&lease, &answered(&lease, 5, 0..1)).await);
    store.release(&lease).await.unwrap();
}

/// Nobody is there to share with; and who leaves gives its batches back itself.
pub async fn a_worker_alone_has_no_share_and_keeps_what_it_holds_when_it_leaves(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    let outlook = store.outlook(&worker("w1")).await.unwrap();
    assert_eq!((outlook.others, outlook.share), (0, None));
    for _ in 0..2 {
        store.leave(&worker("w1")).await.unwrap();
    }
    let held = store.renew(&worker("w1"), at(2)).await.unwrap();
    assert_eq!(held.len(), 1);
    store.release(&lease).await.unwrap();
    assert_eq!(claim(store, "w2", 1).await.epoch, 2);
}
