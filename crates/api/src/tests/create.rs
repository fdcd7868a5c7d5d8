use super::*;

#[tokio::test]
async fn a_new_batch_has_every_key_in_the_live_order() {
    let server = Server::new();
    let answer = server.post("/v1/batches", &creation("file-abc")).await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "id": "batch_69046710000000000000000000001000",
      "object": "batch",
      "endpoint": "/v1/chat/completions",
      "model": null,
      "errors": null,
      "input_file_id": "file-abc",
      "completion_window": "24h",
      "status": "validating",
      "output_file_id": null,
      "error_file_id": null,
      "created_at": 1761896208,
      "in_progress_at": null,
      "expires_at": 1761982608,
      "finalizing_at": null,
      "completed_at": null,
      "failed_at": null,
      "expired_at": null,
      "cancelling_at": null,
      "cancelled_at": null,
      "request_counts": {
        "total": 0,
        "completed": 0,
        "failed": 0
      },
      "usage": {
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
        "input_tokens_details": {
          "cached_tokens": 0
        },
        "output_tokens_details": {
          "reasoning_tokens": 0
        }
      },
      "metadata": null
    }
    "#);
}

#[tokio::test]
async fn a_new_batch_wakes_the_engine() {
    let server = Server::new();
    server.batch().await;
    let woken = tokio::time::timeout(std::time::Duration::from_secs(5), server.wake.woken()).await;
    assert!(woken.is_ok());
}

#[tokio::test]
async fn a_missing_file_is_no_error_of_the_request() {
    let answer = Server::new()
        .post("/v1/batches", &creation("file-missing"))
        .await;
    assert_eq!(answer.json()["status"], "validating");
}

#[tokio::test]
async fn a_file_of_another_purpose_is_refused() {
    let server = Server::new();
    let sent = server
        .submit(form(&[("purpose", "evals")], "a.jsonl", LINE))
        .await
        .json();
    let id = sent["id"].as_str().expect("an id");
    let message = format!("Input file '{id}' has purpose 'evals', but must have purpose 'batch'.");
    let answer = server.post("/v1/batches", &creation(id)).await;
    answer.is_refusal(400, &message, Some("input_file_id"), None);
}

/// A creation with one more member, or with one in the place of another.
pub(super) fn with(member: &str) -> String {
    creation("file-a").replacen('}', &format!(",{member}}}"), 1)
}

