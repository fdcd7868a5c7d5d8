//! The life of a server: its start, what can be in its way, and its end.

#![cfg(test)]

mod support;

use std::fs;
use std::net::TcpListener;

use overnight_testkit::postgres::{Shared, Version};
use serde_json::json;
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

/// The metadata is in a schema of its own, and the data folder holds the blobs alone.
#[test]
fn a_batch_runs_with_its_metadata_in_postgresql() {
    let database = Shared::find(Version::Oldest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overnight.toml");
    let text = format!("[postgres]\nschema = \"{}\"\n", database.schema());
    fs::write(&config, text).unwrap();
    let (url, config) = (database.url(), config.display().to_string());
    let mut server = TestServer::start(|arguments| {
        let more = ["--upstream", "sim", "--store", &url, "--config", &config];
        arguments.extend(more.map(str::to_owned));
    });
    let file = upload(&server, 20);
    let order = json!({
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    });
    let batch = server.post("/v1/batches", &order).json();
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    support::until("the batch is completed", || {
        server.get(&path).json()["status"] == "completed"
    });
    let ended = server.get(&path).json();
    assert_eq!(ended["request_counts"]["completed"], 20);
    let output = ended["output_file_id"].as_str().unwrap().to_owned();
    let content = format!("/v1/files/{output}/content");
    let lines = server.get(&content).text();
    assert_eq!(lines.lines().count(), 20);

    server.kill9();
    assert!(!server.folder.path().join("data/overnight.db").exists());
    server.restart();
    assert_eq!(server.get(&path).json(), ended);
    assert_eq!(server.get(&content).text(), lines);
}

/// Uploads a file of so many lines, and gives its id.
fn upload(server: &TestServer, lines: usize) -> String {
    let boundary = "----overnight";
    let lines: Vec<String> = (0..lines)
        .map(|number| support::input::chat_line(&format!("line-{number}")).to_string())
        .collect();
    let form = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; \
         filename=\"in.jsonl\"\r\n\r\n{}\r\n--{boundary}--\r\n",
        lines.join("\n")
    );
    let form_type = format!("multipart/form-data; boundary={boundary}");
    let headers = [("content-type", form_type.as_str())];
    let url = &server.base_url;
    let reply = support::http::request(url, "POST", "/v1/files", &headers, form.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}
