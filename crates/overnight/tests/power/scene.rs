//! What is recorded: a server that works under `strace`, and the one client that uses it, through
//! two lives of the process, both of which end suddenly.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::strace::{Event, FLAGS, Reader};
use crate::support::{self, Process, TestSim, http, input, until};

/// Something that a client was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A file is there, and these are its bytes.
    File(String, Vec<u8>),
    /// A file is deleted.
    Deleted(String),
    /// A batch is there, with this status and so many lines completed and failed.
    Batch(String, String, [u64; 2]),
}

/// So many uploads are more than the database's log has room for.
const UPLOADS_MAX: usize = 500;

/// A fact, and how many answers the client had with the one that told it.
pub(crate) type Told = (usize, Fact);

/// What was recorded.
pub(crate) struct Record {
    pub(crate) events: Vec<Event>,
    pub(crate) journal: Vec<Told>,
    /// A time of day, in seconds, after everything that happened.
    pub(crate) after: u64,
}

/// Plays the scene in an empty folder, and reads what was recorded.
pub(crate) fn record(folder: &Path) -> Record {
    let root = folder.join("recorded");
    fs::create_dir(&root).unwrap();
    let root = root.canonicalize().unwrap();
    let sim = TestSim::start(
        folder,
        &["--ttft-ms", "15", "--tpot-ms", "0", "--slots", "8"],
    );
    let mut client = Client {
        database: root.join("data/overnight.db"),
        ..Client::default()
    };
    let mut traces = Vec::new();
    let lives: [fn(&mut Client); 2] = [first_life, second_life];
    for (life, number) in lives.into_iter().zip(1..) {
        let trace = folder.join(format!("trace-{number}"));
        let server = Traced::start(folder, &root.join("data"), &sim.url, &trace);
        client.base_url.clone_from(&server.base_url);
        life(&mut client);
        drop(server);
        traces.push(fs::read_to_string(&trace).unwrap());
    }
    let mut reader = Reader::new(&root);
    for trace in &traces {
        reader.read(trace);
    }
    let events = reader.into_events();
    let answers = events.iter().filter(|event| **event == Event::Answer);
    assert_eq!(answers.count(), client.answers, "answers in the record");
    Record {
        events,
        journal: client.journal,
        after: client.newest + 60,
    }
}

/// A server under `strace`.
struct Traced {
    /// That is `strace`; the number is the server's.
    process: Process,
    base_url: String,
}

impl Traced {
    fn start(folder: &Path, data: &Path, upstream: &str, trace: &Path) -> Self {
        let binary = support::overnight(folder);
        let mut command = Command::new("strace");
        command.args(FLAGS).arg("--output").arg(trace);
        command.arg(binary.get_program()).current_dir(folder);
        for (name, value) in binary.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", upstream]);
        command.arg("--data").arg(data);
        let mut process = Process::start(command, folder);
        let line = process.first_line();
        let base_url = line.trim().strip_prefix("overnight is ready on ").unwrap();
        // Whoever holds the data folder says which process it is.
        let holder = fs::read_to_string(data.join("lock")).unwrap();
        process.pid = holder.trim().parse().unwrap();
        Self {
            process,
            base_url: base_url.to_owned(),
        }
    }
}

impl Drop for Traced {
    /// Ends the server suddenly; the record is whole when `strace` has ended, too.
    fn drop(&mut self) {
        if self.process.is_running() {
            self.process.signal("KILL");
            self.process.wait();
        }
    }
}

fn first_life(client: &mut Client) {
    // The big one is of more than one piece, so that it is not put whole.
    let (big, small, slow) = (
        client.upload(&lines(12, 100_000)),
        client.upload(&lines(200, 0)),
        client.upload(&lines(150, 0)),
    );
    let (big, small) = (client.batch(&big), client.batch(&small));
    client.until(&big, |batch| batch["status"] == "completed");
    let slow = client.batch(&slow);
    client.until(&slow, |batch| count(batch, "completed") >= 8);
    client.call("POST", &format!("/v1/batches/{slow}/cancel"), b"");
    client.look(&slow);
    client.until(&slow, |batch| batch["status"] == "cancelled");
    client.until(&small, |batch| batch["status"] == "completed");
    for batch in [&big, &small, &slow] {
        client.read_results(batch);
    }
    let unused: Vec<String> = (0..3).map(|_| client.upload(&lines(2, 0))).collect();
    for file in &unused {
        client.delete(file);
    }
    let cut_off = client.upload(&lines(150, 0));
    let cut_off = client.batch(&cut_off);
    client.until(&cut_off, |batch| count(batch, "completed") >= 20);
}

