//! Clients that do what clients do, and go on when the server was killed under them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::input::chat_line;

/// How long a client tries to get an answer, and waits for the end of a batch.
const PATIENCE: Duration = Duration::from_mins(3);

/// The statuses that a batch ends in.
const ENDS: [&str; 4] = ["completed", "failed", "expired", "cancelled"];

/// What came of the batches.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    statuses: BTreeMap<String, u64>,
    lines: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// How many batches ended.
    pub(crate) fn batches(&self) -> u64 {
        self.statuses.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batches: {:?}; lines: {:?}", self.statuses, self.lines)
    }
}

/// A client.
pub(crate) struct Client {
    host: String,
    number: u64,
}

impl Client {
    /// The client of that number.
    pub(crate) fn new(base_url: &str, number: u64) -> Self {
        Self {
            host: base_url.strip_prefix("http://").unwrap().to_owned(),
            number,
        }
    }

    /// Makes one batch after the other, each with a fate of its own, and checks each of them.
    pub(crate) fn make_batches(&self, stop: &AtomicBool, tally: &Mutex<Tally>) {
        let mut made = 0_u64;
        while !stop.load(Ordering::SeqCst) {
            let draw = (made * 7 + self.number * 3) % 12;
            let lines = [1, 5, 40, 150, 600][usize::try_from((made + self.number) % 5).unwrap()];
            let key = format!("soak-{}-{made}", self.number);
            let input = self.upload(&input(&key, lines, made));
            let window = if draw == 1 { "2s" } else { "24h" };
            let batch = self.create(&input, window, &key);
            match draw {
                2 | 3 => drop(self.post(&format!("/v1/batches/{batch}/cancel"), "{}")),
                4 | 5 => drop(self.ask("DELETE", &format!("/v1/files/{input}"), &[], b"")),
                _ => {}
            }
            let ended = self.until_ended(&batch);
            self.check(&ended, &key, lines, tally);
            if draw > 6 {
                for file in ["output_file_id", "error_file_id", "input_file_id"] {
                    if let Some(file) = ended[file].as_str() {
                        self.ask("DELETE", &format!("/v1/files/{file}"), &[], b"");
                    }
                }
            }
            made += 1;
        }
    }

