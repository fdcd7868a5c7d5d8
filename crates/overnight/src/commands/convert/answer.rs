//! What a person wants of a result line: the text of the answer, and how it came to it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lines::parquet::{Cell, ColumnKind};

/// One thing of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The text of the answer; of embeddings the vector as JSON.
    Content,
    /// A value of an answer that is JSON, by the keys that lead to it.
    Within(Vec<String>),
    /// The HTTP status.
    Status,
    /// Why the line failed.
    Error,
    /// The code of its error.
    ErrorCode,
    /// What the server answered, as it came.
    Response,
    /// Why the model ended.
    FinishReason,
    /// The model that answered.
    Model,
    /// Tokens of the request.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
}

impl Field {
    /// Reads a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some(keys) = name.strip_prefix("content.") {
            return Some(Self::Within(keys.split('.').map(str::to_owned).collect()));
        }
        Some(match name {
            "content" => Self::Content,
            "status" | "status_code" => Self::Status,
            "error" => Self::Error,
            "error_code" => Self::ErrorCode,
            "response" => Self::Response,
            "finish_reason" => Self::FinishReason,
            "model" => Self::Model,
            "input_tokens" => Self::InputTokens,
            "output_tokens" => Self::OutputTokens,
            _ => return None,
        })
    }

    /// What a column of it holds.
    pub(super) const fn kind(&self) -> ColumnKind {
        match self {
            Self::Status | Self::InputTokens | Self::OutputTokens => ColumnKind::Number,
            Self::Content
            | Self::Within(_)
            | Self::Error
            | Self::ErrorCode
            | Self::Response
            | Self::FinishReason
            | Self::Model => ColumnKind::Text,
        }
    }
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    error: Option<LineError>,
}

#[derive(Deserialize)]
struct Response {
    status_code: u16,
    body: Value,
}

#[derive(Deserialize)]
struct LineError {
    code: Option<String>,
    message: Option<String>,
}

/// A result line, read.
pub(super) struct Answer {
    status: Option<u16>,
    /// The whole of the response, as it came.
    raw: String,
    body: Value,
    error: Option<String>,
    code: Option<String>,
}

impl Answer {
    /// Reads a result line; `None` when it is none.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let keys: Keys<'_> = serde_json::from_slice(line).ok()?;
        let raw = keys.response.map_or("", RawValue::get);
        let response: Option<Response> = match keys.response {
            Some(response) => Some(serde_json::from_str(response.get()).ok()?),
            None => None,
        };
        let (status, body) = response.map_or((None, Value::Null), |response| {
            (Some(response.status_code), response.body)
        });
        let code = keys.error.as_ref().and_then(|error| error.code.clone());
        let code = code.or_else(|| body.pointer("/error/code").map(text));
        let told = keys.error.and_then(|error| error.message.or(error.code));
        let is_ok = status.is_some_and(|status| (200..300).contains(&status));
        let refused = || text(body.pointer("/error/message").unwrap_or(&body));
        let error = told.or_else(|| (!is_ok).then(refused));
        Some(Self {
            status,
            raw: raw.to_owned(),
            body,
            error,
            code: code.filter(|code| !code.is_empty()),
        })
    }

    /// A field as a value of a table.
    pub(super) fn cell(&self, field: &Field) -> Cell {
        let text = self.field(field);
        match field.kind() {
            _ if text.is_empty() => Cell::None,
            ColumnKind::Text => Cell::Text(text),
            ColumnKind::Number => text.parse().map_or(Cell::None, Cell::Number),
        }
    }

    /// The text of a field; empty when the result has none.
    pub(super) fn field(&self, field: &Field) -> String {
        let at = |places: &[&str]| {
            let found = places.iter().find_map(|place| self.body.pointer(place));
            found.map(text).unwrap_or_default()
        };
        match field {
            Field::Content => self.content(),
            Field::Within(keys) => {
                let content: Value = serde_json::from_str(&self.content()).unwrap_or_default();
                let found = keys.iter().try_fold(&content, |value, key| value.get(key));
                found.map(text).unwrap_or_default()
            }
            Field::Status => self
                .status
                .map(|status| status.to_string())
                .unwrap_or_default(),
            Field::Error => self.error.clone().unwrap_or_default(),
            Field::ErrorCode => self.code.clone().unwrap_or_default(),
            Field::Response => self.raw.clone(),
            Field::FinishReason => at(&["/choices/0/finish_reason", "/status"]),
            Field::Model => at(&["/model"]),
            Field::InputTokens => at(&["/usage/prompt_tokens", "/usage/input_tokens"]),
            Field::OutputTokens => at(&["/usage/completion_tokens", "/usage/output_tokens"]),
        }
    }

    fn content(&self) -> String {
        if self.error.is_some() {
            return String::new();
        }
        let places = [
            "/choices/0/message/content",
            "/choices/0/text",
            "/data/0/embedding",
            "/data/0/url",
            "/data/0/b64_json",
            "/results",
        ];
        if let Some(found) = places.iter().find_map(|place| self.body.pointer(place)) {
            return text(found);
        }
        let output = self.body.get("output").and_then(Value::as_array);
        let parts = output.into_iter().flatten();
        let parts = parts
            .filter_map(|item| item.get("content")?.as_array())
            .flatten();
        parts
            .filter_map(|part| part.get("text")?.as_str())
            .collect()
    }
}

/// A value as a cell of a table holds it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, name: &str, expected: &str) {
        let answer = Answer::read(line.as_bytes()).unwrap();
        assert_eq!(
            answer.field(&Field::parse(name).unwrap()),
            expected,
            "{name}"
        );
    }

    #[test]
    fn an_answer_of_each_endpoint_is_understood() {
        let of = |body: &str| {
            format!("{{\"response\":{{\"status_code\":200,\"body\":{body}}},\"error\":null}}")
        };
        let chat = of(
            r#"{"model":"m","choices":[{"message":{"content":"{\"a\":{\"b\":5}}"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        );
        check(&chat, "content", r#"{"a":{"b":5}}"#);
        check(&chat, "content.a.b", "5");
        check(&chat, "content.none", "");
        check(&chat, "finish_reason", "stop");
        check(&chat, "output_tokens", "2");
        check(&chat, "status", "200");
        check(&of(r#"{"choices":[{"text":"t"}]}"#), "content", "t");
        check(
            &of(r#"{"data":[{"embedding":[1,2.5]}]}"#),
            "content",
            "[1,2.5]",
        );
        let parts = r#"{"output":[{"type":"reasoning"},{"content":[{"text":"x"},{"text":"y"}]}]}"#;
        check(&of(parts), "content", "xy");
    }

    #[test]
    fn a_failure_says_why_and_has_no_content() {
        let refused =
            r#"{"response":{"status_code":400,"body":{"error":{"message":"no"}}},"error":null}"#;
        check(refused, "error", "no");
        check(refused, "content", "");
        check(refused, "error_code", "");
        check(
            refused,
            "response",
            r#"{"status_code":400,"body":{"error":{"message":"no"}}}"#,
        );
        let expired = r#"{"response":null,"error":{"code":"batch_expired","message":"late"}}"#;
        check(expired, "error", "late");
        check(expired, "error_code", "batch_expired");
        check(expired, "response", "");
        check(expired, "status", "");
        assert!(Answer::read(b"{").is_none());
    }
}
