//! Several processes on one PostgreSQL database and one folder: what one of them has when it is killed,
//! stopped, cut off or told to end is taken over, and every line ends once.
//!
//! Each process has an upstream of its own, which tells what that process sends.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use overnight_store::blobs::BucketSettings;
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::postgres::{Own, Shared, Stop, Version};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::common::{Client, Lines, count_of, status_of};
use crate::scene::Sim;
use crate::support::{Process, check_code, overnight, until};

/// How long a lease is here.
const LEASE: Duration = Duration::from_secs(2);

/// How much later than at the end of its lease a batch may be somebody else's: claims are asked for
/// twice a second, and the machine may be busy.
const SLACK: Duration = Duration::from_secs(2);

/// Requests at a time at each upstream.
const PLACES: &str = "8";

/// What the processes share.
pub(crate) struct Site {
    schema: String,
    place: Place,
}

/// Where their blobs are.
enum Place {
    Folder(TempDir),
    Bucket {
        url: String,
        variables: Vec<(String, String)>,
    },
}

impl Site {
    fn new(schema: String) -> Self {
        let place = Place::Folder(tempfile::tempdir().unwrap());
        Self { schema, place }
    }

    /// Of processes that keep their blobs in a bucket, and nothing on this machine.
    pub(crate) fn in_bucket(schema: &str, url: &str, variables: Vec<(String, String)>) -> Self {
        let (schema, url) = (schema.to_owned(), url.to_owned());
        let place = Place::Bucket { url, variables };
        Self { schema, place }
    }

    /// The bucket, where there is one.
    pub(crate) fn bucket(&self) -> BucketSettings {
        match &self.place {
            Place::Folder(_) => panic!("there is no bucket"),
            Place::Bucket { url, variables } => {
                BucketSettings::from_url(url, variables.clone()).unwrap()
            }
        }
    }

    /// Starts a process on the database at that URL.
    pub(crate) fn start(&self, url: &str, flags: &[&str]) -> Replica {
        let sim = Sim::start(100, &["--slots", PLACES]);
        let folder = tempfile::tempdir().unwrap();
        let command = self.command(url, sim.url(), folder.path(), flags);
        let (process, client) = serve(command, folder.path());
        Replica {
            sim,
            process,
            client,
            folder,
        }
    }

    /// What starts a process with that upstream, in a folder of its own.
    pub(crate) fn command(
        &self,
        url: &str,
        upstream: &str,
        folder: &Path,
        flags: &[&str],
    ) -> Command {
        let place = match &self.place {
            Place::Folder(folder) => {
                let data = folder.path().join("data");
                format!("data = \"{}\"", data.display())
            }
            Place::Bucket { url, .. } => format!("blobs = \"{url}\""),
        };
        let config = format!(
            "store = \"{url}\"\n{place}\nlisten = \"127.0.0.1:0\"\n\
             [postgres]\nschema = \"{}\"\nlease = \"{}s\"\n\
             [[upstreams]]\nurl = \"{upstream}\"\nlimit = {PLACES}\n",
            self.schema,
            LEASE.as_secs(),
        );
        std::fs::write(folder.join("overnight.toml"), config).unwrap();
        let mut command = overnight(folder);
        command.arg("serve").args(flags).envs(self.variables());
        command
    }