fn second_life(client: &mut Client) {
    // Commits, until the database takes over what its log holds.
    let changed = |client: &Client| fs::metadata(&client.database).unwrap().modified().unwrap();
    let before = changed(client);
    let mut files = Vec::new();
    while changed(client) == before {
        assert!(files.len() < UPLOADS_MAX, "the log is never taken over");
        files.push(client.upload(&lines(1 + files.len() % 3, 0)));
    }
    for number in 0..10 {
        files.push(client.upload(&lines(1 + number % 3, 0)));
    }
    for file in files.iter().step_by(7) {
        client.delete(file);
    }
    let batches = client.batches.clone();
    client.until(&batches[3], |batch| batch["status"] == "completed");
    client.read_results(&batches[3]);
    let results = client.look(&batches[1]);
    client.delete(results["output_file_id"].as_str().unwrap());
    let last = client.upload(&lines(100, 0));
    let last = client.batch(&last);
    client.until(&last, |batch| count(batch, "completed") >= 10);
}

/// So many lines, each with so much to say.
fn lines(count: usize, padding: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let mut line = input::chat_line(&format!("line-{number}"));
        if padding > 0 {
            line["body"]["messages"][0]["content"] = json!("x".repeat(padding));
        }
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn count(batch: &Value, key: &str) -> u64 {
    batch["request_counts"][key].as_u64().unwrap()
}

/// Asks one thing after another, and notes what it is told.
#[derive(Default)]
struct Client {
    base_url: String,
    /// The server's, to see when it is written.
    database: PathBuf,
    answers: usize,
    journal: Vec<Told>,
    batches: Vec<String>,
    newest: u64,
}

impl Client {
    fn call(&mut self, method: &str, path: &str, body: &[u8]) -> http::Reply {
        self.send(method, path, "application/json", body)
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> http::Reply {
        let headers = [("content-type", kind)];
        let reply = http::request(&self.base_url, method, path, &headers, body);
        self.answers += 1;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        reply
    }

    fn told(&mut self, fact: Fact) {
        self.journal.push((self.answers, fact));
    }

    fn upload(&mut self, lines: &str) -> String {
        let disposition = "content-disposition: form-data; name=";
        let form = format!(
            "--bound\r\n{disposition}\"purpose\"\r\n\r\nbatch\r\n\
             --bound\r\n{disposition}\"file\"; filename=\"in.jsonl\"\r\n\r\n\
             {lines}\r\n--bound--\r\n"
        );
        let kind = "multipart/form-data; boundary=bound";
        let file = self.send("POST", "/v1/files", kind, form.as_bytes()).json();
        self.newest = file["created_at"].as_u64().unwrap();
        let id = file["id"].as_str().unwrap().to_owned();
        self.told(Fact::File(id.clone(), lines.as_bytes().to_vec()));
        id
    }

    fn delete(&mut self, file: &str) {
        self.call("DELETE", &format!("/v1/files/{file}"), b"");
        self.told(Fact::Deleted(file.to_owned()));
    }

    fn batch(&mut self, file: &str) -> String {
        let asked = json!({
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        });
        let asked = asked.to_string();
        let batch = self.call("POST", "/v1/batches", asked.as_bytes()).json();
        self.saw(&batch);
        let id = batch["id"].as_str().unwrap().to_owned();
        self.batches.push(id.clone());
        id
    }

    fn look(&mut self, batch: &str) -> Value {
        let path = format!("/v1/batches/{batch}");
        let batch = self.call("GET", &path, b"").json();
        self.saw(&batch);
        batch
    }

    fn saw(&mut self, batch: &Value) {
        let text = |key: &str| batch[key].as_str().unwrap().to_owned();
        let counts = [count(batch, "completed"), count(batch, "failed")];
        self.told(Fact::Batch(text("id"), text("status"), counts));
    }

    fn until(&mut self, batch: &str, holds: impl Fn(&Value) -> bool) {
        until("a batch to get on", || {
            // A client that asks without a pause would fill the record.
            std::thread::sleep(std::time::Duration::from_millis(20));
            holds(&self.look(batch))
        });
    }

    fn read_results(&mut self, batch: &str) {
        let batch = self.look(batch);
        for key in ["output_file_id", "error_file_id"] {
            if let Some(file) = batch[key].as_str() {
                let path = format!("/v1/files/{file}/content");
                let bytes = self.call("GET", &path, b"").body;
                self.told(Fact::File(file.to_owned(), bytes));
            }
        }
    }
}
