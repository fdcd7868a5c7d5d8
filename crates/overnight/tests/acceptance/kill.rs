//! The server is killed at any instant of its life, again and again, as a power cut would: nothing
//! is lost, nothing is doubled, nothing that a client was told is taken back, and only little is
//! sent again. The upstream is a process of its own, and its log is the witness.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::common::{Client, Lines, PATIENCE, Random, count_of, read_log, status_of};
use crate::support::{Process, TestSim, overnight};

/// The upstream's time for a request, give or take a fifth.
const UPSTREAM_MS: usize = 20;

/// How long a flush may take here; it is a few milliseconds on a disk that nobody else uses.
const FLUSH_MS: usize = 100;

/// The lines of one batch that a kill may cause to be sent again: those in flight, two times what a
/// flush takes at least, and what is completed while a flush lasts.
const fn sent_again_max(in_flight: usize) -> usize {
    let flush = if in_flight > 32 { in_flight } else { 32 };
    in_flight + 2 * flush + FLUSH_MS * in_flight / (UPSTREAM_MS * 4 / 5)
}

/// Fewer lines than these must not be left when a kill at random is to hit work.
const WORK_MIN: u64 = 1_500;

/// The lines of a batch that is killed while it works.
const WORK: usize = 2_500;

/// The lines of a batch that takes long to be validated, and long to be cancelled.
const LONG: usize = 50_000;

/// The order that the statuses of a batch come in.
const ORDER: [&str; 8] = [
    "validating",
    "in_progress",
    "cancelling",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelled",
];

#[test]
fn a_kill_at_any_instant_loses_and_doubles_nothing_and_takes_nothing_back() {
    let mut case = Case::new(16);
    case.start();
    for _ in 0..3 {
        case.submit(WORK, "24h");
    }
    let long = case.submit(LONG, "24h");
    case.kill_while_validating(long);
    case.kill_while_cancelling(long);
    case.kill_blindly(10, 5..150);
    case.kill_while_finalizing();
    case.kill_at_work(10, 50..900);
    case.kill_before_the_end(3);
    case.check_all(20);
}

#[test]
fn a_batch_of_fifty_thousand_lines_is_killed_again_and_again_until_it_completes() {
    let mut case = Case::new(64);
    case.start();
    let place = case.submit(LONG, "24h");
    while case.batches[place].left() > 0 {
        let left = case.batches[place].left();
        let goal = left.saturating_sub(LONG as u64 / 15);
        case.look_for("some thousand lines", |batches| {
            batches[place].left() <= goal
        });
        case.kill("work");
        case.start();
    }
    case.check_all(10);
}

/// A batch, and what the client was told of it so far.
struct Submitted {
    id: String,
    lines: Lines,
    window: &'static str,
    is_cancelled: bool,
    last: Value,
    /// The bytes of its output that were seen before the last kill.
    output: Vec<u8>,
}

impl Submitted {
    fn is_open(&self) -> bool {
        self.last["output_file_id"].is_null() && self.last["error_file_id"].is_null()
    }

    fn left(&self) -> u64 {
        if !self.is_open() {
            return 0;
        }
        let done = count_of(&self.last, "completed") + count_of(&self.last, "failed");
        (self.lines.count as u64).saturating_sub(done)
    }

    /// Takes what the client is told, which must not be less than what it was told before.
    fn told(&mut self, batch: Value) {
        let rank = |batch: &Value| ORDER.iter().position(|status| *status == status_of(batch));
        let (before, now) = (&self.last, &batch);
        assert!(
            rank(now) >= rank(before),
            "the status went back: {before} -> {now}"
        );
        for name in ["total", "completed", "failed"] {
            assert!(
                count_of(now, name) >= count_of(before, name),
                "{name} went back: {before} -> {now}"
            );
        }
        for name in ["input_tokens", "output_tokens"] {
            assert!(
                now["usage"][name].as_u64() >= before["usage"][name].as_u64(),
                "{name} went back: {before} -> {now}"
            );
        }
        self.last = batch;
    }
}

struct Case {
    /// Requests in flight at a time, over all batches: the upstream's slots and the server's limit.
    in_flight: usize,
    folder: TempDir,
    sim: TestSim,
    random: Random,
    process: Option<Process>,
    client: Option<Client>,
    batches: Vec<Submitted>,
    /// How many kills there were, by what the batch that mattered was doing.
    kills: BTreeMap<String, usize>,
    /// How many requests the upstream had received at each kill.
    received: Vec<u64>,
}

impl Case {
    fn new(in_flight: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (slots, ttft) = (in_flight.to_string(), UPSTREAM_MS.to_string());
        let flags = ["--slots", &slots, "--ttft-ms", &ttft, "--tpot-ms", "0"];
        let sim = TestSim::start(folder.path(), &flags);
        let configuration = format!(
            "listen = \"127.0.0.1:0\"\n\
             data = \"data\"\n\
             windows = [\"24h\", \"2s\"]\n\
             [log]\nlevel = \"warn\"\n\
             [[upstreams]]\nurl = \"{}\"\nlimit = {in_flight}\n",
            sim.url
        );
        std::fs::write(folder.path().join("overnight.toml"), configuration).unwrap();
        Self {
            in_flight,
            folder,
            sim,
            random: Random::seeded(),
            process: None,
            client: None,
            batches: Vec::new(),
            kills: BTreeMap::new(),
            received: Vec::new(),
        }
    }

