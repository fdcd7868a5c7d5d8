//! Pausing, retrying, checking, finding and deleting batches.

use overnight_core::outcome::LineError;
use overnight_store::status::{BatchProgress, LimitedBy, Pace};

use super::worked::{End, Worked, input};
use super::*;

fn refused(message: impl Into<String>) -> End {
    End::Refused(400, message.into())
}

/// Four lines: 1 was answered, 2 and 3 failed for one cause, 4 never ran.
async fn ended(server: &Server) -> Worked {
    let batch = Worked::start(server, &input(4)).await;
    let ends = [
        (3, refused("no 3")),
        (1, End::Text("one")),
        (4, End::Error(LineError::Expired)),
        (2, refused("no 2")),
    ];
    batch.record(server, &ends).await;
    batch.seal(server).await;
    batch
}

async fn text_of(server: &Server, batch: &Value) -> String {
    let file = batch["input_file_id"].as_str().expect("a file");
    let content = server.get(&format!("/v1/files/{file}/content")).await;
    content.text().to_owned()
}

fn lines(numbers: &[usize]) -> String {
    let all = input(4);
    let all: Vec<&str> = all.split_inclusive('\n').collect();
    numbers.iter().map(|number| all[number - 1]).collect()
}

#[tokio::test]
async fn failed_lines_are_retried_as_a_linked_batch_byte_for_byte() {
    let server = Server::new();
    let old = ended(&server).await;
    let path = format!("/v1/batches/{}/retry", old.id);
    let before = server.get(&format!("/v1/batches/{}", old.id)).await;
    let retried = server.post(&path, "").await;
    assert_eq!(retried.status, 200, "{}", retried.text());
    let new = retried.json();
    assert_eq!(
        (&new["status"], &new["endpoint"]),
        (&"validating".into(), &"/v1/chat/completions".into())
    );
    assert_eq!(text_of(&server, &new).await, lines(&[2, 3, 4]));
    let file = new["input_file_id"].as_str().expect("a file");
    let file = server.get(&format!("/v1/files/{file}")).await.json();
    assert_eq!(
        (&file["filename"], &file["purpose"]),
        (&"in-retry.jsonl".into(), &"batch".into())
    );

    let after = server.get(&format!("/v1/batches/{}", old.id)).await;
    assert_eq!(after.text(), before.text(), "the old one is not touched");
    let of_old = old.get(&server, "progress").await.json();
    assert_eq!(
        (&of_old["children"], &of_old["parent"]),
        (&serde_json::json!([new["id"]]), &Value::Null)
    );
    let id = new["id"].as_str().expect("an id");
    let of_new = server
        .get(&format!("/v1/batches/{id}/progress"))
        .await
        .json();
    assert_eq!(
        (&of_new["parent"], &of_new["children"]),
        (&old.id.as_str().into(), &serde_json::json!([]))
    );
}

