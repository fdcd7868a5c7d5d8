//! Clients that are slow on purpose, or connected and silent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::Client;
use crate::support::{Process, overnight, until};
use crate::wire::{Host, connect, open_form, rest, status, upload_head};

/// A server that soon loses its patience.
const HASTY: &str = "[timeouts]\nclient_head = \"2s\"\nclient_body = \"2s\"\n\
    client_idle = \"2s\"\nclient_read = \"2s\"\n";

/// How long another client may have to wait for its answer: the system sends a connection that it had no room for
/// again after a second, and once more after two.
const PROMPT: Duration = Duration::from_secs(5);

fn is_served_promptly(client: &Client) {
    let began = Instant::now();
    assert_eq!(client.get("/v1/batches").status, 200);
    assert!(began.elapsed() < PROMPT, "after {:?}", began.elapsed());
}

#[test]
fn slow_heads_and_slow_bodies_keep_nobody_out_and_end() {
    let host = Host::start(HASTY);
    let json = "POST /v1/batches HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n{";
    let beginnings = [
        Vec::new(),
        b"G".to_vec(),
        b"GET /v1/batches HTTP/1.1\r\nhost: local".to_vec(),
        // One byte of HTTP/2's first words, which come before any head.
        b"PRI * HTTP/2.0\r\n\r\nS".to_vec(),
        json.as_bytes().to_vec(),
    ];
    let form = open_form(b"filename=\"in.jsonl\"", b"{\"custom_id\":\"a\"");
    let upload = [upload_head(100_000).as_bytes(), &form].concat();
    // As many uploads as are received at a time, of which one client has half, and more JSON bodies than are worked on.
    let mut slow: Vec<TcpStream> = Vec::new();
    for (beginning, count) in beginnings
        .iter()
        .map(|beginning| (beginning, 80))
        .chain([(&upload, 64), (&json.as_bytes().to_vec(), 300)])
    {
        for _ in 0..count {
            let mut stream = host.connect();
            stream.write_all(beginning).unwrap();
            slow.push(stream);
        }
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        is_served_promptly(&host.client);
        for stream in &mut slow {
            // One that was closed meanwhile does not take it.
            let _ = stream.write_all(b" ");
        }
    }
    for stream in &mut slow {
        let answer = rest(stream);
        assert!(
            answer.is_empty() || matches!(status(&answer), 400 | 503),
            "{answer}"
        );
    }
    let ended = began.elapsed();
    assert!(ended < Duration::from_secs(20), "after {ended:?}");
    until("no blob stays", || host.blobs("files").is_empty());
    let file = host.client.upload(b"{}\n");
    assert!(file.starts_with("file-"));
}

#[test]
fn an_aborted_upload_leaves_no_blob() {
    /// Of the uploads below, those of which bytes reach the disk: the others are held until there are more.
    const BEGUN: usize = 1;
    let host = Host::start("");
    let lines = "{\"custom_id\":\"a\"}\n".repeat(100_000);
    let cuts = [0, 1, 150, 200, 70_000, 1_500_000];
    let begun = cuts.map(|cut| {
        let form = open_form(b"filename=\"in.jsonl\"", lines.as_bytes());
        let mut stream = host.connect();
        stream
            .write_all(upload_head(10_000_000).as_bytes())
            .unwrap();
        stream.write_all(&form[..cut]).unwrap();
        stream
    });
    // What there is to leave behind.
    until("blobs have begun", || host.blobs("").len() >= BEGUN);
    for (stream, cut) in begun.iter().zip(cuts) {
        if cut % 2 == 0 {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
    }
    drop(begun);
    until("no blob stays", || host.blobs("").is_empty());
    let listed = host.client.get("/v1/files").json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 0);
}

#[test]
fn an_answer_that_nobody_reads_ends_and_one_that_is_read_slowly_does_not() {
    let host = Host::start(HASTY);
    let file = host.client.upload(&b"{\"x\":1}\n".repeat(4_000_000));
    let get = format!("GET /v1/files/{file}/content HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut unread = host.connect();
    unread.write_all(get.as_bytes()).unwrap();
    let mut slowly = host.connect();
    slowly
        .write_all(
            get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .unwrap();
    let began = Instant::now();
    let mut received = 0;
    let mut piece = vec![0; 1 << 20];
    // Longer than the patience with who takes nothing.
    while began.elapsed() < Duration::from_secs(5) {
        received += slowly.read(&mut piece[..256 << 10]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    loop {
        match slowly.read(&mut piece).unwrap() {
            0 => break,
            more => received += more,
        }
    }
    assert!(received > 32_000_000, "it was cut after {received} bytes");
    let taken = rest(&mut unread).len();
    assert!(taken < 32_000_000, "it was handed out whole");
}

/// Whoever is connected and says nothing gives way to whoever does.
#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    const IDLE: usize = 10_000;
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum;
    assert!(
        maximum.is_none_or(|most| most > 12_000),
        "the test needs 12,000 descriptors, and may have {maximum:?}: raise `ulimit -Hn`"
    );
    let raised = Rlimit {
        current: Some(maximum.unwrap_or(20_000).min(20_000)),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .current_dir(folder.path())
        .args(["-ec", "ulimit -Sn 20000; exec \"$0\" \"$@\""])
        .arg(overnight(folder.path()).get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--upstream", "sim"])
        .env("OVERNIGHT_LIMITS__CONNECTIONS_MAX", "1000")
        .env("OVERNIGHT_TIMEOUTS__CLIENT_HEAD", "10m");
    let mut process = Process::start(command, folder.path());
    let line = process.first_line();
    let url = line.trim().strip_prefix("overnight is ready on ").unwrap();
    let client = Client::new(url);
    let mut idle = Vec::with_capacity(IDLE);
    for number in 0..IDLE {
        idle.push(connect(url));
        // Before the system's queue is full, which would make each further one wait for seconds.
        if number % 250 == 0 {
            is_served_promptly(&client);
        }
    }
    for _ in 0..20 {
        is_served_promptly(&client);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.pid))
        .unwrap()
        .count();
    assert!(open < 1200, "{open} descriptors are open");
    // The first ones gave way, and were told.
    assert_eq!(rest(&mut idle[0]), "");
}

#[test]
fn a_connection_that_sends_no_further_request_is_closed() {
    let host = Host::start(HASTY);
    let mut stream = host.connect();
    let get = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(get).unwrap();
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
    let began = Instant::now();
    assert_eq!(rest(&mut stream), "");
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(1), "after {waited:?}");
}
