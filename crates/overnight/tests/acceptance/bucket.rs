//! Processes on one PostgreSQL database and one bucket: they keep nothing on their own machines, and a
//! bucket that goes away makes them wait.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::TryStreamExt;
use overnight_store::Blobs;
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::postgres::{self, Version};
use overnight_testkit::s3;
use serde_json::Value;

use crate::common::{Lines, count_of, status_of};
use crate::scene::Sim;
use crate::several::{
    Replica, Site, check_all, serve, submit, until_all_claimed, until_it_works_again,
};
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

/// Whether a batch says that what has to be kept cannot be written, and the process does so too.
fn says_why(replica: &Replica, id: &str) -> bool {
    let path = format!("/v1/batches/{id}/progress");
    let progress = replica.client.get(&path).json();
    let reason = progress["reason"].as_str().unwrap_or_default();
    let metrics = replica.client.get("/metrics").text();
    reason.contains("cannot be written") && metrics.contains("overnight_blobs_reached 0\n")
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
        until("it says why it waits", || says_why(&replica, id));
        proxy.disturb(Fault::None);
        check_all(&replica.client, &batches);
        assert_eq!(replica.received(), sent, "a line was sent twice");
    }
    site.check_whole(&replica);
}

/// A worker is stopped while a segment of its is on the way to the bucket: somebody else has the batch
/// when the segment gets there.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_comes_after_a_take_over_is_there_and_does_not_count() {
    let (database, store) = (
        postgres::Shared::find(Version::Oldest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let proxy = FaultProxy::start(store.address()).await.unwrap();
    let (schema, place) = (database.schema(), store.url());
    let site = |address| Site::in_bucket(&schema, &place, s3::variables(address));
    let (far, near) = (site(proxy.address()), site(store.address()));
    let first = far.start(&database.url(), &[]);
    let batches = submit(&first.client, 1, 400);
    let (id, _) = &batches[0];
    until("lines are recorded", || {
        count_of(&first.client.batch(id), "completed") > 0
    });
    proxy.disturb(Fault::BlackHole);
    let before = proxy.received();
    until("a segment is on its way", || {
        proxy.received() > before + 4096
    });

    first.process.signal("STOP");
    let second = near.start(&database.url(), &[]);
    until_all_claimed(&second, &batches);
    until("nothing is in flight", || first.sim.stats().in_flight == 0);
    let sent = first.sim.log().len();
    let in_time = segments(&near, &format!("{id}-1-")).await;
    proxy.disturb(Fault::None);
    first.process.signal("CONT");
    until("the record of its segment is refused", || {
        first.says("what comes under a lost lease does not count", id)
    });
    let late = segments(&near, &format!("{id}-1-")).await;
    assert!(late.len() > in_time.len(), "{in_time:?} and then {late:?}");
    check_all(&second.client, &batches);
    assert_eq!(first.sim.log().len(), sent, "it sent after it went on");
    near.check_whole(&second);
    until_it_works_again(&first, sent as u64);
    first.end();
    second.end();
}

/// Of two workers one does not reach the bucket, which is well for the other: neither silence nor an
/// error keeps it with batches of which it could record nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_cut_off_from_the_bucket_leaves_its_batches_to_one_that_is_not() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let proxy = FaultProxy::start(store.address()).await.unwrap();
    let (schema, place) = (database.schema(), store.url());
    let site = |address| Site::in_bucket(&schema, &place, s3::variables(address));
    let (cut_off, well) = (site(proxy.address()), site(store.address()));
    let far = cut_off.start(&database.url(), &[]);
    let near = well.start(&database.url(), &[]);
    for fault in [Fault::BlackHole, Fault::Reset] {
        let (before_far, before_near) = (far.received(), near.received());
        let batches = submit(&near.client, 4, 300);
        until("both work", || {
            far.received() > before_far + 60 && near.received() > before_near + 60
        });
        proxy.disturb(fault);
        until("the other one has them all", || {
            let held = near.claimed();
            batches.iter().all(|(id, _)| held.contains(id))
        });
        check_all(&near.client, &batches);
        well.check_whole(&near);
        proxy.disturb(Fault::None);
        until_it_works_again(&far, far.received());
    }
    far.end();
    near.end();
}