#[tokio::test]
async fn every_wrong_parameter_is_refused_with_its_documented_error() {
    let missing = "missing_required_parameter";
    let cases = [
        (
            "{}".to_owned(),
            "Missing required parameter: 'input_file_id'.",
            "input_file_id",
            missing,
        ),
        (
            r#"{"input_file_id":"file-a","completion_window":"24h"}"#.to_owned(),
            "Missing required parameter: 'endpoint'.",
            "endpoint",
            missing,
        ),
        (
            r#"{"input_file_id":"file-a","endpoint":"/v1/embeddings"}"#.to_owned(),
            "Missing required parameter: 'completion_window'.",
            "completion_window",
            missing,
        ),
        (
            creation("wrong-id"),
            "Invalid 'input_file_id': 'wrong-id'. Expected an ID that begins with 'file'.",
            "input_file_id",
            "invalid_value",
        ),
        (
            with(r#""input_file_id":7"#),
            "Invalid type for 'input_file_id': expected a string, but got an integer instead.",
            "input_file_id",
            "invalid_type",
        ),
        (
            with(r#""endpoint":"/v1/invalid""#),
            "Invalid value: '/v1/invalid'. Supported values are: '/v1/chat/completions', \
             '/v1/completions', '/v1/embeddings', '/v1/images/edits', '/v1/images/generations', \
             '/v1/moderations', '/v1/responses', and '/v1/videos'.",
            "endpoint",
            "invalid_value",
        ),
        (
            with(r#""completion_window":"1h""#),
            "Invalid value: '1h'. Supported values are: '24h'.",
            "completion_window",
            "invalid_value",
        ),
        (
            with(r#""completion_window":"""#),
            "Invalid value: ''. Supported values are: '24h'.",
            "completion_window",
            "invalid_value",
        ),
        (
            with(r#""x":1"#),
            "Unknown parameter: 'x'.",
            "x",
            "unknown_parameter",
        ),
        (
            with(r#""overnight":{"x":1}"#),
            "Unknown parameter: 'overnight.x'.",
            "overnight.x",
            "unknown_parameter",
        ),
    ];
    refuses_each(&cases).await;
}

#[tokio::test]
async fn every_wrong_expiry_of_the_results_is_refused_with_its_documented_error() {
    let cases = [
        (
            with(r#""output_expires_after":{"anchor":"created_at"}"#),
            "Missing required parameter: 'output_expires_after.seconds'.",
            "output_expires_after.seconds",
            "missing_required_parameter",
        ),
        (
            with(r#""output_expires_after":{"anchor":"created_at","seconds":3599}"#),
            "Invalid 'output_expires_after.seconds': integer below minimum value. Expected a value \
             >= 3600, but got 3599 instead.",
            "output_expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            with(r#""output_expires_after":{"anchor":"created_at","seconds":3600.5}"#),
            "Invalid type for 'output_expires_after.seconds': expected an integer, but got a \
             decimal number instead.",
            "output_expires_after.seconds",
            "invalid_type",
        ),
    ];
    refuses_each(&cases).await;
}

/// Sends each of these bodies, expects its message, param and code, and that no batch is created.
async fn refuses_each(cases: &[(String, &str, &str, &str)]) {
    let server = Server::new();
    for (body, message, param, code) in cases {
        let answer = server.post("/v1/batches", body).await;
        answer.is_refusal(400, message, Some(param), Some(code));
    }
    assert_eq!(
        server.get("/v1/batches").await.json()["data"],
        Value::Array(Vec::new())
    );
}

#[tokio::test]
async fn null_means_absent_for_what_is_optional() {
    let body = with(r#""metadata":null,"output_expires_after":null,"overnight":null"#);
    let answer = Server::new().post("/v1/batches", &body).await;
    assert_eq!(
        (answer.status, &answer.json()["metadata"]),
        (200, &Value::Null)
    );
}

#[tokio::test]
async fn a_setting_adds_windows_and_endpoints() {
    let server = Server::with(|api| {
        let hour = std::time::Duration::from_hours(1);
        api.settings.windows.insert("1h".to_owned(), hour);
        api.settings.windows.insert("7d".to_owned(), hour * 24 * 7);
        api.settings.extra_endpoints = vec!["/v1/rerank".to_owned()];
    });
    let body = with(r#""endpoint":"/v1/rerank","completion_window":"1h""#);
    let answer = server.post("/v1/batches", &body).await.json();
    assert_eq!(answer["expires_at"], START + 3_600);
    assert_eq!(answer["endpoint"], "/v1/rerank");
    let refused = server
        .post("/v1/batches", &with(r#""completion_window":"2h""#))
        .await;
    let message = "Invalid value: '2h'. Supported values are: '1h', '24h', and '7d'.";
    refused.is_refusal(
        400,
        message,
        Some("completion_window"),
        Some("invalid_value"),
    );
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let server = Server::new();
    let nested = format!("{{\"metadata\":{}", "[".repeat(100_000));
    for body in [
        "",
        "{",
        "{\"a\":}",
        "{\"a\":\"\\ud800\"} x",
        nested.as_str(),
    ] {
        let answer = server.post("/v1/batches", body).await;
        assert_eq!(answer.status, 400);
        let message = answer.json()["error"]["message"]
            .as_str()
            .expect("a message")
            .to_owned();
        assert!(message.starts_with("We could not parse the JSON body of your request. (HINT:"));
    }
    let answer = server.post("/v1/batches", "[]").await;
    let message = "Invalid type for the body: expected an object, but got an array instead.";
    answer.is_refusal(400, message, None, Some("invalid_type"));
}

#[tokio::test]
async fn a_deeply_nested_value_is_refused_by_its_type() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = Server::new()
        .post("/v1/batches", &with(&format!("\"metadata\":{nested}")))
        .await;
    let message =
        "Invalid type for 'metadata': expected a metadata object, but got an array instead.";
    answer.is_refusal(400, message, Some("metadata"), Some("invalid_type"));
}

#[tokio::test]
async fn a_json_body_over_the_limit_is_refused() {
    let body = with(&format!(
        "\"metadata\":{{\"k\":\"{}\"}}",
        "v".repeat(1024 * 1024)
    ));
    let answer = Server::new().post("/v1/batches", &body).await;
    answer.is_refusal(
        413,
        "Maximum content size limit (1048576) exceeded.",
        None,
        None,
    );
}
