//! Files that come in parts: in memory that does not grow with them, and over a kill.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::common::serve;
use crate::support::http::{self, Reply};
use crate::support::{TestServer, until};
use crate::watch::MemoryWatch;

/// What the server may take, whatever the size of the file.
const MEMORY_MAX: u64 = 64_000_000;

/// What it may take besides for each part that it sends to a bucket just now.
const BUCKET_PART_MEMORY: u64 = 8 << 20;

/// The size of the file, unless the variable `UPLOAD_TEST_BYTES` says another.
const FILE_BYTES: u64 = 512 << 20;

/// The size of a part; the end of one is in the middle of a line, and often of a character.
const PART_BYTES: u64 = 16 << 20;

/// How many parts are sent at a time.
const SENDERS: usize = 4;

const CONFIGURATION: &str = "[[upstreams]]\nurl = \"sim\"\n";

#[test]
fn large_files_come_in_parts_in_flat_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), CONFIGURATION);
    let asked = std::env::var_os("UPLOAD_TEST_BYTES");
    let asked = asked.map_or(FILE_BYTES, |bytes| bytes.to_str().unwrap().parse().unwrap());
    let size = asked / LINE_BYTES * LINE_BYTES;
    let watch = MemoryWatch::start(server.pid);
    let upload = create(&server, size);
    let order = send_all(&server, &upload, size);
    let after_parts = watch.peak();
    let sum = md5_of(size);
    let completed = complete(&server, &upload, &json!({ "part_ids": order, "md5": sum }));
    assert_eq!(completed.status, 200, "{}", completed.text());
    let file = completed.json()["file"].clone();
    assert_eq!(file["bytes"], size);
    let after_completion = watch.peak();
    let (downloaded, found) = download(&server, file["id"].as_str().unwrap());
    assert_eq!((downloaded, found), (size, sum));
    let peak = watch.end();
    println!(
        "{size} bytes; peak of memory after the parts {after_parts}, after the completion \
         {after_completion}, after the download {peak} bytes"
    );
    let in_parts = SENDERS as u64 * BUCKET_PART_MEMORY;
    let memory_max = if server.keeps_all_in_its_folder() {
        MEMORY_MAX
    } else {
        MEMORY_MAX + in_parts
    };
    assert!(peak < memory_max, "RssAnon went up to {peak} bytes");
}

/// Sends the parts of a file, the last ones first, and answers their ids in the file's order.
fn send_all(server: &TestServer, upload: &str, size: u64) -> Vec<String> {
    let ranges: Vec<Range<u64>> = (0..size.div_ceil(PART_BYTES))
        .map(|part| part * PART_BYTES..((part + 1) * PART_BYTES).min(size))
        .collect();
    let mut parts: Vec<(u64, String)> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let own = ranges.iter().rev().skip(sender).step_by(SENDERS);
                scope.spawn(move || {
                    own.map(|range| (range.start, send(server, upload, &content(range.clone()))))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let sent = senders.into_iter().map(|sender| sender.join().unwrap());
        sent.flatten().collect()
    });
    parts.sort_unstable();
    parts.into_iter().map(|(_, id)| id).collect()
}

#[test]
fn an_upload_goes_on_where_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), CONFIGURATION);
    let blobs = server.folder.path().join("data");
    let size = 4096 * LINE_BYTES;
    let half = size / 2;
    let upload = create(&server, size);
    let second = send(&server, &upload, &content(half..size));
    let mut begun = connect(&server);
    let path = format!("/v1/uploads/{upload}/parts");
    let form = form(&content(0..half));
    let head = format!(
        "POST {path} HTTP/1.0\r\nhost: 127.0.0.1\r\ncontent-type: {FORM}\r\n\
         content-length: {}\r\n\r\n",
        form.len()
    );
    begun.write_all(head.as_bytes()).unwrap();
    begun.write_all(&form[..form.len() - 100]).unwrap();
    until("the part that is under way is on disk", || {
        files_in(&blobs, "files") == 2
    });
    server.kill9();
    server.restart();
    let first = send(&server, &upload, &content(0..half));
    let asked = json!({ "part_ids": [first, second], "md5": md5_of(size) });
    let completed = complete(&server, &upload, &asked);
    assert_eq!(completed.status, 200, "{}", completed.text());
    // The answer was lost in another kill, and the client asks again.
    server.kill9();
    server.restart();
    assert_eq!(complete(&server, &upload, &asked).body, completed.body);
    let id = completed.json()["file"]["id"].as_str().unwrap().to_owned();
    assert_eq!(download(&server, &id), (size, md5_of(size)));
    until("only the two parts are left on disk", || {
        files_in(&blobs, "files") == 2
    });
}