    fn spawn(&self) -> Process {
        let mut command = overnight(self.folder.path());
        command.arg("serve");
        Process::start(command, self.folder.path())
    }

    /// Starts the server and waits until it is ready. What it says then is not less than before.
    fn start(&mut self) {
        let mut process = self.spawn();
        let line = process.first_line();
        let url = line.trim().rsplit(' ').next().unwrap();
        self.client = Some(Client::new(url));
        self.process = Some(process);
        self.look();
    }

    fn client(&self) -> Client {
        self.client.clone().unwrap()
    }

    /// Submits a batch, and answers its place.
    fn submit(&mut self, count: usize, window: &'static str) -> usize {
        let place = self.batches.len();
        let lines = Lines::new(&format!("b{place}"), count);
        let client = self.client();
        let id = client.create_within(&client.upload(&lines.bytes()), window);
        let last = client.batch(&id);
        self.batches.push(Submitted {
            id,
            lines,
            window,
            is_cancelled: false,
            last,
            output: Vec::new(),
        });
        place
    }

    /// Asks for every batch that was open.
    fn look(&mut self) {
        let client = self.client();
        for batch in self.batches.iter_mut().filter(|batch| batch.is_open()) {
            batch.told(client.batch(&batch.id));
        }
    }

    fn look_until(&mut self, instant: Instant) {
        loop {
            self.look();
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(2)));
        }
    }

    /// Looks until a batch is what it has to be.
    fn look_for(&mut self, what: &str, holds: impl Fn(&[Submitted]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.batches) {
            assert!(Instant::now() < deadline, "in vain waited for {what}");
            thread::sleep(Duration::from_millis(1));
            self.look();
        }
    }

    fn random_ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.random.within(range))
    }

    /// Kills the server, and notes at what.
    fn kill(&mut self, at: &str) {
        let mut process = self.process.take().unwrap();
        process.kill9();
        assert_eq!(process.stderr(), "", "it found fault with what it met");
        self.client = None;
        *self.kills.entry(at.to_owned()).or_default() += 1;
        let received = Client::new(&self.sim.url).get("/sim/stats").json()["received"].as_u64();
        self.received.push(received.unwrap());
    }

    /// Notes which bytes of the results a client has read.
    fn read_results(&mut self) {
        let client = self.client();
        for batch in &mut self.batches {
            let output = client.results(&batch.id, "output");
            assert!(output.starts_with(&batch.output), "recorded bytes changed");
            batch.output = output;
        }
    }

    /// Kills while the server looks for damage and goes on, without asking it anything.
    fn kill_blindly(&mut self, times: usize, after_ms: Range<u64>) {
        self.kill("between");
        for _ in 0..times {
            let began = Instant::now();
            self.process = Some(self.spawn());
            let instant = began + self.random_ms(after_ms.clone());
            thread::sleep(instant.saturating_duration_since(Instant::now()));
            self.kill("start");
        }
        self.start();
    }

    fn kill_while_validating(&mut self, place: usize) {
        for _ in 0..3 {
            let pause = self.random_ms(0..150);
            if status_of(&self.batches[place].last) == "validating" && self.missing("validating") {
                // The first one comes at once, so that it cannot be too late.
                self.kill("validating");
            } else {
                self.look_until(Instant::now() + pause);
                let at = status_of(&self.batches[place].last).to_owned();
                self.kill(&at);
            }
            self.start();
        }
        assert!(!self.missing("validating"), "{:?}", self.kills);
    }

    fn missing(&self, at: &str) -> bool {
        !self.kills.contains_key(at)
    }

    fn kill_while_cancelling(&mut self, place: usize) {
        self.look_for("lines of the long batch", |batches| {
            count_of(&batches[place].last, "completed") > 0
        });
        let cancelled = self.client().cancel(&self.batches[place].id);
        assert_eq!(status_of(&cancelled), "cancelling");
        self.batches[place].told(cancelled);
        self.batches[place].is_cancelled = true;
        for round in 0..4 {
            let pause = self.random_ms(0..100) * round;
            self.look_until(Instant::now() + pause);
            let at = status_of(&self.batches[place].last).to_owned();
            self.kill(&at);
            self.start();
        }
        assert!(!self.missing("cancelling"), "{:?}", self.kills);
    }

    /// A batch is finalizing for a moment only, so it may take some to see one.
    fn kill_while_finalizing(&mut self) {
        for _ in 0..5 {
            let place = self.submit(WORK, "2s");
            self.look_for("the deadline", |batches| {
                ["finalizing", "expired"].contains(&status_of(&batches[place].last))
            });
            let at = status_of(&self.batches[place].last).to_owned();
            self.kill(&at);
            self.kill_blindly_again(20..120);
            if !self.missing("finalizing") {
                return;
            }
        }
        panic!("no batch was seen finalizing: {:?}", self.kills);
    }

    fn kill_blindly_again(&mut self, after_ms: Range<u64>) {
        self.process = Some(self.spawn());
        let pause = self.random_ms(after_ms);
        thread::sleep(pause);
        self.kill("start");
        self.start();
    }

    fn kill_at_work(&mut self, times: usize, after_ms: Range<u64>) {
        for _ in 0..times {
            if self.batches.iter().map(Submitted::left).sum::<u64>() < WORK_MIN {
                self.submit(WORK, "24h");
            }
            let instant = Instant::now() + self.random_ms(after_ms.clone());
            self.look_until(instant);
            self.read_results();
            self.kill("work");
            self.start();
        }
    }

    /// Kills when few lines of a batch are left, or none: around its last flush and its seal.
    fn kill_before_the_end(&mut self, times: usize) {
        for _ in 0..times {
            let place = self.submit(WORK / 10, "24h");
            self.look_for("the last lines", |batches| batches[place].left() < 40);
            let pause = self.random_ms(0..60);
            thread::sleep(pause);
            self.kill("end");
            self.start();
        }
    }

    /// Waits for the end of every batch, and checks all of it.
    fn check_all(&mut self, kills_min: usize) {
        let kills: usize = self.kills.values().sum();
        println!("kills: {kills}, at: {:?}", self.kills);
        assert!(kills >= kills_min);
        self.look_for("the end", |batches| !batches.iter().any(Submitted::is_open));
        // Without its upstream it would find fault with that.
        assert_eq!(self.process.as_ref().unwrap().stderr(), "");
        self.sim.process().signal("TERM");
        self.sim.process().wait();
        let log = Log::read(&self.folder.path().join("sim.log"), &self.received);
        let client = self.client();
        for batch in &self.batches {
            let ended = client.ended(&batch.last);
            ended.check_each_once(batch.lines.ids());
            let output = client.results(&batch.id, "output");
            assert!(output.starts_with(&batch.output), "recorded bytes changed");
            if status_of(&batch.last) == "completed" {
                assert!(ended.error.is_empty(), "{:?}", ended.error.first());
            }
            let expected = match (batch.window, batch.lines.count) {
                ("24h", _) if batch.is_cancelled => "cancelled",
                ("24h", _) => "completed",
                _ => "expired",
            };
            assert_eq!(status_of(&batch.last), expected);
            log.check(batch, &ended.output, sent_again_max(self.in_flight));
        }
    }
}

