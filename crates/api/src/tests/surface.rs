use overnight_store::faulty::{Fault, Faulty};

use super::*;

#[tokio::test]
async fn every_answer_carries_the_headers_of_the_live_service() {
    let server = Server::new();
    for path in [
        "/v1/files",
        "/v1/files/x",
        "/nowhere",
        "/health",
        "/metrics",
    ] {
        let answer = server.get(path).await;
        let id = answer.header("x-request-id");
        assert!(id.starts_with("req_") && id.len() == 36, "{path}: {id}");
        assert!(
            answer.header("openai-processing-ms").parse::<u64>().is_ok(),
            "{path}"
        );
        assert_eq!(answer.header("openai-version"), "2020-10-01");
        assert_eq!(answer.header("openai-organization"), "overnight");
        assert_eq!(answer.header("openai-project"), "default");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("strict-transport-security")
                .starts_with("max-age=")
        );
    }
}

#[tokio::test]
async fn an_unknown_route_is_named_with_its_method() {
    let answer = Server::new().post("/v1/chat/completions", "{}").await;
    answer.is_refusal(404, "Invalid URL (POST /v1/chat/completions)", None, None);
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "error": {
        "message": "Invalid URL (POST /v1/chat/completions)",
        "type": "invalid_request_error",
        "param": null,
        "code": null
      }
    }
    "#);
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let server = Server::new();
    let code = Some("method_not_supported");
    let cancel = server.get("/v1/batches/batch_x/cancel").await;
    cancel.is_refusal(405, "Only POST requests are accepted.", None, code);
    assert_eq!(cancel.header("allow"), "POST");
    let files = server.call(Method::DELETE, "/v1/files", "").await;
    files.is_refusal(405, "Only GET and POST requests are accepted.", None, code);
}

#[tokio::test]
async fn doubled_and_trailing_slashes_need_no_redirect() {
    let server = Server::new();
    for path in [
        "/v1/files/",
        "/v1//files",
        "//v1/files//?limit=1",
        "/v1/batches/",
    ] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let created = server.post("/v1//batches/", &creation("file-a")).await;
    assert_eq!(created.status, 200);
}

#[tokio::test]
async fn headers_of_the_sdks_are_accepted_whatever_they_say() {
    let request = Request::get("/v1/files")
        .header("authorization", "bearer anything")
        .header("api-key", "other")
        .header("openai-organization", "org-x")
        .header("openai-beta", "assistants=v2")
        .header("x-stainless-retry-count", "1")
        .header("accept", "text/plain")
        .body(Body::empty());
    assert_eq!(
        Server::new().send(request.expect("a request")).await.status,
        200
    );
}

#[tokio::test]
async fn a_panic_is_a_documented_500_that_names_the_request() {
    let server = Server::with(|api| api.render_metrics = Arc::new(|| panic!("a bug")));
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 500);
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&"server_error".into(), &Value::Null)
    );
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("The server had an error while processing your request."));
    assert!(message.contains(answer.header("x-request-id")) && !message.contains("a bug"));
}

#[tokio::test]
async fn probes_say_alive_and_ready_or_why_not() {
    let server = Server::with(|api| api.ready = Arc::new(|| Err("The clock jumped.".to_owned())));
    assert_eq!(server.get("/health").await.text(), r#"{"status":"ok"}"#);
    let unready = server.get("/ready").await;
    assert_eq!((unready.status, unready.header("retry-after")), (503, "5"));
    assert_eq!(unready.json()["error"]["message"], "The clock jumped.");
    assert_eq!(
        Server::new().get("/ready").await.text(),
        r#"{"status":"ready","role":"all"}"#
    );
}

#[tokio::test]
async fn metrics_are_handed_out_as_the_wiring_renders_them() {
    let answer = Server::new().get("/metrics").await;
    assert_eq!(answer.text(), "# EOF\n");
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_makes_clients_wait() {
    let server = Server::with(|api| {
        let store = Sqlite::memory(Blocking::Pool).expect("a database in memory");
        api.store = Arc::new(Faulty::new(store, |_, _| Fault::Fail));
    });
    for path in ["/v1/files", "/v1/batches/batch_x", "/v1/models", "/ready"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, "5"),
            "{path}"
        );
        assert_eq!(answer.json()["error"]["type"], "server_error");
    }
    let upload = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", LINE))
        .await;
    assert_eq!(upload.status, 503);
}
