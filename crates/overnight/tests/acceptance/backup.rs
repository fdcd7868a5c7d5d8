//! A backup is taken while the server works, and what is made of it goes on where it was.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Client, Lines, Random, count_of, serve};
use crate::support::{Process, TestServer, check_code, http, overnight};

/// The lines of each batch.
const LINES: usize = 1_500;

/// Runs a command of the binary in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    overnight(folder).args(arguments).output().unwrap()
}

/// A server whose simulator takes its time.
fn server(folder: &Path) -> TestServer {
    serve(
        folder,
        "upstreams = [\"sim\"]\n[sim]\nslots = 16\nttft_ms = 15\ntpot_ms = 1\n",
    )
}

/// Batches that run, and one that has ended and whose input is deleted.
fn at_work(server: &TestServer) -> Vec<(String, Lines)> {
    let client = Client::new(&server.base_url);
    let small = Lines::new("small", 3);
    let ended = client.submit(&small.bytes());
    let ended = client.until_status(&ended, "completed");
    let batches: Vec<(String, Lines)> = (0..3)
        .map(|n| {
            let lines = Lines::new(&format!("b{n}"), LINES);
            (client.submit(&lines.bytes()), lines)
        })
        .collect();
    for (id, _) in &batches {
        client.until(id, "some lines are done", |batch| {
            count_of(batch, "completed") > 50
        });
    }
    let file = ended["input_file_id"].as_str().unwrap();
    delete(server, file);
    delete(server, ended["output_file_id"].as_str().unwrap());
    batches
}

fn delete(server: &TestServer, file: &str) {
    let path = format!("/v1/files/{file}");
    let reply = http::request(&server.base_url, "DELETE", &path, &[], b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_backup_of_a_working_server_is_brought_back_and_goes_on() {
    let configured = tempfile::tempdir().unwrap();
    let mut server = server(configured.path());
    let folder = server.folder.path().to_owned();
    let batches = at_work(&server);
    let backup = ["backup", "--data", "data", "--to", "backup", "--json"];
    let first = run(&folder, &backup);
    check_code(&first, 0);
    let second = run(&folder, &backup);
    check_code(&second, 0);
    let (first, second) = (json_of(&first), json_of(&second));
    let count = |taken: &Value, name: &str| taken[name].as_u64().unwrap();
    assert_eq!(count(&first, "new_blobs"), count(&first, "blobs"));
    assert!(
        count(&second, "new_blobs") < count(&second, "blobs"),
        "{second}"
    );

    // Nobody verifies what a server works on.
    let busy = run(&folder, &["verify", "--data", "data"]);
    check_code(&busy, 1);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use by another process"));
    server.kill9();
    fs::rename(folder.join("data"), folder.join("lost")).unwrap();

    let address = ["--listen", "127.0.0.1:0", "--upstream", "sim"];
    let served = run(
        &folder,
        &[&["serve", "--data", "backup"][..], &address].concat(),
    );
    check_code(&served, 1);
    assert!(String::from_utf8_lossy(&served.stderr).contains("backup is a backup"));
    check_code(&run(&folder, &["verify", "--data", "backup"]), 0);
    check_code(
        &run(&folder, &["restore", "--from", "backup", "--data", "data"]),
        0,
    );
    let again = run(&folder, &["restore", "--from", "backup", "--data", "data"]);
    check_code(&again, 1);
    check_code(&run(&folder, &["verify", "--data", "data"]), 0);

    server.restart();
    let client = Client::new(&server.base_url);
    for (id, lines) in &batches {
        let batch = client.until_status(id, "completed");
        client.ended(&batch).check_each_once(lines.ids());
    }
    assert!(server.sigterm().success());
    let verified = run(&folder, &["verify", "--data", "data", "--json"]);
    check_code(&verified, 0);
    let text = String::from_utf8(verified.stdout).unwrap();
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["errors"], 0);
    assert_eq!(summary["summary"]["batches"], 4);
}

#[test]
fn a_backup_that_is_killed_leaves_the_one_before_and_the_server_at_work() {
    let mut random = Random::seeded();
    let configured = tempfile::tempdir().unwrap();
    let server = server(configured.path());
    let folder = server.folder.path().to_owned();
    let batches = at_work(&server);
    let backup = ["backup", "--data", "data", "--to", "backup"];
    check_code(&run(&folder, &backup), 0);
    for _ in 0..4 {
        let mut command = overnight(&folder);
        command.args(backup);
        let mut process = Process::start(command, &folder);
        thread::sleep(Duration::from_millis(random.within(5..80)));
        process.kill9();
        check_code(&run(&folder, &["verify", "--data", "backup"]), 0);
    }
    let client = Client::new(&server.base_url);
    for (id, lines) in &batches {
        let batch = client.until_status(id, "completed");
        client.ended(&batch).check_each_once(lines.ids());
    }
    check_code(&run(&folder, &backup), 0);
    check_code(&run(&folder, &["verify", "--data", "backup"]), 0);
}
