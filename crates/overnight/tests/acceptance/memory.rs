//! How much memory the server takes while large bodies go out and large answers come in, as many at
//! a time as it may have.

use std::fmt::Write as _;
use std::io::{BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use std::{io, thread};

use tokio::time::Instant;

use crate::common::{Client, count_of, request_line, serve, status_of};
use crate::watch::{MemoryWatch, SAMPLE};

/// What the server may take besides what its settings give to answers.
const OWN_BYTES: u64 = 50_000_000;

/// What answers may take: `memory.answers`, at its default.
const ANSWER_BYTES: u64 = 64 << 20;

/// The size of a body, and that of an answer.
const LARGE: usize = 4 << 20;

/// Requests that are in flight at a time.
const IN_FLIGHT: usize = 256;

/// Batches of one file, and its lines: more than can be in flight.
const BATCHES: usize = 4;
const LINES: usize = 75;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(10);

#[test]
fn memory_stays_flat_with_hundreds_of_large_bodies_and_answers_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = LargeUpstream::start();
    let server = serve(
        folder.path(),
        &format!(
            "limits = {{ file_bytes_max = 0, line_bytes_max = \"8MiB\" }}\n\
             [[upstreams]]\nurl = \"http://{}\"\nmodels = [\"large\"]\ngauges = false\n\
             limit = {IN_FLIGHT}\n",
            upstream.address
        ),
    );
    let watch = MemoryWatch::start(server.pid);
    let client = Client::new(&server.base_url);
    let file = client.upload(&large_lines());
    let after_upload = watch.peak();
    let batches: Vec<String> = (0..BATCHES).map(|_| client.create(&file)).collect();
    let deadline = Instant::now() + PATIENCE;
    for id in &batches {
        let batch = loop {
            let batch = client.batch(id);
            if status_of(&batch) == "completed" {
                break batch;
            }
            assert!(Instant::now() < deadline, "it takes too long: {batch}");
            thread::sleep(SAMPLE);
        };
        assert_eq!(count_of(&batch, "completed"), LINES as u64, "{batch}");
    }
    let peak = watch.end();
    println!("peak after the upload {after_upload}, at the end {peak} bytes");
    assert_eq!(upstream.room.peak(), IN_FLIGHT, "in flight at a time");
    assert!(
        peak < OWN_BYTES + ANSWER_BYTES,
        "RssAnon went up to {peak} bytes"
    );
    check_results(&client, &batches);
}

/// Checks that each batch has every answer once, whole, one batch at a time in this process.
fn check_results(client: &Client, batches: &[String]) {
    for id in batches {
        let output = client.batch(id)["output_file_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let content = client.content(&output);
        let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), LINES);
        let mut left: Vec<String> = (0..LINES).map(custom_id).collect();
        for line in lines {
            let end = &line[line.len().saturating_sub(200)..];
            assert!(line.len() > LARGE, "{}", String::from_utf8_lossy(end));
            let start = String::from_utf8_lossy(&line[..200]).into_owned();
            left.retain(|id| !start.contains(&format!("\"custom_id\":\"{id}\"")));
        }
        assert!(left.is_empty(), "no result for {left:?}");
    }
}

fn custom_id(number: usize) -> String {
    format!("large-{number}")
}

fn large_lines() -> Vec<u8> {
    let content = "i".repeat(LARGE);
    let mut bytes = Vec::new();
    for number in 0..LINES {
        let body =
            format!(r#"{{"model":"large","messages":[{{"role":"user","content":"{content}"}}]}}"#);
        bytes.extend_from_slice(&request_line(&custom_id(number), &body));
    }
    bytes
}

/// A server that answers large requests with large answers: none before as many are in flight as
/// the test wants, then all of them.
struct LargeUpstream {
    address: std::net::SocketAddr,
    room: Arc<Room>,
}

/// What the connections share.
struct Room {
    answer: Vec<u8>,
    counts: Mutex<Counts>,
    full: Condvar,
}

#[derive(Default)]
struct Counts {
    now: usize,
    peak: usize,
}

impl LargeUpstream {
    /// Listens until the test's process ends.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let room = Arc::new(Room {
            answer: large_answer(),
            counts: Mutex::default(),
            full: Condvar::new(),
        });
        thread::spawn({
            let room = Arc::clone(&room);
            move || {
                for stream in listener.incoming() {
                    let (stream, room) = (stream.unwrap(), Arc::clone(&room));
                    // It ends with an error when the other side closes, which is how it is to end.
                    thread::spawn(move || room.serve(&stream));
                }
            }
        });
        Self { address, room }
    }
}

fn large_answer() -> Vec<u8> {
    let content = "o".repeat(LARGE);
    let body = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"large","choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#
    );
    let mut answer = String::from("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    write!(answer, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    answer.into_bytes()
}

impl Room {
    fn peak(&self) -> usize {
        self.counts.lock().unwrap().peak
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut requests = BufReader::new(stream);
        loop {
            let (first, length) = read_head(&mut requests)?;
            io::copy(&mut (&mut requests).take(length), &mut io::sink())?;
            if first.starts_with("POST ") {
                self.enter();
                let sent = (&*stream).write_all(&self.answer);
                self.counts.lock().unwrap().now -= 1;
                sent?;
            } else {
                (&*stream).write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
            }
        }
    }

    /// Waits until there were as many as there may be.
    fn enter(&self) {
        let mut counts = self.counts.lock().unwrap();
        counts.now += 1;
        counts.peak = counts.peak.max(counts.now);
        self.full.notify_all();
        drop(
            self.full
                .wait_while(counts, |counts| counts.peak < IN_FLIGHT),
        );
    }
}

/// The first line of a request's head, and the length of its body.
fn read_head(requests: &mut impl io::BufRead) -> io::Result<(String, u64)> {
    let (mut first, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((first.unwrap_or_default(), length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        first.get_or_insert_with(|| line.to_owned());
    }
}