    /// What the environment tells of the bucket, if there is one.
    fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        let variables = match &self.place {
            Place::Folder(_) => &[][..],
            Place::Bucket { variables, .. } => &variables[..],
        };
        variables.iter().map(|(name, value)| (name, value))
    }

    /// What the doctor says, in a folder where [`Self::command`] was made.
    pub(crate) fn doctor(&self, folder: &Path) -> Vec<Value> {
        let mut doctor = overnight(folder);
        doctor.args(["doctor", "--json", "--no-request"]);
        let output = doctor.envs(self.variables()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Everything that is kept agrees, as a process of the site sees it, which may go on meanwhile.
    pub(crate) fn check_whole(&self, replica: &Replica) {
        let mut verify = overnight(replica.folder.path());
        verify.arg("verify").envs(self.variables());
        check_code(&verify.output().unwrap(), 0);
    }
}

pub(crate) fn serve(command: Command, folder: &Path) -> (Process, Client) {
    let mut process = Process::start(command, folder);
    let line = process.first_line();
    let url = line.trim().strip_prefix("overnight is ready on ").unwrap();
    let client = Client::new(url);
    (process, client)
}

/// One of the processes, and the upstream that it alone uses.
pub(crate) struct Replica {
    pub(crate) sim: Sim,
    pub(crate) process: Process,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
}

impl Replica {
    /// The batches that it has claimed so far, by its log.
    pub(crate) fn claimed(&self) -> BTreeSet<String> {
        let log = self.process.stderr();
        let claims = log.lines().filter(|line| line.contains("batch claimed"));
        claims.filter_map(batch_in).collect()
    }

    /// Whether its log has a line with this text about the batch.
    pub(crate) fn says(&self, text: &str, batch: &str) -> bool {
        let log = self.process.stderr();
        let mut lines = log.lines().filter(|line| line.contains(text));
        lines.any(|line| batch_in(line).as_deref() == Some(batch))
    }

    pub(crate) fn received(&self) -> u64 {
        self.sim.stats().received
    }

    /// Ends when asked, with nothing left to do.
    pub(crate) fn end(mut self) -> Sim {
        self.process.signal("TERM");
        assert_eq!(
            self.process.wait().code(),
            Some(0),
            "{}",
            self.process.stderr()
        );
        self.sim
    }
}

/// The batch that a line of a log is about.
fn batch_in(line: &str) -> Option<String> {
    let from = line.find("batch_")?;
    let id = line.get(from..)?;
    let end = id
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(id.len());
    id.get(..end).map(str::to_owned)
}

/// Submits so many batches of so many lines each.
pub(crate) fn submit(client: &Client, batches: usize, lines: usize) -> Vec<(String, Lines)> {
    let submit = |number| {
        let lines = Lines::new(&format!("b{number}"), lines);
        (client.submit(&lines.bytes()), lines)
    };
    (0..batches).map(submit).collect()
}

pub(crate) fn check_all(client: &Client, batches: &[(String, Lines)]) {
    for (id, lines) in batches {
        let batch = client.until_status(id, "completed");
        client.ended(&batch).check_each_once(lines.ids());
    }
}

pub(crate) fn until_all_claimed(replica: &Replica, batches: &[(String, Lines)]) {
    until("every batch is claimed", || {
        let claimed = replica.claimed();
        batches.iter().all(|(id, _)| claimed.contains(id))
    });
}

/// Gives work until a process does some of it, which had been asked for so many lines before.
pub(crate) fn until_it_works_again(replica: &Replica, before: u64) {
    until("it works again", || {
        let more = submit(&replica.client, 2, 40);
        check_all(&replica.client, &more);
        replica.received() > before
    });
}

#[test]
fn batches_spread_over_the_processes_and_those_of_a_killed_one_are_taken_over() {
    let database = Shared::find(Version::Newest).unwrap();
    let site = Site::new(database.schema());
    let url = database.url();
    let mut one = site.start(&url, &[]);
    let two = site.start(&url, &[]);
    let batches = submit(&one.client, 6, 250);
    // Whoever took more than its share gives the rest back.
    until("both work", || one.received() > 60 && two.received() > 60);
    let third = site.start(&url, &[]);
    until("the new one has its share", || third.received() > 20);
    let dead = one.claimed();

    one.process.kill9();
    let killed = Instant::now();
    let taken = || {
        let held: BTreeSet<String> = &two.claimed() | &third.claimed();
        dead.iter()
            .all(|id| held.contains(id) || status_of(&two.client.batch(id)) == "completed")
    };
    until("what the dead one had is taken over", taken);
    assert!(killed.elapsed() < LEASE + SLACK, "{:?}", killed.elapsed());
    check_all(&third.client, &batches);
    site.check_whole(&third);
    // Each batch of the dead one had no more than the places in flight, and two flushes unrecorded.
    let sent = one.received() + two.received() + third.received();
    let (lines, bound) = (6 * 250, dead.len() as u64 * (8 + 2 * 32));
    assert!((lines..=lines + bound).contains(&sent), "{sent} requests");
    for replica in [two, third] {
        replica.end();
    }
}

#[test]
fn a_process_that_was_stopped_beyond_its_lease_sends_nothing_when_it_goes_on() {
    let database = Shared::find(Version::Oldest).unwrap();
    let site = Site::new(database.schema());
    let url = database.url();
    let first = site.start(&url, &[]);
    let batches = submit(&first.client, 1, 400);
    until_all_claimed(&first, &batches);
    until("it sends", || first.received() > 40);
    let second = site.start(&url, &[]);

    first.process.signal("STOP");
    let stopped = Instant::now();
    until_all_claimed(&second, &batches);
    assert!(stopped.elapsed() < LEASE + SLACK, "{:?}", stopped.elapsed());
    // What it had sent has long been answered, and what was sent before it stopped has been read.
    until("nothing is in flight", || first.sim.stats().in_flight == 0);
    let before = first.received();
    first.process.signal("CONT");
    let (id, _) = &batches[0];
    until("it lets go of the batch", || {
        first.says("batch is let go of", id)
    });
    check_all(&second.client, &batches);
    site.check_whole(&second);
    assert_eq!(first.received(), before, "{}", first.process.stderr());
    until_it_works_again(&first, before);
    first.end();
    second.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_cut_off_from_the_database_stops_sending_and_goes_on_afterwards() {
    let mut database = Own::start(Version::Newest).unwrap();
    let proxy = FaultProxy::start(database.address()).await.unwrap();
    let site = Site::new("cut".to_owned());
    let far = site.start(&database.url_at(proxy.address()), &[]);
    let batches = submit(&far.client, 1, 600);
    until_all_claimed(&far, &batches);
    until("it sends", || far.received() > 40);
    let near = site.start(&database.url(), &[]);

    proxy.disturb(Fault::BlackHole);
    let cut = Instant::now();
    until_all_claimed(&near, &batches);
    assert!(cut.elapsed() < LEASE + SLACK, "{:?}", cut.elapsed());
    until("nothing is in flight", || far.sim.stats().in_flight == 0);
    let before = far.received();
    until("the other one sends", || near.received() > 100);
    assert_eq!(far.received(), before, "it sends for a lease that is over");
    proxy.disturb(Fault::None);

    // Meanwhile the database goes away for everybody.
    database.stop(Stop::Crash).unwrap();
    database.start_again().unwrap();
    check_all(&near.client, &batches);
    site.check_whole(&near);
    until_it_works_again(&far, before);
}

#[test]
fn a_fail_over_to_a_standby_is_a_pause_and_loses_nothing() {
    let (mut primary, standby) = Own::start_pair(Version::Oldest).unwrap();
    let (first, second) = (primary.address(), standby.address());
    let url = format!("postgres://postgres@{first},{second}/postgres");
    let site = Site::new("failed_over".to_owned());
    let (one, two) = (site.start(&url, &[]), site.start(&url, &[]));
    let batches = submit(&one.client, 4, 300);
    until("both work", || one.received() > 60 && two.received() > 60);
    let recorded = |id: &str| count_of(&one.client.batch(id), "completed");
    let before: Vec<u64> = batches.iter().map(|(id, _)| recorded(id)).collect();
    primary.stop(Stop::Crash).unwrap();
    // A client that asks meanwhile waits, whatever it asks for.
    let asked = {
        let (client, id) = (one.client.clone(), batches[0].0.clone());
        std::thread::spawn(move || client.get(&format!("/v1/batches/{id}")).status)
    };
    let brought = {
        let client = one.client.clone();
        std::thread::spawn(move || submit(&client, 1, 40))
    };
    standby.promote().unwrap();
    assert_eq!(asked.join().unwrap(), 200);
    let brought = brought.join().unwrap();
    for ((id, _), before) in batches.iter().zip(before) {
        assert!(recorded(id) >= before, "what was recorded is gone");
    }
    check_all(&two.client, &batches);
    check_all(&two.client, &brought);
    site.check_whole(&two);
    // Nobody renewed in the pause, so every batch may have been dropped and taken anew once.
    let (lines, bound) = (1_240, 5 * 2 * (8 + 2 * 32));
    let sent = one.received() + two.received();
    assert!((lines..=lines + bound).contains(&sent), "{sent} requests");
    one.end();
    two.end();
}

/// The machine of the primary is gone without a word: it takes connections, and answers nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_from_a_primary_that_falls_silent_is_a_pause_and_loses_nothing() {
    let (mut primary, standby) = Own::start_pair(Version::Newest).unwrap();
    let proxy = FaultProxy::start(primary.address()).await.unwrap();
    let (first, second) = (proxy.address(), standby.address());
    let url = format!("postgres://postgres@{first},{second}/postgres");
    let site = Site::new("silent".to_owned());
    let (one, two) = (site.start(&url, &[]), site.start(&url, &[]));
    let batches = submit(&one.client, 4, 300);
    until("both work", || one.received() > 60 && two.received() > 60);
    proxy.disturb(Fault::BlackHole);
    primary.stop(Stop::Crash).unwrap();
    // More clients than there are connections, and each finds its own silent.
    let asking: Vec<_> = (0..40)
        .map(|number| {
            let (client, id) = (one.client.clone(), batches[number % 4].0.clone());
            std::thread::spawn(move || client.get(&format!("/v1/batches/{id}")).status)
        })
        .collect();
    let brought = {
        let client = two.client.clone();
        std::thread::spawn(move || submit(&client, 1, 40))
    };
    standby.promote().unwrap();
    let answers: BTreeSet<u16> = asking
        .into_iter()
        .map(|asked| asked.join().unwrap())
        .collect();
    assert_eq!(answers, BTreeSet::from([200]));
    check_all(&two.client, &brought.join().unwrap());
    check_all(&two.client, &batches);
    site.check_whole(&two);
    one.end();
    two.end();
}

#[test]
fn a_cancel_reaches_the_worker_through_another_process() {
    let database = Shared::find(Version::Newest).unwrap();
    let site = Site::new(database.schema());
    let url = database.url();
    let api = site.start(&url, &["--api-only"]);
    let worker = site.start(&url, &["--worker-only"]);
    for (replica, role) in [(&api, "api"), (&worker, "worker")] {
        let ready = replica.client.get("/ready").json();
        assert_eq!(ready["role"], role);
        let metrics = replica.client.get("/metrics").text();
        let line = format!("overnight_process_info{{role=\"{role}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert_eq!(worker.client.get("/v1/batches").status, 404);
    let batches = submit(&api.client, 1, 2_000);
    let (id, lines) = &batches[0];
    until("it is worked on", || worker.received() > 40);
    api.client.cancel(id);
    let cancelled = Instant::now();
    let batch = api.client.until_status(id, "cancelled");
    // What was in flight took a tenth of a second to land, and the end as long to be written.
    assert!(
        cancelled.elapsed() < Duration::from_secs(2),
        "{:?}",
        cancelled.elapsed()
    );
    api.client.ended(&batch).check_each_once(lines.ids());
    assert_eq!(api.received(), 0, "it runs no batches");
    api.end();
    worker.end();
}

#[test]
fn a_rolling_restart_loses_nothing_and_sends_nothing_twice() {
    let database = Shared::find(Version::Oldest).unwrap();
    let site = Site::new(database.schema());
    let url = database.url();
    let (one, two) = (site.start(&url, &[]), site.start(&url, &[]));
    let batches = submit(&one.client, 4, 150);
    until("both work", || one.received() > 20 && two.received() > 20);
    let mut old = vec![one.end()];
    let three = site.start(&url, &[]);
    old.push(two.end());
    let four = site.start(&url, &[]);
    check_all(&three.client, &batches);
    site.check_whole(&three);
    let sent: u64 = old.iter().map(|sim| sim.stats().received).sum();
    let sent = sent + three.received() + four.received();
    assert_eq!(sent, 4 * 150, "a line was sent twice");
    assert!(
        three.received() > 0,
        "what a stopped one gave back is taken"
    );
    for (id, _) in &batches {
        assert_eq!(count_of(&three.client.batch(id), "completed"), 150);
    }
    three.end();
    four.end();
}
