use overnight_core::batch::{Event, InputError, InputErrorCode};

use super::*;

#[tokio::test]
async fn an_unknown_batch_is_missing_and_what_is_no_batch_id_is_refused() {
    let server = Server::new();
    let message = "No batch found with id 'batch_x'.";
    server
        .get("/v1/batches/batch_x")
        .await
        .is_refusal(404, message, None, None);
    let cancelled = server.post("/v1/batches/batch_x/cancel", "").await;
    cancelled.is_refusal(404, message, None, None);
    let message = "Invalid 'batch_id': 'invalid'. Expected an ID that begins with 'batch'.";
    for path in ["", "/progress", "/results"] {
        let answer = server.get(&format!("/v1/batches/invalid{path}")).await;
        answer.is_refusal(400, message, Some("batch_id"), Some("invalid_value"));
    }
    let cancelled = server.post("/v1/batches/invalid/cancel", "").await;
    cancelled.is_refusal(400, message, Some("batch_id"), Some("invalid_value"));
}

#[tokio::test]
async fn an_empty_page_has_null_cursors() {
    let answer = Server::new().get("/v1/batches").await;
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "object": "list",
      "data": [],
      "first_id": null,
      "last_id": null,
      "has_more": false
    }
    "#);
}

#[tokio::test]
async fn pages_walk_everything_once_while_new_batches_arrive() {
    let server = Server::new();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(server.batch().await);
        server.pass(1);
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/v1/batches?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.json();
        let data = page["data"].as_array().expect("a page").clone();
        assert_eq!(page["first_id"], data[0]["id"]);
        seen.extend(
            data.iter()
                .map(|batch| batch["id"].as_str().expect("an id").to_owned()),
        );
        if page["has_more"] == false {
            break;
        }
        server.batch().await;
        server.pass(1);
        path = format!(
            "/v1/batches?limit=2&after={}",
            page["last_id"].as_str().expect("an id")
        );
    }
    ids.reverse();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_bad_list_query_is_refused_with_its_documented_error() {
    let server = Server::new();
    let cases = [
        (
            "limit=101",
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 \
             instead.",
            "limit",
            "integer_above_max_value",
        ),
        (
            "limit=-1",
            "Invalid 'limit': integer below minimum value. Expected a value >= 0, but got -1 \
             instead.",
            "limit",
            "integer_below_min_value",
        ),
        (
            "limit=ten",
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            "limit",
            "invalid_type",
        ),
        (
            "limit=1&limit=2",
            "Duplicate parameter: 'limit'. You provided multiple values for this parameter, \
             whereas only one is allowed.",
            "limit",
            "duplicate_parameter",
        ),
        (
            "after=x%27",
            "Invalid 'after': 'x''. Expected an ID that begins with 'batch'.",
            "after",
            "invalid_value",
        ),
    ];
    for (query, message, param, code) in cases {
        let answer = server.get(&format!("/v1/batches?{query}")).await;
        answer.is_refusal(400, message, Some(param), Some(code));
    }
    let answer = server.get("/v1/batches?after=batch_x").await;
    answer.is_refusal(404, "No batch found with id 'batch_x'.", None, None);
}

#[tokio::test]
async fn a_page_of_none_is_empty_and_the_last() {
    let server = Server::new();
    server.batch().await;
    let page = server.get("/v1/batches?limit=0").await.json();
    assert_eq!(
        (&page["data"], &page["has_more"]),
        (&Value::Array(Vec::new()), &false.into())
    );
}

#[tokio::test]
async fn a_failed_batch_says_why_line_by_line() {
    let server = Server::new();
    let id = server.batch().await;
    let claimed = server
        .store
        .claim(&worker(), 1, server.now())
        .await
        .expect("a claim");
    let errors = vec![InputError {
        code: InputErrorCode::InvalidJsonLine,
        message: "This line is not parseable as valid JSON.".to_owned(),
        param: None,
        line: Some(2),
    }];
    let rejected = Event::Rejected(errors);
    server
        .store
        .advance(&claimed[0].lease, rejected, server.now())
        .await
        .expect("a failed batch");
    let shown = server.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["failed_at"], START);
    insta::assert_snapshot!(serde_json::to_string(&shown["errors"]).expect("JSON"), @r#"{"data":[{"code":"invalid_json_line","line":2,"message":"This line is not parseable as valid JSON.","param":null}],"object":"list"}"#);
    let conflict = server.post(&format!("/v1/batches/{id}/cancel"), "").await;
    conflict.is_refusal(
        409,
        "Cannot cancel a batch with status 'failed'.",
        None,
        None,
    );
}