    /// Asks for everything that can be asked for.
    pub(crate) fn look_around(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            for path in [
                "/v1/files?limit=50",
                "/v1/batches?limit=20",
                "/v1/models",
                "/metrics",
            ] {
                let (status, _) = self.ask("GET", path, &[], b"");
                assert_eq!(status, 200, "{path}");
            }
            let (_, listed) = self.ask("GET", "/v1/files?limit=3", &[], b"");
            let listed: Value = serde_json::from_slice(&listed).unwrap();
            for file in listed["data"].as_array().unwrap() {
                let id = file["id"].as_str().unwrap();
                // It may be deleted meanwhile.
                self.ask("GET", &format!("/v1/files/{id}/content"), &[], b"");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn upload(&self, bytes: &[u8]) -> String {
        let mut form = b"--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n"
            .to_vec();
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n--B--\r\n");
        let kind = [("content-type", "multipart/form-data; boundary=B")];
        let (status, body) = self.ask("POST", "/v1/files", &kind, &form);
        id(status, &body)
    }

    /// Under a key, so that asking again after a kill makes no second batch.
    fn create(&self, input: &str, window: &str, key: &str) -> String {
        let spec = json!({
            "input_file_id": input,
            "endpoint": "/v1/chat/completions",
            "completion_window": window,
        });
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = spec.to_string();
        let (status, body) = self.ask("POST", "/v1/batches", &headers, body.as_bytes());
        id(status, &body)
    }

    fn post(&self, path: &str, json: &str) -> (u16, Vec<u8>) {
        let headers = [("content-type", "application/json")];
        self.ask("POST", path, &headers, json.as_bytes())
    }

    fn until_ended(&self, batch: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.ask("GET", &format!("/v1/batches/{batch}"), &[], b"");
            assert_eq!(status, 200);
            let found: Value = serde_json::from_slice(&body).unwrap();
            if ENDS.contains(&found["status"].as_str().unwrap()) {
                return found;
            }
            assert!(Instant::now() < deadline, "it does not end: {found}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks that each line ended once, and that counts are what the files say.
    fn check(&self, batch: &Value, key: &str, lines: usize, tally: &Mutex<Tally>) {
        let mut left: BTreeMap<String, u32> = (0..lines)
            .map(|line| (format!("{key}-{line}"), 0))
            .collect();
        let mut counted = BTreeMap::new();
        for (file, field) in [("output", "output_file_id"), ("error", "error_file_id")] {
            let Some(id) = batch[field].as_str() else {
                continue;
            };
            let (status, bytes) = self.ask("GET", &format!("/v1/files/{id}/content"), &[], b"");
            assert_eq!(status, 200, "{batch}");
            for line in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>() {
                let line = line.unwrap();
                let custom_id = line["custom_id"].as_str().unwrap();
                *left
                    .get_mut(custom_id)
                    .unwrap_or_else(|| panic!("nobody asked for {line}")) += 1;
                let unrun = line["error"]["code"]
                    .as_str()
                    .is_some_and(|code| code.starts_with("batch_"));
                *counted
                    .entry(if unrun { "unrun" } else { file })
                    .or_insert(0_u64) += 1;
            }
        }
        let status = batch["status"].as_str().unwrap();
        let never_began = batch["output_file_id"].is_null() && batch["error_file_id"].is_null();
        assert!(
            never_began || left.values().all(|times| *times == 1),
            "{left:?}: {batch}"
        );
        // One that ended before it was validated has no files; one whose input was gone by then fails.
        let why = batch["errors"]["data"][0]["message"]
            .as_str()
            .unwrap_or_default();
        let is_explained = match status {
            "failed" => why.starts_with("Cannot find file"),
            other => ["cancelled", "expired"].contains(&other),
        };
        assert!(!never_began || is_explained, "{batch}");
        for (name, file) in [("completed", "output"), ("failed", "error")] {
            let count = counted.get(file).copied().unwrap_or(0);
            assert_eq!(batch["request_counts"][name], count, "{batch}");
        }
        let mut tally = tally.lock().unwrap();
        *tally.statuses.entry(status.to_owned()).or_default() += 1;
        for (file, count) in counted {
            *tally.lines.entry(file).or_default() += count;
        }
    }

    /// Asks until there is a whole answer that is not "try again".
    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why = match self.ask_once(method, path, headers, body) {
                Ok((status, answer)) if status < 500 && status != 409 => return (status, answer),
                Ok((status, answer)) => format!("{status}: {}", String::from_utf8_lossy(&answer)),
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < deadline, "{method} {path}: {why}");
            // A cancel that came too late.
            if why.starts_with("409") && path.ends_with("/cancel") {
                return (409, Vec::new());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask_once(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let headers: String = headers.iter().fold(String::new(), |all, (name, value)| {
            format!("{all}{name}: {value}\r\n")
        });
        let (host, length) = (&self.host, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = answer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .ok_or_else(cut)?;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let body = answer[end + 4..].to_vec();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length
            .and_then(|length| length.parse().ok())
            .ok_or_else(cut)?;
        if body.len() < length {
            return Err(cut());
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(cut)?, body))
    }
}

fn id(status: u16, body: &[u8]) -> String {
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
    let json: Value = serde_json::from_slice(body).unwrap();
    json["id"].as_str().unwrap().to_owned()
}

/// So many lines, for one model or for two.
fn input(key: &str, lines: usize, made: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..lines {
        let mut line = chat_line(&format!("{key}-{number}"));
        let is_beta = made.is_multiple_of(3) && number % 2 == 0;
        line["body"]["model"] = json!(if is_beta { "beta" } else { "alpha" });
        line["body"]["max_tokens"] = json!(1 + number % 20);
        bytes.extend_from_slice(line.to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}
