//! The upstream behind the stages. A line says by `user` what becomes of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use overnight_engine::upstream::scripted::{Answer, Seen, Step};

/// What is answered when a line asks for nothing else.
pub(crate) const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":1}}}"#;

/// The answer to a line of `/v1/responses`, whose usage has the names of the Batch object.
pub(crate) const RESPONSE: &str = r#"{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","output":[],"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":11}}"#;

/// The answer to a line of `/v1/embeddings`.
pub(crate) const EMBEDDINGS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-0.2]}],"model":"m-2026","usage":{"prompt_tokens":6,"total_tokens":6}}"#;

/// The body of a refused line.
pub(crate) const REFUSED: &str = r#"{"error":{"message":"Too long.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;

/// The body of a line that broke.
pub(crate) const BROKEN: &str = r#"{"error":{"message":"An error occurred while processing your request.","type":"server_error","code":"server_error"}}"#;

const MODELS: &str = r#"{"object":"list","data":[{"id":"m","object":"model","created":1700000000,"owned_by":"us"},{"id":"n","object":"model"}]}"#;

const CHATS: &str = "/v1/chat/completions";

/// The step for a request.
pub(crate) fn answer(seen: &Seen) -> Step {
    match seen.path.as_str() {
        "/v1/models" => return Step::Answer(Answer::new(200, MODELS)),
        "/health" => return Step::Answer(Answer::new(200, "{}")),
        path if !path.starts_with("/v1/") => return Step::Answer(Answer::new(404, "{}")),
        _ => {}
    }
    let body = String::from_utf8_lossy(&seen.body);
    let wish = body
        .split_once(r#""user":""#)
        .and_then(|(_, rest)| rest.split('"').next());
    match wish {
        Some("silent") => Step::Silent,
        Some("refused") => Step::Answer(Answer::new(400, REFUSED)),
        Some("broken") => Step::Answer(Answer::new(500, BROKEN)),
        Some("page") => Step::Answer(Answer::new(200, "<html>welcome</html>")),
        Some("late") => Step::Late {
            after: Duration::from_millis(100),
            answer: Answer::new(200, CHAT),
        },
        Some("cut") => Step::Cut {
            answer: Answer::new(200, CHAT),
            sent: 20,
        },
        Some(_) | None => Step::Answer(Answer::new(200, usual(&seen.path))),
    }
}

/// Never answers a line.
pub(crate) fn silence(seen: &Seen) -> Step {
    if seen.path == CHATS || seen.path == "/v1/embeddings" {
        return Step::Silent;
    }
    answer(seen)
}

/// Answers the first chat that says so 429, and any other as usual.
pub(crate) fn busy_at_first(seen: &Seen) -> Step {
    static WAS_BUSY: AtomicBool = AtomicBool::new(false);
    let is_busy = String::from_utf8_lossy(&seen.body).contains(r#""user":"busy""#);
    if is_busy && !WAS_BUSY.swap(true, Ordering::Relaxed) {
        let answer = Answer::new(429, REFUSED);
        return Step::Answer(answer.with_header("retry-after", "0"));
    }
    answer(seen)
}

/// Answers a chat with its own body, line ends around it.
pub(crate) fn echo(seen: &Seen) -> Step {
    if seen.path == CHATS {
        let body = [b"\r\n", &seen.body[..], b"\n"].concat();
        return Step::Answer(Answer::new(200, body));
    }
    answer(seen)
}

fn usual(path: &str) -> &'static str {
    match path {
        "/v1/responses" => RESPONSE,
        "/v1/embeddings" => EMBEDDINGS,
        _ => CHAT,
    }
}
