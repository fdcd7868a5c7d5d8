//! Fifty thousand lines, some of which fail: every line ends in exactly one of the two result files,
//! and what the batch says of itself is what its files say.

#![cfg(test)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{TestServer, http};
use tokio::time::Instant;

const LINES: usize = 50_000;

/// How long the batch may take, of which a slow machine needs a part.
const PATIENCE: Duration = Duration::from_mins(5);

/// A line in so many is refused by the engine, for good.
const REFUSED_EVERY: usize = 250;

/// A line in so many meets a server error at every attempt.
const BROKEN_EVERY: usize = 2_500;

/// How a line is to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Answered,
    Refused,
    Broken,
}

fn end(number: usize) -> End {
    if number % BROKEN_EVERY == BROKEN_EVERY / 2 {
        End::Broken
    } else if number % REFUSED_EVERY == REFUSED_EVERY / 2 {
        End::Refused
    } else {
        End::Answered
    }
}

fn line(number: usize) -> Value {
    let mut body = json!({
        "model": "sim",
        "messages": [{ "role": "user", "content": format!("hello from line {number}") }],
        "max_tokens": 1 + number % 4,
    });
    match end(number) {
        End::Answered => {}
        End::Refused => body["max_tokens"] = json!(-1),
        End::Broken => body["metadata"] = json!({ "fault": "error" }),
    }
    let custom_id = format!("line-{number}");
    json!({ "custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body })
}

/// A server on a simulator that answers as fast as it can, and fails two attempts in a hundred.
fn start() -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overnight.toml");
    let settings = "[sim]\nttft_ms = 0\ntpot_ms = 0\nslots = 256\nfaults = { error = 0.02 }\n";
    fs::write(&config, settings).unwrap();
    TestServer::start(|arguments| {
        let more = ["--upstream", "sim", "--config", &config.to_string_lossy()];
        arguments.extend(more.map(str::to_owned));
    })
}

/// Uploads so many lines, and gives the file's id.
fn upload(server: &TestServer, lines: usize) -> String {
    let boundary = "----overnight";
    let disposition = "content-disposition: form-data; name=";
    let mut form = Vec::new();
    write!(
        form,
        "--{boundary}\r\n{disposition}\"purpose\"\r\n\r\nbatch\r\n\
         --{boundary}\r\n{disposition}\"file\"; filename=\"in.jsonl\"\r\n\r\n"
    )
    .unwrap();
    for number in 0..lines {
        writeln!(form, "{}", line(number)).unwrap();
    }
    write!(form, "\r\n--{boundary}--\r\n").unwrap();
    let form_type = format!("multipart/form-data; boundary={boundary}");
    let headers = [("content-type", form_type.as_str())];
    let reply = http::request(&server.base_url, "POST", "/v1/files", &headers, &form);
    assert_eq!(reply.status, 200, "{}", reply.text());
    text(&reply.json(), "id")
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

fn count(batch: &Value, key: &str) -> usize {
    let count = batch["request_counts"][key].as_u64().unwrap();
    usize::try_from(count).unwrap()
}

/// Waits for the batch's end, with an eye on its counts, which never go back.
fn until_ended(server: &TestServer, batch_id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = (0, 0);
    loop {
        let batch = server.get(&format!("/v1/batches/{batch_id}")).json();
        let now = (count(&batch, "completed"), count(&batch, "failed"));
        assert!(now.0 >= seen.0 && now.1 >= seen.1, "{now:?} after {seen:?}");
        seen = now;
        if text(&batch, "status") == "completed" {
            return batch;
        }
        assert!(Instant::now() < deadline, "it does not end: {batch}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The lines of a result file.
fn results(server: &TestServer, batch: &Value, file: &str) -> Vec<Value> {
    let content = server.get(&format!("/v1/files/{}/content", text(batch, file)));
    assert_eq!(content.status, 200);
    let lines = content.text();
    assert!(lines.ends_with('\n'));
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn status(result: &Value) -> u64 {
    result["response"]["status_code"].as_u64().unwrap()
}

/// How the results of both files say that each line ended.
fn ends(output: &[Value], errors: &[Value]) -> HashMap<String, End> {
    let answered = output.iter().map(|result| {
        assert_eq!(status(result), 200);
        (text(result, "custom_id"), End::Answered)
    });
    let failed = errors.iter().map(|result| {
        let end = match status(result) {
            400 => End::Refused,
            500 => End::Broken,
            other => panic!("status {other}: {result}"),
        };
        (text(result, "custom_id"), end)
    });
    answered.chain(failed).collect()
}

fn usage_sum(output: &[Value], key: &str) -> u64 {
    let usages = output
        .iter()
        .map(|result| &result["response"]["body"]["usage"]);
    usages.map(|usage| usage[key].as_u64().unwrap()).sum()
}

#[test]
fn every_line_ends_once_and_the_batch_tells_what_its_files_tell() {
    let server = start();
    let spec = json!({
        "input_file_id": upload(&server, LINES),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    });
    let created = server.post("/v1/batches", &spec);
    assert_eq!(created.status, 200, "{}", created.text());
    let batch = until_ended(&server, &text(&created.json(), "id"));

    let output = results(&server, &batch, "output_file_id");
    let errors = results(&server, &batch, "error_file_id");
    assert_eq!(
        output.len() + errors.len(),
        LINES,
        "some line is there twice, or not at all"
    );
    let ends = ends(&output, &errors);
    for number in 0..LINES {
        let found = ends.get(&format!("line-{number}"));
        assert_eq!(found, Some(&end(number)), "line {number}");
    }

    assert_eq!(count(&batch, "total"), LINES);
    assert_eq!(count(&batch, "completed"), output.len());
    assert_eq!(count(&batch, "failed"), errors.len());
    let usage = &batch["usage"];
    assert_eq!(usage["input_tokens"], usage_sum(&output, "prompt_tokens"));
    assert_eq!(
        usage["output_tokens"],
        usage_sum(&output, "completion_tokens")
    );
    assert_eq!(usage["total_tokens"], usage_sum(&output, "total_tokens"));
}
