//! The bytes that rogues send.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use overnight_testkit::rogue::Move;

/// What every well line is answered.
const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// How long a well line takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(150);

/// An answer with a status, further lines of its head (each ended), and a body with its length.
pub(crate) fn answer(status: &str, head: &str, body: &[u8]) -> Bytes {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{head}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat().into()
}

/// A good answer with further lines of its head.
pub(crate) fn good_with(head: &str) -> Bytes {
    answer("200 OK", head, CHAT.as_bytes())
}

/// A good answer.
pub(crate) fn good() -> Bytes {
    good_with("content-type: application/json\r\n")
}

/// A good answer as a server sends it.
pub(crate) fn well() -> Vec<Move> {
    vec![Move::Pause(LATENCY), Move::Send(good())]
}

/// The head of an answer whose body comes in chunks, and its body in two of them.
pub(crate) fn chunks(head: &str) -> String {
    let (first, second) = CHAT.split_at(CHAT.len() / 2);
    let mut text = format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n");
    for piece in [first, second] {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:x}\r\n{piece}\r\n", piece.len());
    }
    text
}

/// These bytes, and then the end of the connection.
pub(crate) fn last(bytes: impl Into<Bytes>) -> Vec<Move> {
    vec![Move::Send(bytes.into()), Move::Close]
}

/// An answer of that status whose body is JSON.
pub(crate) fn status(line: &str) -> Vec<Move> {
    let head = "content-type: application/json\r\n";
    let body = br#"{"error":{"message":"no"}}"#;
    vec![Move::Send(answer(line, head, body))]
}

/// A good answer as HTTP/1.0 sends it, which ends with its connection.
pub(crate) fn old() -> String {
    format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{CHAT}")
}
