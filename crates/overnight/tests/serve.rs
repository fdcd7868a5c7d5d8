//! The life of a server: its start, what can be in its way, and its end.

#![cfg(test)]

mod support;

use std::fs;
use std::net::TcpListener;

use support::{TestServer, check_code, overnight, stderr_of};

#[test]
fn a_server_tells_its_address_and_ends_well_when_asked() {
    let mut server = TestServer::with_sim();
    assert!(
        server.base_url.starts_with("http://127.0.0.1:"),
        "{}",
        server.base_url
    );
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/ready").status, 200);
    assert!(server.get("/metrics").text().contains("# EOF"));
    assert_eq!(
        server.sigterm().code(),
        Some(0),
        "{}",
        server.process().stderr()
    );
}

#[test]
fn the_simulators_models_are_listed() {
    let server = TestServer::with_sim();
    support::until("the model is listed", || {
        let models = server.get("/v1/models").json();
        models["data"]
            .as_array()
            .is_some_and(|list| list.iter().any(|model| model["id"] == "sim"))
    });
}

#[test]
fn a_server_starts_again_after_it_was_killed() {
    let mut server = TestServer::with_sim();
    let before = server.pid;
    server.kill9();
    server.restart();
    assert_ne!(server.pid, before);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--upstream", "sim", "--listen", &address];
    let output = overnight(folder.path()).args(arguments).output().unwrap();
    check_code(&output, 1);
    let stderr = stderr_of(&output);
    assert!(
        stderr.contains(&format!("another process listens on {address}")),
        "{stderr}"
    );
    assert!(
        !folder.path().join("overnight-data").exists(),
        "nothing is left behind"
    );
}

#[test]
fn a_second_process_on_the_same_data_folder_is_refused_and_told_which_the_first_is() {
    let server = TestServer::with_sim();
    let folder = server.folder.path();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "sim",
        "--data",
        "data",
    ];
    let output = overnight(folder).args(arguments).output().unwrap();
    check_code(&output, 1);
    let stderr = stderr_of(&output);
    assert!(
        stderr.contains(&format!("in use by another process ({})", server.pid)),
        "{stderr}"
    );
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "sim",
        "--data",
        "file/data",
    ];
    let output = overnight(folder.path()).args(arguments).output().unwrap();
    check_code(&output, 1);
    let stderr = stderr_of(&output);
    assert!(
        stderr.contains("the data folder file/data cannot be written"),
        "{stderr}"
    );
}

#[test]
fn a_page_of_another_site_is_refused_on_loopback() {
    let server = TestServer::with_sim();
    let headers = [("origin", "http://evil.example")];
    let reply = support::http::request(&server.base_url, "GET", "/v1/files", &headers, b"");
    assert_eq!(reply.status, 403);
}

#[test]
fn the_log_can_be_json() {
    let mut server = TestServer::start(|arguments| {
        let more = ["--upstream", "sim", "--log-format", "json"];
        arguments.extend(more.map(str::to_owned));
    });
    assert_eq!(server.sigterm().code(), Some(0));
    let log = server.process().stderr();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
}
