//! An embedded store is opened by one process at a time: what the one before held is free.

use super::Subject;
use super::fixture::{
    answered, at, claim, garbage, insert_file, is_fenced, running, upload, worker,
};

/// No lease has to lapse: the lock on the data folder tells that its holder is dead.
pub async fn what_a_killed_process_held_is_free(subject: Subject) {
    let old = running(&*subject.store, 1, 9).await;
    subject
        .store
        .record(&old, &answered(&old, 0, 0..1))
        .await
        .unwrap();
    let subject = subject.restart().await;
    let store = &*subject.store;
    assert_eq!(store.renew(&worker("w1"), at(9)).await.unwrap(), []);
    is_fenced(store.record(&old, &answered(&old, 1, 1..2)).await);
    let new = claim(store, "w2", 1).await;
    assert_eq!(new.epoch, 2);
    is_fenced(store.record(&old, &answered(&old, 1, 1..2)).await);
}

/// What was being received does not outlive its connection, and that ended with the process.
pub async fn what_a_killed_process_announced_is_garbage(subject: Subject) {
    insert_file(&*subject.store, 1).await;
    subject.store.announce(&upload(2), at(2)).await.unwrap();
    assert_eq!(garbage(&*subject.store, 9000).await, []);
    let subject = subject.restart().await;
    assert_eq!(garbage(&*subject.store, 0).await, [upload(2)]);
}
