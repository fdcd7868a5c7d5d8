//! Processes on one PostgreSQL database and one bucket: they keep nothing on their own machines, and a
//! bucket that goes away makes them wait.

use std::fs;
use std::time::Duration;

use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::postgres::{self, Version};
use overnight_testkit::s3;

use crate::common::{Lines, count_of, status_of};
use crate::several::{Site, check_all, submit};
use crate::support::{Process, until};

#[test]
fn a_batch_goes_from_a_bucket_to_a_bucket_over_workers_that_die() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let site = Site::in_bucket(
        &database.schema(),
        &store.url(),
        s3::variables(store.address()),
    );
    let url = database.url();
    let api = site.start(&url, &["--api-only"]);
    let mut first = site.start(&url, &["--worker-only"]);
    let batches = submit(&api.client, 2, 400);
    until("lines are recorded", || {
        let recorded = |id| count_of(&api.client.batch(id), "completed") > 0;
        batches.iter().any(|(id, _)| recorded(id))
    });
    first.process.kill9();
    let second = site.start(&url, &["--worker-only"]);
    check_all(&api.client, &batches);
    let sent = first.received() + second.received();
    // Of each batch, what was in flight and two flushes of which nothing was recorded.
    let bound = 2 * (8 + 2 * 32);
    assert!((800..=800 + bound).contains(&sent), "{sent} requests");

    for replica in [&api, &second] {
        let left: Vec<_> = fs::read_dir(replica.folder.path()).unwrap().collect();
        let names = left.into_iter().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.retain(|name| {
            let name = name.to_string_lossy();
            name != "overnight.toml" && !name.starts_with("stderr-")
        });
        assert!(names.is_empty(), "{names:?}");
    }
    site.check_whole(&api);
    api.end();
    second.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_goes_away_makes_a_batch_wait() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let proxy = FaultProxy::start(store.address()).await.unwrap();
    let site = Site::in_bucket(
        &database.schema(),
        &store.url(),
        s3::variables(proxy.address()),
    );
    let replica = site.start(&database.url(), &[]);
    let mut sent = 0;
    for fault in [
        Fault::Reset,
        Fault::HalfClose,
        Fault::BlackHole,
        Fault::Busy,
    ] {
        let batches = submit(&replica.client, 1, 100);
        until("it sends", || replica.received() >= sent + 8);
        proxy.disturb(fault);
        sent += 100;
        until("everything is sent", || replica.received() >= sent);
        let (id, _) = &batches[0];
        assert_eq!(status_of(&replica.client.batch(id)), "in_progress");
        proxy.disturb(Fault::None);
        check_all(&replica.client, &batches);
        assert_eq!(replica.received(), sent, "a line was sent twice");
    }
    site.check_whole(&replica);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bucket_holds_up_no_line() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let proxy = FaultProxy::start(store.address()).await.unwrap();
    proxy.disturb(Fault::Latency(Duration::from_millis(150)));
    let site = Site::in_bucket(
        &database.schema(),
        &store.url(),
        s3::variables(proxy.address()),
    );
    let replica = site.start(&database.url(), &[]);
    let batches = submit(&replica.client, 2, 200);
    check_all(&replica.client, &batches);
    assert_eq!(replica.received(), 400, "a line was sent twice");
    site.check_whole(&replica);
    replica.end();
}

#[test]
fn a_prefix_of_another_database_is_refused() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let (place, variables) = (store.url(), s3::variables(store.address()));
    let start = |schema: &str| Site::in_bucket(schema, &place, variables.clone());
    let first = start(&database.schema()).start(&database.url(), &[]);
    let lines = Lines::new("a", 3);
    let id = first.client.submit(&lines.bytes());
    first.client.until_status(&id, "completed");

    let folder = tempfile::tempdir().unwrap();
    let other = start(&database.schema());
    let command = other.command(&database.url(), "http://127.0.0.1:9", folder.path(), &[]);
    let mut refused = Process::start(command, folder.path());
    assert_eq!(refused.wait().code(), Some(1));
    let said = refused.stderr();
    assert!(said.contains("holds what another database than"), "{said}");
    assert!(said.contains("--blobs"), "{said}");
    first.end();
}
