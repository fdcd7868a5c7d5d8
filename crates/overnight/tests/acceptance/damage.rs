//! What is damaged on the disk is found, named and survived as far as it can be.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::common::{Client, Lines};
use crate::support::{Process, TestServer, check_code, http, overnight, until};

const LINES: usize = 2_000;

/// What happens to a database, in a word and in deed.
type Damage = (&'static str, fn(&Path));

/// Starts a server that is expected not to start, and answers what it says.
fn refused(folder: &Path) -> String {
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "sim",
        "--data",
        "data",
    ];
    let mut command = overnight(folder);
    command.args(serve);
    let mut process = Process::start(command, folder);
    assert_eq!(process.wait().code(), Some(1), "{}", process.stderr());
    process.stderr()
}

/// A server with a batch that has ended, which was stopped. Its database is one file: the backup was
/// the last to close it, and left no log of changes.
fn with_batch() -> (TestServer, String, Lines) {
    let mut server = TestServer::with_sim();
    let lines = Lines::new("l", LINES);
    let client = Client::new(&server.base_url);
    let id = client.submit(&lines.bytes());
    let batch = client.until_status(&id, "completed");
    client.ended(&batch).check_each_once(lines.ids());
    assert!(server.sigterm().success());
    let folder = server.folder.path();
    let backup = ["backup", "--data", "data", "--to", "backup"];
    check_code(&overnight(folder).args(backup).output().unwrap(), 0);
    assert!(!folder.join("data/overnight.db-wal").exists());
    (server, id, lines)
}

/// Overwrites what is behind the first page, which says that it is a database.
fn overwrite(path: &Path) {
    let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&vec![0xa5; length - 4096], 4096).unwrap();
}

#[test]
fn a_damaged_database_is_not_served_and_what_to_do_is_said() {
    let (mut server, id, lines) = with_batch();
    let folder = server.folder.path().to_owned();
    let database = folder.join("data/overnight.db");
    let whole = fs::read(&database).unwrap();
    let damages: [Damage; 3] = [
        ("pages", overwrite),
        ("the end", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("the header", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[0x5a; 100], 0).unwrap();
        }),
    ];
    for (what, damage) in damages {
        fs::write(&database, &whole).unwrap();
        damage(&database);
        let before = fs::read(&database).unwrap();
        let said = refused(&folder);
        for words in [
            "overnight.db is damaged",
            "overnight verify --data",
            "overnight restore",
        ] {
            assert!(said.contains(words), "{what}: {said}");
        }
        assert!(
            fs::read(&database).unwrap() == before,
            "{what}: it was changed"
        );
        let verified = overnight(&folder)
            .args(["verify", "--data", "data"])
            .output()
            .unwrap();
        check_code(&verified, 1);
    }

    // Without its database, the blobs are no leftovers.
    fs::remove_file(&database).unwrap();
    let said = refused(&folder);
    assert!(said.contains("still holds what it named"), "{said}");

    // What is no log of changes is passed over.
    fs::write(&database, &whole).unwrap();
    fs::write(folder.join("data/overnight.db-wal"), vec![0x5a; 100_000]).unwrap();
    server.restart();
    let client = Client::new(&server.base_url);
    client
        .ended(&client.batch(&id))
        .check_each_once(lines.ids());
}

#[test]
fn a_database_that_is_damaged_at_work_ends_the_server() {
    let (mut server, _, _) = with_batch();
    server.restart();
    overwrite(&server.folder.path().join("data/overnight.db"));
    let host = server.base_url.strip_prefix("http://").unwrap().to_owned();
    let ask = || {
        let mut stream = TcpStream::connect(&host)?;
        let body = r#"{"purpose":"batch","filename":"a","bytes":9,"mime_type":"text/jsonl"}"#;
        let length = body.len();
        let request = format!(
            "POST /v1/uploads HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut Vec::new())
    };
    let process: &mut Process = server.process();
    until("the server ends", || {
        // Whatever is answered: the server finds out, now or at its own next look.
        let _ = ask();
        !process.is_running()
    });
    assert_eq!(process.wait().code(), Some(1));
    let said = process.stderr();
    for words in [
        "cannot be trusted any more",
        "overnight verify --data",
        "overnight restore",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

/// The largest blob below a folder.
fn largest(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    found.into_iter().max().unwrap().1
}

fn quarantined(server: &TestServer) -> bool {
    let metrics = server.get("/metrics").text();
    metrics.contains("\novernight_quarantined_blobs 1\n")
}

#[test]
fn a_damaged_result_is_never_handed_out_as_a_whole_and_is_named() {
    let (mut server, id, lines) = with_batch();
    let folder = server.folder.path().to_owned();
    let blob = largest(&folder.join("data/blobs/segments"));
    let whole = fs::read(&blob).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    fs::write(&blob, altered).unwrap();
    server.restart();
    let client = Client::new(&server.base_url);
    let batch = client.batch(&id);
    let output = batch["output_file_id"].as_str().unwrap();
    let path = format!("/v1/files/{output}/content");
    let reply = http::request(&server.base_url, "GET", &path, &[], b"");
    let length = reply
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let is_cut = length.is_some_and(|length| reply.body.len() < length.parse().unwrap());
    assert!(reply.status == 500 || is_cut, "{}", reply.head);
    // What was handed out cannot be completed by ranges, wherever in the blob they begin and end.
    let cut_at = if is_cut { reply.body.len() } else { 0 };
    for (start, end) in [(0, None), (1, None), (1, Some(100)), (100, Some(200))] {
        let end = end.map_or(String::new(), |end: usize| (cut_at + end).to_string());
        let range = format!("bytes={}-{end}", cut_at + start);
        let headers = [("range", range.as_str())];
        let reply = http::request(&server.base_url, "GET", &path, &headers, b"");
        assert_eq!(reply.status, 500, "{range}: {}", reply.head);
    }
    let input = batch["input_file_id"].as_str().unwrap();
    assert!(
        client.content(input) == lines.bytes(),
        "the other files go on"
    );
    until("the blob is counted", || quarantined(&server));
    let name = blob.file_name().unwrap().to_string_lossy().into_owned();
    let said = server.process().stderr();
    assert!(
        said.contains(&name) && said.contains("put in quarantine"),
        "{said}"
    );

    assert!(server.sigterm().success());
    let verify = ["verify", "--data", "data"];
    let verified = overnight(&folder).args(verify).output().unwrap();
    check_code(&verified, 1);
    let found = String::from_utf8(verified.stdout).unwrap();
    assert!(
        found
            .lines()
            .any(|line| line.starts_with("error: segments/") && line.contains(&name))
    );

    // Somebody puts it back.
    fs::write(&blob, whole).unwrap();
    server.restart();
    until("the blob is counted no more", || !quarantined(&server));
    let client = Client::new(&server.base_url);
    client.ended(&batch).check_each_once(lines.ids());
    assert!(server.sigterm().success());
    check_code(&overnight(&folder).args(verify).output().unwrap(), 0);
}
