//! The client's side of a batch: what is uploaded, asked and downloaded, and what must hold for
//! every batch that has ended, however it came to that.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::TestServer;
use crate::support::http::{self, Reply};

/// How long a test waits for something that should have happened long before.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The pause between two looks at something that changes.
const LOOK: Duration = Duration::from_millis(5);

/// The statuses that a batch ends in.
const ENDS: [&str; 4] = ["completed", "failed", "expired", "cancelled"];

/// Starts a server with this configuration, which is kept in the folder.
pub(crate) fn serve(folder: &Path, configuration: &str) -> TestServer {
    let path = folder.join("overnight.toml");
    std::fs::write(&path, configuration).unwrap();
    TestServer::start(|arguments| {
        arguments.extend(["--config".to_owned(), path.to_str().unwrap().to_owned()]);
    })
}

/// A client of one server, at one address.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base_url: String,
}

impl Client {
    /// A client of the server at `http://HOST:PORT`.
    pub(crate) fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
        }
    }

    /// The server's address: `http://HOST:PORT`.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> Reply {
        http::request(&self.base_url, "GET", path, &[], b"")
    }

    /// Posts JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        http::request(&self.base_url, "POST", path, &headers, body.as_bytes())
    }

    /// Uploads an input file, and answers its id.
    pub(crate) fn upload(&self, lines: &[u8]) -> String {
        const BOUNDARY: &str = "3b1f0f9a5c7e4d2b";
        let mut body = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
             --{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; \
             filename=\"in.jsonl\"\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(lines);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [("content-type", kind.as_str())];
        let reply = http::request(&self.base_url, "POST", "/v1/files", &headers, &body);
        id_of(&reply)
    }

    /// Creates a batch of chat completions with a window of `24h`, and answers its id.
    pub(crate) fn create(&self, file: &str) -> String {
        self.create_within(file, "24h")
    }

    /// Creates a batch of chat completions, and answers its id.
    pub(crate) fn create_within(&self, file: &str, window: &str) -> String {
        let spec = json!({
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": window,
        });
        id_of(&self.post("/v1/batches", &spec))
    }

    /// Uploads lines and creates a batch of them.
    pub(crate) fn submit(&self, lines: &[u8]) -> String {
        self.create(&self.upload(lines))
    }

    /// A batch as it is now.
    pub(crate) fn batch(&self, id: &str) -> Value {
        let reply = self.get(&format!("/v1/batches/{id}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Cancels a batch, and answers what it is then.
    pub(crate) fn cancel(&self, id: &str) -> Value {
        let reply = self.post(&format!("/v1/batches/{id}/cancel"), &json!({}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// The bytes of a file.
    pub(crate) fn content(&self, file: &str) -> Vec<u8> {
        let reply = self.get(&format!("/v1/files/{file}/content"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body
    }

    /// What is recorded so far of a batch's `output` or `error` file.
    pub(crate) fn results(&self, id: &str, file: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let offset = bytes.len();
            let path = format!("/v1/batches/{id}/results?file={file}&offset={offset}");
            let reply = self.get(&path);
            assert_eq!(reply.status, 200, "{}", reply.text());
            if reply.body.is_empty() {
                return bytes;
            }
            bytes.extend_from_slice(&reply.body);
        }
    }

    /// Waits until a batch satisfies something, and answers it.
    pub(crate) fn until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let batch = self.batch(id);
            if holds(&batch) {
                return batch;
            }
            assert!(
                Instant::now() < deadline,
                "in vain waited for {what}: {batch}"
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits until a batch has a status.
    pub(crate) fn until_status(&self, id: &str, status: &str) -> Value {
        self.until(id, status, |batch| {
            let present = status_of(batch);
            assert!(
                present == status || !ENDS.contains(&present),
                "it ended otherwise: {batch}"
            );
            present == status
        })
    }

    /// The two result files of a batch that has ended, checked against what the batch says.
    pub(crate) fn ended(&self, batch: &Value) -> Ended {
        let lines = |key: &str| match batch[key].as_str() {
            Some(file) => parse_lines(&self.content(file)),
            None => Vec::new(),
        };
        let ended = Ended {
            output: lines("output_file_id"),
            error: lines("error_file_id"),
        };
        ended.check(batch);
        ended
    }
}

fn id_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// The status of a batch.
pub(crate) fn status_of(batch: &Value) -> &str {
    batch["status"].as_str().unwrap()
}

/// One of a batch's `request_counts`.
pub(crate) fn count_of(batch: &Value, name: &str) -> u64 {
    batch["request_counts"][name].as_u64().unwrap()
}

/// Result lines, parsed.
pub(crate) fn parse_lines(bytes: &[u8]) -> Vec<Value> {
    assert!(
        bytes.is_empty() || bytes.ends_with(b"\n"),
        "a result file ends in the middle of a line"
    );
    serde_json::Deserializer::from_slice(bytes)
        .into_iter()
        .map(|line| line.unwrap())
        .collect()
}

/// What a batch that has ended left.
pub(crate) struct Ended {
    /// The lines of the output file.
    pub(crate) output: Vec<Value>,
    /// The lines of the error file.
    pub(crate) error: Vec<Value>,
}

impl Ended {
    /// Checks that counts and usage are what the files say, and that each file holds what it is for.
    fn check(&self, batch: &Value) {
        for line in &self.output {
            let status = line["response"]["status_code"].as_u64().unwrap();
            assert!((200..300).contains(&status), "no result: {line}");
            assert!(line["error"].is_null(), "{line}");
        }
        let unrun = |line: &&Value| {
            let code = line["error"]["code"].as_str().unwrap_or_default();
            ["batch_cancelled", "batch_expired"].contains(&code)
        };
        let failed = self.error.iter().filter(|line| !unrun(line)).count();
        assert_eq!(
            count_of(batch, "completed"),
            self.output.len() as u64,
            "{batch}"
        );
        assert_eq!(count_of(batch, "failed"), failed as u64, "{batch}");
        let total = self.output.len() + self.error.len();
        assert_eq!(count_of(batch, "total"), total as u64, "{batch}");
        for (name, theirs) in [
            ("input_tokens", "prompt_tokens"),
            ("output_tokens", "completion_tokens"),
            ("total_tokens", "total_tokens"),
        ] {
            let usage = |line: &Value| line["response"]["body"]["usage"][theirs].as_u64();
            let sum: u64 = self.output.iter().filter_map(usage).sum();
            assert_eq!(
                batch["usage"][name], sum,
                "the files' {theirs}, against: {batch}"
            );
        }
    }

    /// Checks that the two files together name each of these exactly once.
    pub(crate) fn check_each_once(&self, custom_ids: impl IntoIterator<Item = String>) {
        let mut left: BTreeMap<String, u32> = custom_ids.into_iter().map(|id| (id, 0)).collect();
        for line in self.output.iter().chain(&self.error) {
            let custom_id = line["custom_id"].as_str().unwrap();
            match left.get_mut(custom_id) {
                Some(times) => *times += 1,
                None => panic!("nobody asked for {custom_id:?}: {line}"),
            }
        }
        let wrong: Vec<_> = left.iter().filter(|(_, times)| **times != 1).collect();
        assert!(wrong.is_empty(), "not exactly once: {wrong:?}");
    }
}

/// Input lines, under construction: chat completions with a body that names its line, so that the
/// simulator's request log tells which line it saw.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// The part before the number in each `custom_id`.
    pub(crate) name: String,
    /// How many lines.
    pub(crate) count: usize,
    /// The model that they name.
    pub(crate) model: String,
    /// The tokens that each answer has.
    pub(crate) tokens: u32,
    /// How the simulator fails each attempt of each of them, if it does: `error`, `cut`, `garbage`.
    pub(crate) fault: Option<&'static str>,
}

impl Lines {
    /// So many lines for the model `sim`, `NAME-0` and so on, two tokens an answer.
    pub(crate) fn new(name: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            count,
            model: "sim".to_owned(),
            tokens: 2,
            fault: None,
        }
    }

    /// The same lines for another model.
    pub(crate) fn of_model(self, model: &str) -> Self {
        let model = model.to_owned();
        Self { model, ..self }
    }

    /// The same lines, which the simulator fails at every attempt.
    pub(crate) fn failing(self, fault: &'static str) -> Self {
        let fault = Some(fault);
        Self { fault, ..self }
    }

    /// Their `custom_id`s, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> + use<'_> {
        (0..self.count).map(|number| format!("{}-{number}", self.name))
    }

    /// Their `custom_id`s and bodies, in order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (String, String)> + use<'_> {
        let (model, tokens) = (&self.model, self.tokens);
        let fault = self
            .fault
            .map_or_else(String::new, |fault| format!(r#","fault":"{fault}""#));
        self.ids().map(move |id| {
            let body = format!(
                r#"{{"model":"{model}","max_tokens":{tokens},"metadata":{{"line":"{id}"{fault}}},"messages":[{{"role":"user","content":"hello from {id}"}}]}}"#
            );
            (id, body)
        })
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, body) in self.bodies() {
            bytes.extend_from_slice(&request_line(&id, &body));
        }
        bytes
    }
}

/// A line of a file that asks for a chat completion with this body.
pub(crate) fn request_line(custom_id: &str, body: &str) -> Vec<u8> {
    let line = format!(
        r#"{{"custom_id":"{custom_id}","method":"POST","url":"/v1/chat/completions","body":{body}}}"#
    );
    (line + "\n").into_bytes()
}

/// The lines of a simulator's request log.
pub(crate) fn read_log(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap();
    parse_lines(&bytes)
}

/// Numbers that look random, from a seed that is printed: the same seed gives the same numbers.
pub(crate) struct Random(u64);

impl Random {
    /// Takes the seed from the variable `ACCEPTANCE_SEED`, else a fresh one.
    pub(crate) fn seeded() -> Self {
        let given = std::env::var_os("ACCEPTANCE_SEED");
        let seed = match given.and_then(|seed| seed.to_str()?.parse().ok()) {
            Some(seed) => seed,
            None => RandomState::new().hash_one(std::process::id()),
        };
        println!("ACCEPTANCE_SEED={seed}");
        Self(seed)
    }

    /// A number of that range (`SplitMix64`).
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start + (mixed ^ (mixed >> 31)) % (range.end - range.start)
    }
}
