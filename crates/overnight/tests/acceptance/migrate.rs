//! What a data folder holds is moved to a database and a bucket: killed on the way it goes on, the folder
//! stays as it is, and what clients find afterwards is what they found before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use futures_util::StreamExt as _;
use overnight_store::Blobs;
use overnight_store::blobs::BucketSettings;
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::postgres::{self, Own, Version};
use overnight_testkit::s3;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::common::{Client, Lines, count_of, status_of};
use crate::scene::Sim;
use crate::several::{Site, check_all};
use crate::support::{Process, TestServer, check_code, overnight, stderr_of};

/// How often it is killed: the last time when all blobs are there, and no row is.
const KILLS: usize = 10;

/// Files that no batch has run, each a blob.
const FILES: usize = 60;

/// How much later each piece comes to the bucket and back, so that a kill comes in time.
const SLOW: Duration = Duration::from_millis(10);

/// What was there before.
struct Before {
    server: TestServer,
    files: Vec<(String, Vec<u8>)>,
    completed: String,
    cancelled: String,
    open: Vec<(String, Lines)>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Before {
    /// A folder with files, batches that have ended and one that was stopped on the way.
    fn new() -> Self {
        let sim = Sim::start(10, &["--slots", "8"]);
        let mut server = TestServer::start(|arguments| {
            arguments.extend(["--upstream".to_owned(), sim.url().to_owned()]);
        });
        let client = Client::new(&server.base_url);
        let files: Vec<_> = (0..FILES)
            .map(|n| {
                let bytes = Lines::new(&format!("file{n}"), n + 1).bytes();
                (client.upload(&bytes), bytes)
            })
            .collect();
        let lines = Lines::new("completed", 200).failing("http400");
        let completed = client.submit(&lines.bytes());
        client.until_status(&completed, "completed");
        let cancelled = client.submit(&Lines::new("cancelled", 3_000).bytes());
        client.until(&cancelled, "some lines are done", |batch| {
            count_of(batch, "completed") > 20
        });
        client.cancel(&cancelled);
        client.until_status(&cancelled, "cancelled");
        let lines = Lines::new("open", 800);
        let open = client.submit(&lines.bytes());
        client.until(&open, "some lines are done", |batch| {
            count_of(batch, "completed") > 100
        });
        let contents = [&completed, &cancelled]
            .into_iter()
            .flat_map(|id| contents_of(&client, id))
            .collect();
        assert!(server.sigterm().success());
        Self {
            server,
            files,
            completed,
            cancelled,
            open: vec![(open, lines)],
            contents,
        }
    }

    fn data(&self) -> PathBuf {
        self.server.folder.path().join("data")
    }

    /// How many blobs its rows name.
    fn blobs(&self) -> usize {
        let mut command = overnight(self.server.folder.path());
        command.args(["backup", "--data", "data", "--to", "backup", "--json"]);
        let taken = command.output().unwrap();
        check_code(&taken, 0);
        let taken: Value = serde_json::from_slice(&taken.stdout).unwrap();
        usize::try_from(taken["blobs"].as_u64().unwrap()).unwrap()
    }

    /// Every file of the folder, and what it holds.
    fn state(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.clone(), xxh3_64(&fs::read(&path).unwrap()));
                }
            }
        }
        found
    }

    /// Whether a server shows what the old one did, but for what goes on.
    fn check(&self, client: &Client) {
        for (file, bytes) in &self.files {
            assert_eq!(&client.content(file), bytes);
        }
        for (file, bytes) in &self.contents {
            assert_eq!(&client.content(file), bytes);
        }
        assert_eq!(status_of(&client.batch(&self.completed)), "completed");
        assert_eq!(status_of(&client.batch(&self.cancelled)), "cancelled");
        check_all(client, &self.open);
    }
}

/// The result files of a batch, by their ids.
fn contents_of(client: &Client, id: &str) -> Vec<(String, Vec<u8>)> {
    let batch = client.batch(id);
    let files = ["output_file_id", "error_file_id"];
    let ids = files.into_iter().filter_map(|name| batch[name].as_str());
    ids.map(|file| (file.to_owned(), client.content(file)))
        .collect()
}

/// Where it is moved to.
struct Target {
    schema: String,
    bucket: String,
    blobs: Blobs,
}

impl Target {
    fn new(schema: String, store: &s3::Shared) -> Self {
        let bucket = store.url();
        let settings = BucketSettings::from_url(&bucket, s3::variables(store.address())).unwrap();
        Self {
            schema,
            blobs: Blobs::bucket(&settings).unwrap(),
            bucket,
        }
    }