/// The names of the segments' blobs in the bucket that have this text in them.
async fn segments(site: &Site, text: &str) -> BTreeSet<String> {
    let blobs = Blobs::bucket(&site.bucket()).unwrap();
    let listed: Vec<_> = blobs.list("segments").try_collect().await.unwrap();
    let names = listed.iter().map(ToString::to_string);
    names.filter(|name| name.contains(text)).collect()
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

/// The same command where nothing on the machine can be written but, if there is one, a file system in
/// memory that is mounted on that folder.
fn where_nothing_can_be_written(command: &Command, but: Option<&Path>) -> Command {
    const IN_NAMESPACE: &str = "\
        mount -o remount,bind,ro /\n\
        [ -z \"$1\" ] || mount -t tmpfs tmpfs \"$1\"\n\
        shift\n\
        exec \"$@\"";
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-ec", IN_NAMESPACE, "sh"]);
    inside.arg(but.unwrap_or_else(|| Path::new("")));
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside.current_dir(command.get_current_dir().unwrap());
    if let Some(folder) = but {
        inside.env("TMPDIR", folder);
    }
    inside
}

#[test]
fn a_process_needs_no_disk_but_a_folder_for_answers_that_are_on_their_way() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let variables = s3::variables(store.address());
    let site = Site::in_bucket(&database.schema(), &store.url(), variables);
    let sim = Sim::start(10, &[]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = site.command(&database.url(), sim.url(), folder.path(), &[]);
    command.env("OVERNIGHT_MEMORY__ANSWERS", "1KiB");
    let mut refused = Process::start(where_nothing_can_be_written(&command, None), folder.path());
    assert_eq!(refused.wait().code(), Some(1), "{}", refused.stderr());
    let said = refused.stderr();
    assert!(said.contains("TMPDIR"), "{said}");

    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let command = where_nothing_can_be_written(&command, Some(&temporary));
    let (_process, client) = serve(command, folder.path());
    // Each answer is larger than what memory has left for all of them.
    let lines = Lines {
        tokens: 40_000,
        ..Lines::new("large", 20)
    };
    let id = client.submit(&lines.bytes());
    let batch = client.until_status(&id, "completed");
    client.ended(&batch).check_each_once(lines.ids());
    assert_eq!(
        fs::read_dir(&temporary).unwrap().count(),
        0,
        "it was mounted over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_the_database_and_the_bucket_and_leaves_nothing() {
    let (database, store) = (
        postgres::Shared::find(Version::Oldest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let proxy = FaultProxy::start(store.address()).await.unwrap();
    let (schema, place) = (database.schema(), store.url());
    let site = Site::in_bucket(&schema, &place, s3::variables(proxy.address()));
    let folder = tempfile::tempdir().unwrap();
    let url = database.url();
    let command = site.command(&url, "http://127.0.0.1:9", folder.path(), &[]);
    let found = |about: &str| -> Vec<(String, String)> {
        let checks = site.doctor(folder.path());
        let named = |check: &Value| check["about"].as_str().unwrap().starts_with(about);
        let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
        let checks = checks.iter().filter(|check| named(check));
        checks
            .map(|check| (text(check, "finding"), text(check, "text")))
            .collect()
    };
    let database_says = |finding: &str, says: &str| {
        let found = found("database ");
        assert_eq!(found.len(), 1, "{found:?}");
        let (is, text) = &found[0];
        assert!(is == finding && text.contains(says), "{found:?}");
    };
    // Nothing is made by looking, however often.
    for _ in 0..2 {
        database_says("ok", "the first start makes the schema");
    }
    let bucket = found("bucket ");
    let findings: Vec<&str> = bucket.iter().map(|(finding, _)| finding.as_str()).collect();
    assert_eq!(findings, ["ok", "note"], "{bucket:?}");
    assert!(bucket[0].1.contains("written and deleted"), "{bucket:?}");
    assert!(
        bucket[1].1.contains("AbortIncompleteMultipartUpload"),
        "{bucket:?}"
    );
    let listed: Vec<_> = Blobs::bucket(&site.bucket())
        .unwrap()
        .list_all()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed, []);

    let mut server = Process::start(command, folder.path());
    server.first_line();
    database_says("ok", "is up to date");
    server.kill9();
    proxy.disturb(Fault::Reset);
    let away = found("bucket ");
    assert_eq!(away.len(), 1, "{away:?}");
    assert_eq!(away[0].0, "error", "{away:?}");
}
