//! Blobs that turn out to be damaged, and plans that are made anew.

use overnight_core::batch::{Event, Plan};
use overnight_core::segment::{BlobKey, Part};
use overnight_core::time::Timestamp;

use super::Subject;
use super::fixture::{
    answered, at, claim, claimed, contradicts, extent, file_id, garbage, insert_file, is_fenced,
    plan, project, running, sealing, segment_key, unrun, upload,
};
use crate::Store;
use crate::store::Quarantined;

/// Finding a damaged blob a second time changes nothing.
pub async fn a_quarantined_blob_is_told_until_it_is_reinstated(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    let results = extent(segment_key(&lease, 0, Part::Output), 20);
    let named = [
        (extent(upload(1), 100), format!("the file {}", file_id(1))),
        (
            plan(&lease, 3).entries,
            format!("the plan of {}", lease.batch),
        ),
        (results, format!("output lines of {}", lease.batch)),
    ];
    for (n, (extent, held)) in (10..).zip(&named) {
        let found = store
            .quarantine(extent, "it is wrong", at(n))
            .await
            .unwrap();
        let found = found.expect("it was not known before");
        assert_eq!((&found.held, found.found_at), (held, at(n)));
        let again = store.quarantine(extent, "it still is", at(99)).await;
        assert_eq!(again.unwrap(), None);
    }
    let gone = extent("gone/1".into(), 5);
    let found = store.quarantine(&gone, "it is gone", at(20)).await;
    assert_eq!(found.unwrap(), None, "no row names it");
    let told = store.quarantined(10).await.unwrap();
    let extents: Vec<_> = told.iter().map(|found| &found.extent).collect();
    assert_eq!(
        extents,
        named.iter().map(|(extent, _)| extent).collect::<Vec<_>>()
    );
    let is_as_found = |found: &Quarantined| found.why == "it is wrong" && found.is_named;
    assert!(told.iter().all(is_as_found));
    assert_eq!(store.quarantined(1).await.unwrap(), told[..1]);

    for _ in 0..2 {
        for (extent, _) in &named {
            store.reinstate(&extent.blob, at(50)).await.unwrap();
        }
    }
    assert_eq!(store.quarantined(10).await.unwrap(), []);
    assert_eq!(garbage(store, 50).await, [], "rows still name all of them");
}

/// Evidence is kept, whatever becomes of what named it.
pub async fn a_quarantined_blob_is_never_swept(subject: Subject) {
    let store = &*subject.store;
    insert_file(store, 1).await;
    let input = extent(upload(1), 100);
    store.quarantine(&input, "altered", at(2)).await.unwrap();
    store
        .delete_file(&project(), &file_id(1), at(3))
        .await
        .unwrap();
    let lease = running(store, 4, 3).await;
    let lost = plan(&lease, 3).entries;
    store.quarantine(&lost, "altered", at(5)).await.unwrap();
    store.cancel(&project(), &lease.batch, at(6)).await.unwrap();
    store.record(&lease, &unrun(&lease, 0, 0..3)).await.unwrap();
    store.seal(&lease, &sealing(4), at(7)).await.unwrap();
    assert_eq!(garbage(store, 1000).await, []);
    let listed = [lost.blob.clone()];
    assert_eq!(store.unnamed(&listed).await.unwrap(), []);
    let told = store.quarantined(10).await.unwrap();
    assert!(told.iter().all(|found| !found.is_named), "{told:?}");

    store.reinstate(&input.blob, at(8)).await.unwrap();
    assert_eq!(garbage(store, 1000).await, [input.blob]);
}

/// Counts, status and revision stay as they are; the old plan is garbage unless it is evidence.
pub async fn a_lost_plan_is_replaced(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    let before = store.batch(&project(), &lease.batch).await.unwrap();
    let [first, second] = [1, 2].map(|n| another(&plan(&lease, 3), n));
    for _ in 0..2 {
        let after = store.replan(&lease, &first, at(9)).await.unwrap();
        assert_eq!(after.plan.as_ref(), Some(&first));
        assert_eq!(store.batch(&project(), &lease.batch).await.unwrap(), after);
        let unchanged = overnight_core::batch::Batch {
            plan: before.plan.clone(),
            ..after
        };
        assert_eq!(unchanged, before);
    }
    let old = plan(&lease, 3).entries.blob;
    assert_eq!(garbage(store, 10).await, std::slice::from_ref(&old));

    store
        .quarantine(&first.entries, "altered", at(11))
        .await
        .unwrap();
    store.replan(&lease, &second, at(12)).await.unwrap();
    assert_eq!(garbage(store, 13).await, [old]);

    store.release(&lease).await.unwrap();
    claim(store, "w2", 1).await;
    is_fenced(store.replan(&lease, &first, at(14)).await);
}

/// The lines of a batch are never more or fewer than validation found.
pub async fn a_plan_of_other_lines_is_refused(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    let other = another(&plan(&lease, 4), 1);
    contradicts(store.replan(&lease, &other, at(9)).await);
    let batch = store.batch(&project(), &lease.batch).await.unwrap();
    assert_eq!(batch.plan, Some(plan(&lease, 3)));
}

/// An ended batch keeps no plan, and one that is still validated has none to replace.
pub async fn a_plan_that_comes_too_late_is_garbage(subject: Subject) {
    let store = &*subject.store;
    let lease = claimed(store, 1).await;
    let late = another(&plan(&lease, 3), 1);
    let batch = store.replan(&lease, &late, at(2)).await.unwrap();
    assert_eq!(batch.plan, None);
    assert_eq!(swept(store, at(3)).await, [late.entries.blob]);
    let rejected = Event::Rejected(Vec::new());
    store.advance(&lease, rejected, at(4)).await.unwrap();
    let later = another(&plan(&lease, 3), 2);
    let batch = store.replan(&lease, &later, at(5)).await.unwrap();
    assert_eq!(batch.plan, None);
    assert_eq!(swept(store, at(6)).await, [later.entries.blob]);
}

/// The same plan in another blob.
fn another(plan: &Plan, n: u64) -> Plan {
    let key = format!("{}-{n}", plan.entries.blob);
    Plan {
        entries: extent(key.into(), plan.entries.length),
        ..plan.clone()
    }
}

async fn swept(store: &dyn Store, at: Timestamp) -> Vec<BlobKey> {
    let blobs = store.garbage(10, at).await.unwrap();
    store.forget_garbage(&blobs).await.unwrap();
    blobs
}