#[tokio::test]
async fn one_cause_is_retried_with_other_values_in_the_bodies() {
    let server = Server::new();
    let old = ended(&server).await;
    let path = format!("/v1/batches/{}/retry", old.id);
    let body = r#"{"signature":"400: no <n>","set":{"seed":1e2,"max_tokens":[1,
        2]},"model":"n","metadata":{"a":"b"}}"#;
    let retried = server.post(&path, body).await;
    assert_eq!(retried.status, 200, "{}", retried.text());
    let new = retried.json();
    assert_eq!(new["metadata"], serde_json::json!({"a": "b"}));
    let text = text_of(&server, &new).await;
    let changed = |line: &str, seed: &str| {
        let line = line.replace(
            "{\"model\":\"m\"",
            "{\"max_tokens\":[1,         2],\"model\":\"n\"",
        );
        line.replace(seed, "\"seed\":1e2")
    };
    let expected = changed(&lines(&[2]), "\"seed\":2") + &changed(&lines(&[3]), "\"seed\":3");
    assert_eq!(text, expected);

    let none = server.post(&path, r#"{"signature":"400: other"}"#).await;
    let message = format!("Batch '{}' has no failed lines with that cause.", old.id);
    none.is_refusal(400, &message, None, None);
    for (body, param, code) in [
        (r#"{"sett":{}}"#, "sett", "unknown_parameter"),
        (r#"{"set":1}"#, "set", "invalid_type"),
        (r#"{"model":1}"#, "model", "invalid_type"),
        (
            r#"{"set":{"model":"a"},"model":"b"}"#,
            "model",
            "duplicate_parameter",
        ),
    ] {
        let answer = server.post(&path, body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["param"], &error["code"]),
            (400, &param.into(), &code.into())
        );
    }
}

#[tokio::test]
async fn a_lost_index_keeps_no_failed_line_from_being_retried() {
    let server = Server::new();
    let old = Worked::start(&server, &input(4)).await;
    let ends = [
        (1, End::Text("one")),
        (3, refused("no 3")),
        (2, refused("no 2")),
        (4, End::Text("four")),
    ];
    old.record_with(&server, &ends, false).await;
    old.seal(&server).await;
    let path = format!("/v1/batches/{}/retry", old.id);
    let new = server.post(&path, "{}").await.json();
    assert_eq!(text_of(&server, &new).await, lines(&[2, 3]));
}

#[tokio::test]
async fn what_cannot_be_retried_is_refused() {
    let server = Server::new();
    let open = Worked::start(&server, &input(1)).await;
    let path = format!("/v1/batches/{}/retry", open.id);
    let answer = server.post(&path, "").await;
    answer.is_refusal(
        409,
        "Cannot retry a batch with status 'in_progress'.",
        None,
        None,
    );
    assert_eq!(answer.header("x-should-retry"), "false");
    open.record(&server, &[(1, End::Text("one"))]).await;
    open.seal(&server).await;
    let answer = server.post(&path, "").await;
    answer.is_refusal(
        400,
        &format!("Batch '{}' has no failed lines.", open.id),
        None,
        None,
    );

    let old = ended(&server).await;
    let shown = server.get(&format!("/v1/batches/{}", old.id)).await.json();
    let file = shown["input_file_id"].as_str().expect("a file");
    server
        .call(Method::DELETE, &format!("/v1/files/{file}"), "")
        .await;
    let answer = server
        .post(&format!("/v1/batches/{}/retry", old.id), "")
        .await;
    let message = format!("The input file '{file}' is gone, and with it what its lines asked for.");
    answer.is_refusal(400, &message, None, None);
    let answer = server.post("/v1/batches/batch_x/retry", "").await;
    answer.is_refusal(404, "No batch found with id 'batch_x'.", None, None);
}

#[tokio::test]
async fn a_batch_is_paused_and_resumed_and_its_object_does_not_show_it() {
    let server = Server::new();
    let batch = Worked::start(&server, &input(1)).await;
    let path = |what: &str| format!("/v1/batches/{}/{what}", batch.id);
    let before = server
        .get(&format!("/v1/batches/{}", batch.id))
        .await
        .json();
    for (what, paused) in [
        ("pause", true),
        ("pause", true),
        ("resume", false),
        ("resume", false),
    ] {
        let answer = server.post(&path(what), "").await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, before.clone()),
            "{what}"
        );
        let progress = batch.get(&server, "progress").await.json();
        assert_eq!(progress["paused"], paused);
        assert_eq!(progress["limited_by"] == "paused", paused);
        assert_eq!(progress["reason"].is_string(), paused);
        let held = server
            .store
            .renew(&worker(), server.now())
            .await
            .expect("what is held");
        assert_eq!(held[0].is_paused, paused);
    }
    server.post(&path("pause"), "").await;
    let cancelled = server.post(&path("cancel"), "").await;
    assert_eq!(cancelled.json()["status"], "cancelling");
    assert_eq!(batch.get(&server, "progress").await.json()["paused"], false);
    let answer = server.post(&path("resume"), "").await;
    answer.is_refusal(
        409,
        "Cannot resume a batch with status 'cancelling'.",
        None,
        None,
    );
    let answer = server.post(&path("pause"), "").await;
    answer.is_refusal(
        409,
        "Cannot pause a batch with status 'cancelling'.",
        None,
        None,
    );
}