#[test]
fn a_request_under_an_idempotency_key_is_known_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), CONFIGURATION);
    let body = json!({
        "input_file_id": "file-missing",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    });
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "nightly-2026-11-22"),
    ];
    let post = |server: &TestServer| {
        let body = body.to_string();
        http::request(
            &server.base_url,
            "POST",
            "/v1/batches",
            &headers,
            body.as_bytes(),
        )
    };
    let first = post(&server);
    assert_eq!(first.status, 200, "{}", first.text());
    server.kill9();
    server.restart();
    let again = post(&server);
    assert_eq!(again.text(), first.text());
    let listed = server.get("/v1/batches").json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

// === The client ===

const BOUNDARY: &str = "3b1f0f9a5c7e4d2b";
const FORM: &str = "multipart/form-data; boundary=3b1f0f9a5c7e4d2b";

fn create(server: &TestServer, size: u64) -> String {
    let asked = json!({
        "bytes": size,
        "filename": "large.jsonl",
        "mime_type": "application/jsonl",
        "purpose": "batch",
    });
    id_of(&server.post("/v1/uploads", &asked))
}

fn send(server: &TestServer, upload: &str, data: &[u8]) -> String {
    let path = format!("/v1/uploads/{upload}/parts");
    let headers = [("content-type", FORM)];
    let reply = http::request(&server.base_url, "POST", &path, &headers, &form(data));
    id_of(&reply)
}

fn form(data: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"data\"; filename=\"part\"\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [head.as_bytes(), data, end.as_bytes()].concat()
}

fn complete(server: &TestServer, upload: &str, asked: &Value) -> Reply {
    server.post(&format!("/v1/uploads/{upload}/complete"), asked)
}

fn id_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.base_url.strip_prefix("http://").unwrap()).unwrap()
}

/// The size and the checksum of a file's bytes, which are not held.
fn download(server: &TestServer, file: &str) -> (u64, String) {
    let mut stream = connect(server);
    let request = format!("GET /v1/files/{file}/content HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert_eq!(head.split(' ').nth(1), Some("200"), "{head}");
    let mut sum = md5::Context::new();
    let mut size: u64 = 0;
    let mut piece = vec![0; 1 << 20];
    loop {
        let length = stream.read(&mut piece).unwrap();
        if length == 0 {
            return (size, format!("{:x}", sum.finalize()));
        }
        size += length as u64;
        sum.consume(&piece[..length]);
    }
}

/// How many files there are below the folder of that name, wherever that is.
fn files_in(folder: &Path, name: &str) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| {
            if path.ends_with(name) {
                std::fs::read_dir(&path).unwrap().count()
            } else {
                files_in(&path, name)
            }
        })
        .sum()
}

// === The file ===

/// The length of each line with its end: no part ends where a line does.
const LINE_BYTES: u64 = 1021;

/// A line of the file, of characters of one to four bytes.
fn line(number: u64) -> Vec<u8> {
    let mut line = format!(
        r#"{{"custom_id":"{number:012}","method":"POST","url":"/v1/chat/completions","body":{{"model":"sim","messages":[],"user":"é🌍"#
    )
    .into_bytes();
    let end = "\"}}\n";
    let length = usize::try_from(LINE_BYTES).unwrap() - end.len();
    let filling = "世".repeat((length - line.len()) / "世".len());
    line.extend_from_slice(filling.as_bytes());
    line.resize(length, b'x');
    line.extend_from_slice(end.as_bytes());
    line
}

/// Those bytes of the file.
fn content(range: Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let line = line(at / LINE_BYTES);
        let from = at % LINE_BYTES;
        let to = LINE_BYTES.min(from + (range.end - at));
        let [from, to] = [from, to].map(|place| usize::try_from(place).unwrap());
        bytes.extend_from_slice(&line[from..to]);
        at += (to - from) as u64;
    }
    bytes
}

/// The checksum of a file of that size.
fn md5_of(size: u64) -> String {
    let mut sum = md5::Context::new();
    let mut at = 0;
    while at < size {
        let end = (at + PART_BYTES).min(size);
        sum.consume(content(at..end));
        at = end;
    }
    format!("{:x}", sum.finalize())
}
