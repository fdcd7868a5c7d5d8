//! Requests that are wrong, each refused with an error object that names what is wrong.

use crate::running::{Running, chat, instant};
use overnight_sim::settings::SimSettings;
use serde_json::{Value, json};

/// Path, body, and the code and param of the 400 it gets.
const WRONG: &[(&str, &str, Option<&str>, Option<&str>)] = &[
    ("/v1/chat/completions", "", None, None),
    ("/v1/chat/completions", "{\"model\":", None, None),
    ("/v1/chat/completions", "[1]", None, None),
    (
        "/v1/chat/completions",
        "{}",
        Some("missing_required_parameter"),
        Some("model"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim"}"#,
        Some("missing_required_parameter"),
        Some("messages"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":1,"messages":[]}"#,
        Some("invalid_type"),
        Some("model"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim","messages":"hi"}"#,
        Some("invalid_type"),
        Some("messages"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim","messages":[]}"#,
        Some("invalid_value"),
        Some("messages"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim","messages":[{"role":"user"}],"max_tokens":0}"#,
        Some("invalid_value"),
        Some("max_tokens"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim","messages":[{"role":"user"}],"max_tokens":"9"}"#,
        Some("invalid_type"),
        Some("max_tokens"),
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"sim","messages":[{"role":"user"}],"stream":true}"#,
        Some("invalid_value"),
        Some("stream"),
    ),
    (
        "/v1/completions",
        r#"{"model":"sim"}"#,
        Some("missing_required_parameter"),
        Some("prompt"),
    ),
    (
        "/v1/completions",
        r#"{"model":"sim","prompt":{}}"#,
        Some("invalid_type"),
        Some("prompt"),
    ),
    (
        "/v1/responses",
        r#"{"model":"sim"}"#,
        Some("missing_required_parameter"),
        Some("input"),
    ),
    (
        "/v1/responses",
        r#"{"model":"sim","input":1}"#,
        Some("invalid_type"),
        Some("input"),
    ),
    (
        "/v1/embeddings",
        r#"{"model":"sim"}"#,
        Some("missing_required_parameter"),
        Some("input"),
    ),
    (
        "/v1/embeddings",
        r#"{"model":"sim","input":[]}"#,
        Some("invalid_value"),
        Some("input"),
    ),
    (
        "/v1/embeddings",
        r#"{"model":"sim","input":["a",1]}"#,
        Some("invalid_type"),
        Some("input"),
    ),
    (
        "/v1/embeddings",
        r#"{"model":"sim","input":"a","dimensions":0}"#,
        Some("invalid_value"),
        Some("dimensions"),
    ),
    (
        "/v1/embeddings",
        r#"{"model":"sim","input":"a","encoding_format":"hex"}"#,
        Some("invalid_value"),
        Some("encoding_format"),
    ),
    (
        "/v1/moderations",
        "{}",
        Some("missing_required_parameter"),
        Some("input"),
    ),
    (
        "/v1/rerank",
        r#"{"model":"sim","query":"q"}"#,
        Some("missing_required_parameter"),
        Some("documents"),
    ),
    (
        "/v1/score",
        r#"{"model":"sim","text_1":"q"}"#,
        Some("missing_required_parameter"),
        Some("text_2"),
    ),
];

#[tokio::test]
async fn a_wrong_body_gets_400_and_the_name_of_what_is_wrong() {
    let sim = Running::start(instant()).await;
    for &(path, body, code, param) in WRONG {
        let answer = sim.post(path, body).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert_eq!(answer.error(), (json!(code), json!(param)), "{path} {body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    assert_eq!(sim.sim.stats().rejected, WRONG.len() as u64);
}

#[tokio::test]
async fn deep_nesting_is_refused_and_harms_nobody() {
    let sim = Running::start(instant()).await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let messages = format!(r#"{{"model":"sim","messages":[{{"role":"user","content":{deep}}}]}}"#);
    assert_eq!(
        sim.post("/v1/chat/completions", &messages).await.status,
        400
    );
    let input = format!(r#"{{"model":"sim","input":{deep}}}"#);
    assert_eq!(sim.post("/v1/embeddings", &input).await.status, 400);
    assert_eq!(sim.post("/v1/responses", &input).await.status, 400);
    assert_eq!(
        sim.post("/v1/chat/completions", &chat("x")).await.status,
        200
    );
}

#[tokio::test]
async fn a_model_that_is_not_served_gets_404() {
    let body = chat("x").replace("\"sim\"", "\"other\"");
    let sim = Running::start(instant()).await;
    let answer = sim.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.error(), (json!("model_not_found"), json!("model")));
    let any = Running::start(SimSettings {
        any_model: true,
        ..instant()
    })
    .await;
    assert_eq!(
        any.post("/v1/chat/completions", &body).await.json()["model"],
        "other"
    );
}

#[tokio::test]
async fn unknown_paths_get_404_and_other_methods_405() {
    let sim = Running::start(instant()).await;
    let answer = sim.post("/v1/foo?a=b", "{}").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json()["error"]["message"],
        "Invalid URL (POST /v1/foo)"
    );
    assert_eq!(answer.error(), (Value::Null, Value::Null));
    assert_eq!(sim.get("/v1/chat/completions").await.status, 405);
    assert_eq!(sim.post("/v1/models", "").await.status, 405);
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413() {
    let body_bytes_max = 200;
    let sim = Running::start(SimSettings {
        body_bytes_max,
        ..instant()
    })
    .await;
    assert_eq!(
        sim.post("/v1/chat/completions", &chat("x")).await.status,
        200
    );
    let answer = sim
        .post("/v1/chat/completions", &chat(&"x".repeat(200)))
        .await;
    assert_eq!(answer.status, 413);
}