#[tokio::test]
async fn progress_tells_how_fast_a_batch_is() {
    let server = Server::new();
    let batch = Worked::start(&server, &input(1)).await;
    let progress = BatchProgress {
        batch: batch.lease.batch.clone(),
        in_flight: 1,
        retrying: 0,
        lines_per_second: 2.0,
        eta_seconds: Some(5),
        reason: None,
        pace: Pace {
            input_tokens_per_second: 7.5,
            eta_range_seconds: Some((4, 6)),
            limit: 8,
            limited_by: Some(LimitedBy::Input),
            ..Pace::default()
        },
        updated_at: server.now(),
    };
    server
        .store
        .save_progress(&[progress])
        .await
        .expect("saved progress");
    let shown = batch.get(&server, "progress").await.json();
    assert_eq!(
        shown["tokens_per_second"].to_string(),
        r#"{"input":7.5,"output":0.0}"#
    );
    assert_eq!(shown["eta_range_seconds"], serde_json::json!([4, 6]));
    assert_eq!(
        (&shown["limit"], &shown["limited_by"]),
        (&8.into(), &"input".into())
    );
    let all = server.get("/v1/overview").await.json();
    assert_eq!(
        (&all["lines_per_second"], &all["batches"]["in_progress"]),
        (&2.0.into(), &1.into())
    );
    assert_eq!(all["upstreams"]["healthy"], 0);
    // Nothing is summed up to 0.0, and not to -0.0.
    let nothing = Server::new().get("/v1/overview").await.json();
    assert_eq!(nothing["lines_per_second"].to_string(), "0.0");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_a_batch_and_creates_none() {
    let server = Server::new();
    let good = server.upload(&input(3)).await;
    let dry = |file: &str| creation(file).replace('}', r#","overnight":{"dry_run":true}}"#);
    let run = server.post("/v1/batches", &dry(&good)).await.json();
    let bytes = input(3).len();
    assert_eq!(
        (&run["object"], &run["valid"], &run["lines"]),
        (&"batch.dry_run".into(), &true.into(), &3.into())
    );
    assert_eq!(
        (&run["bytes"], &run["errors_total"]),
        (&bytes.into(), &0.into())
    );
    assert_eq!(run["models"].to_string(), r#"[{"lines":3,"model":"m"}]"#);
    assert_eq!(run["estimated_input_tokens"], 3 * 37 / 4);
    assert_eq!(run["estimated_seconds"], Value::Null);

    let bad = [LINE, "{", LINE, ""].join("\n");
    let bad = server.upload(&bad).await;
    let run = server.post("/v1/batches", &dry(&bad)).await.json();
    assert_eq!(
        (&run["valid"], &run["lines"], &run["errors_total"]),
        (&false.into(), &3.into(), &2.into())
    );
    let errors = run["errors"]["data"].as_array().expect("errors");
    let numbers: Vec<u64> = errors
        .iter()
        .filter_map(|error| error["line"].as_u64())
        .collect();
    assert_eq!(numbers, [2, 3]);
    let run = server.post("/v1/batches", &dry("file-x")).await.json();
    assert_eq!(
        run["errors"]["data"][0]["message"],
        "Cannot find file file-x."
    );
    assert_eq!(
        server.get("/v1/batches").await.json()["data"],
        serde_json::json!([])
    );

    // A batch like it has taken ten seconds for its four lines.
    let past = Worked::start(&server, &input(4)).await;
    let ends: Vec<(u32, End)> = (1..=4).map(|line| (line, End::Text("x"))).collect();
    past.record(&server, &ends).await;
    server.pass(10);
    past.seal(&server).await;
    let run = server.post("/v1/batches", &dry(&good)).await.json();
    assert_eq!(run["estimated_seconds"], 8);
    let wrong = creation(&good).replace('}', r#","overnight":{"dry_run":1}}"#);
    let answer = server.post("/v1/batches", &wrong).await;
    assert_eq!(answer.json()["error"]["param"], "overnight.dry_run");
}

#[tokio::test]
async fn a_batch_is_verified_down_to_its_bytes() {
    let server = Server::new();
    let batch = ended(&server).await;
    let good = batch.get(&server, "verify").await.json();
    assert_eq!(
        good.to_string(),
        r#"{"completed":1,"failed":2,"object":"batch.verification","problems":[],"total":4,"valid":true}"#
    );
    let segments = server
        .store
        .segments(&batch.lease.batch, None, 9)
        .await
        .expect("segments");
    let output = segments[0].output.clone().expect("an output");
    let mut bytes = server
        .blobs
        .read_extent(&output)
        .await
        .expect("the bytes")
        .to_vec();
    bytes[40] ^= 1;
    server
        .blobs
        .put(&output.blob, vec![bytes.into()])
        .await
        .expect("a blob");
    let bad = batch.get(&server, "verify").await.json();
    assert_eq!(bad["valid"], false);
    let problems = bad["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .as_str()
            .expect("a sentence")
            .contains("output lines of segment")
    );
}

#[tokio::test]
async fn a_batch_is_deleted_with_its_results_once_it_has_ended() {
    let server = Server::new();
    let batch = ended(&server).await;
    let open = server.batch().await;
    let answer = server
        .call(Method::DELETE, &format!("/v1/batches/{open}"), "")
        .await;
    answer.is_refusal(
        409,
        "Cannot delete a batch with status 'validating'.",
        None,
        None,
    );
    let path = format!("/v1/batches/{}", batch.id);
    let shown = server.get(&path).await.json();
    let gone = server.call(Method::DELETE, &path, "").await;
    let expected = serde_json::json!({"id": batch.id, "object": "batch", "deleted": true});
    assert_eq!(gone.json(), expected);
    let message = format!("No batch found with id '{}'.", batch.id);
    for answer in [
        server.get(&path).await,
        server.call(Method::DELETE, &path, "").await,
    ] {
        answer.is_refusal(404, &message, None, None);
    }
    for file in ["output_file_id", "error_file_id"] {
        let file = shown[file].as_str().expect("a file");
        assert_eq!(server.get(&format!("/v1/files/{file}")).await.status, 404);
    }
    let input = shown["input_file_id"].as_str().expect("a file");
    assert_eq!(server.get(&format!("/v1/files/{input}")).await.status, 200);
}

#[tokio::test]
async fn batches_are_found_by_status_and_text() {
    let server = Server::new();
    let done = ended(&server).await;
    let file = server.upload(LINE).await;
    let named = creation(&file).replace('}', r#","metadata":{"k":"Blue Moon"}}"#);
    let named = server.post("/v1/batches", &named).await.json();
    let named = named["id"].as_str().expect("an id");
    for (query, expected) in [
        ("status=completed", vec![done.id.as_str()]),
        ("status=failed,%20completed,", vec![&done.id]),
        ("status=validating,completed&search=blue+m", vec![named]),
        ("search=IN.JSONL&limit=1", vec![named]),
        ("search=nothing", vec![]),
    ] {
        let page = server.get(&format!("/v1/batches?{query}")).await.json();
        let data = page["data"].as_array().expect("batches");
        let ids: Vec<&str> = data
            .iter()
            .map(|batch| batch["id"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    let answer = server.get("/v1/batches?status=done").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["param"]),
        (400, &"status".into())
    );
    let answer = server.get("/v1/batches?search=%00").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["param"]),
        (400, &"search".into())
    );
}