/// What the upstream has seen of a line, in order.
struct Seen {
    /// The hash of the body.
    hash: String,
    /// Which life of the server it came in; each but the last was ended by a kill.
    life: usize,
}

/// What the upstream has seen, by line.
struct Log {
    lines: BTreeMap<String, Vec<Seen>>,
}

impl Log {
    /// Reads the log of an upstream that had received so many requests at each kill.
    fn read(path: &Path, received: &[u64]) -> Self {
        let mut lines: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        let mut requests = read_log(path);
        // A request is logged when it ends, and numbered when it comes.
        requests.sort_by_key(|request| request["seq"].as_u64());
        for request in requests {
            let seq = request["seq"].as_u64().unwrap();
            let life = received.partition_point(|received| *received <= seq);
            let hash = request["hash"].as_str().unwrap().to_owned();
            let line = request["line"].as_str().unwrap().to_owned();
            lines.entry(line).or_default().push(Seen { hash, life });
        }
        Self { lines }
    }

    /// Checks that every line with a result was sent, its body being what the file has, and that no
    /// kill made more lines be sent again than it may.
    fn check(&self, batch: &Submitted, results: &[Value], sent_again_max: usize) {
        let mut again: BTreeMap<usize, usize> = BTreeMap::new();
        for (id, body) in batch.lines.bodies() {
            let seen = self.lines.get(&id).map_or(&[][..], Vec::as_slice);
            let expected = format!("{:016x}", xxh3_64(body.as_bytes()));
            assert!(
                seen.iter().all(|seen| seen.hash == expected),
                "the body of {id} was changed"
            );
            // What came of a request that was followed by another was lost when its life ended.
            for (lost, _) in seen.iter().zip(seen.iter().skip(1)) {
                *again.entry(lost.life).or_default() += 1;
            }
        }
        for result in results {
            let id = result["custom_id"].as_str().unwrap();
            assert!(self.lines.contains_key(id), "{id} was never sent");
        }
        let (most, sum) = (again.values().max(), again.values().sum::<usize>());
        println!(
            "{} {}: {} results, {sum} sent again after {} kills, at most {most:?} a kill (may be {sent_again_max})",
            batch.lines.name,
            status_of(&batch.last),
            results.len(),
            again.len(),
        );
        assert!(
            most.is_none_or(|most| *most <= sent_again_max),
            "sent again, by kill: {again:?}"
        );
    }
}