    /// A command on it, its bucket being asked by those variables.
    fn command(
        &self,
        folder: &Path,
        variables: &[(String, String)],
        arguments: &[&str],
    ) -> Command {
        let config = format!("[postgres]\nschema = \"{}\"\n", self.schema);
        fs::write(folder.join("overnight.toml"), config).unwrap();
        let mut command = overnight(folder);
        command.args(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn objects(&self) -> usize {
        self.blobs.list_all().count().await
    }

    /// Waits until so many blobs are there, or the process has ended.
    async fn until_objects(&self, process: &mut Process, wanted: usize) {
        while self.objects().await < wanted && process.is_running() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn said(output: &Output) -> String {
    stderr_of(output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_moved_however_often_that_is_killed_and_goes_on_where_it_is_now() {
    let before = tokio::task::spawn_blocking(Before::new).await.unwrap();
    let blobs = before.blobs();
    let state = before.state();
    let (database, store) = (
        Own::start(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let target = Target::new("moved".to_owned(), &store);
    let (far, slow) = (
        FaultProxy::start(database.address()).await.unwrap(),
        FaultProxy::start(store.address()).await.unwrap(),
    );
    slow.disturb(Fault::Latency(SLOW));
    let url = database.url_at(far.address());
    let folder = tempfile::tempdir().unwrap();
    let data = before.data().display().to_string();
    let migrate = ["migrate", "--from", &data, "--to", &url, &target.bucket];

    let mut killed_at = Vec::new();
    for kill in 1..=KILLS {
        let command = target.command(folder.path(), &s3::variables(slow.address()), &migrate);
        let mut process = Process::start(command, folder.path());
        target
            .until_objects(&mut process, blobs * (2 * kill - 1) / (2 * KILLS))
            .await;
        if kill == KILLS {
            // Every blob comes over, and no row.
            far.disturb(Fault::BlackHole);
            target.until_objects(&mut process, blobs).await;
        }
        assert!(process.is_running(), "{}", process.stderr());
        process.kill9();
        far.disturb(Fault::None);
        killed_at.push(target.objects().await);
    }
    assert!(killed_at.is_sorted(), "it begins anew: {killed_at:?}");

    let variables = s3::variables(store.address());
    let run = |arguments: &[&str]| {
        let mut command = target.command(folder.path(), &variables, arguments);
        command.output().unwrap()
    };
    let moved = run(&migrate);
    check_code(&moved, 0);
    assert!(said(&moved).contains("(0 new, "), "{}", said(&moved));
    assert_eq!(before.state(), state, "the folder changed");
    let again = run(&migrate);
    check_code(&again, 0);
    assert!(said(&again).contains("(it did before)"), "{}", said(&again));
    let verify = ["verify", "--store", &url, "--blobs", &target.bucket];
    check_code(&run(&verify), 0);

    tokio::task::block_in_place(|| {
        let site = Site::in_bucket(&target.schema, &target.bucket, variables.clone());
        let replica = site.start(&url, &[]);
        before.check(&replica.client);
        check_code(&run(&verify), 0);
        replica.end();
    });
    let late = run(&migrate);
    check_code(&late, 1);
    assert!(said(&late).contains("is not empty"), "{}", said(&late));
}

#[test]
fn a_backup_of_a_server_becomes_a_folder_and_a_server_again() {
    let (database, store) = (
        postgres::Shared::find(Version::Newest).unwrap(),
        s3::Shared::find().unwrap(),
    );
    let variables = s3::variables(store.address());
    let target = Target::new(database.schema(), &store);
    let site = Site::in_bucket(&target.schema, &target.bucket, variables.clone());
    let replica = site.start(&database.url(), &[]);
    let lines = Lines::new("a", 400);
    let open = vec![(replica.client.submit(&lines.bytes()), lines)];
    replica
        .client
        .until(&open[0].0, "some lines are done", |batch| {
            count_of(batch, "completed") > 50
        });
    let folder = tempfile::tempdir().unwrap();
    let run = |target: &Target, arguments: &[&str]| {
        let command = target
            .command(folder.path(), &variables, arguments)
            .output();
        let output = command.unwrap();
        check_code(&output, 0);
        said(&output)
    };
    let url = database.url();
    let place = ["--store", &url, "--blobs", &target.bucket];
    run(
        &target,
        &[&["backup", "--to", "backup"], &place[..]].concat(),
    );
    run(&target, &[&["verify"], &place[..]].concat());
    check_all(&replica.client, &open);
    replica.end();
    run(&target, &["verify", "--data", "backup"]);

    let other = Target::new(database.schema(), &store);
    let place = ["--store", &url, "--blobs", &other.bucket];
    run(
        &other,
        &[&["restore", "--from", "backup"], &place[..]].concat(),
    );
    let site = Site::in_bucket(&other.schema, &other.bucket, variables.clone());
    let replica = site.start(&url, &[]);
    check_all(&replica.client, &open);
    replica.end();
    run(&other, &[&["verify"], &place[..]].concat());

    run(&target, &["restore", "--from", "backup", "--data", "data"]);
    run(&target, &["verify", "--data", "data"]);
}
