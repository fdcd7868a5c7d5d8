//! Reads error lines.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::signature::normalised;

/// How much of a message is kept, in characters.
const KEPT_CHARS_MAX: usize = 2_000;

/// Why a line failed, as its error line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// The word for a program: that of the answer's error object, or of the line's own error.
    pub code: Option<String>,
    /// The sentence for a person, cut at 2,000 characters; the start of the answer where it has none.
    pub message: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status_code: u16,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Error {
    code: Option<String>,
    message: Option<String>,
}

impl Failure {
    /// Reads an error line, of which the end may be missing. Whatever stands there, some failure is
    /// made of it: one that cannot be read has its own start as the message.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        let read = serde_json::from_slice::<Line<'_>>(line).ok();
        match read {
            Some(Line {
                response: Some(response),
                ..
            }) => Self::of_answer(
                response.status_code,
                response.body.map_or("", RawValue::get),
            ),
            Some(Line {
                error: Some(error), ..
            }) => Self {
                status: None,
                code: error.code,
                message: shortened(&error.message.unwrap_or_default()),
            },
            Some(_) | None => Self::of_part(line),
        }
    }

    fn of_answer(status: u16, body: &str) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let error = value.get("error").unwrap_or(&value);
        let message = text_of(error).or_else(|| text_of(&value));
        let code = [error.get("code"), error.get("type")]
            .into_iter()
            .flatten()
            .find_map(word_of);
        Self {
            status: Some(status),
            code,
            message: shortened(&message.unwrap_or_else(|| body.to_owned())),
        }
    }

    /// A line whose answer is so long that only its start is at hand.
    fn of_part(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let behind = |key: &str| text.split_once(key).map(|(_, rest)| rest);
        let status = behind("\"status_code\":").and_then(|rest| {
            let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        let shown = behind("\"body\":").unwrap_or(&text);
        Self {
            status,
            code: None,
            message: shortened(shown),
        }
    }

    /// The name of its cause: the status or the code, then the message without what varies in it.
    #[must_use]
    pub fn signature(&self) -> String {
        let message = normalised(&self.message);
        match (self.status, &self.code) {
            (Some(status), _) => format!("{status}: {message}"),
            (None, Some(code)) => format!("{}: {message}", normalised(code)),
            (None, None) => message,
        }
    }
}

/// The sentence of an error object in the shapes that servers give it.
fn text_of(error: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(message) = text(error) {
        return Some(message);
    }
    ["message", "detail", "msg", "error"]
        .iter()
        .filter_map(|key| error.get(key))
        .find_map(|value| match value {
            // A list of what is wrong, one object a field: the first stands for all.
            Value::Array(list) => list
                .first()
                .and_then(|first| text(first).or_else(|| first.get("msg").and_then(text))),
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Object(_) => text(value),
        })
}

fn word_of(value: &Value) -> Option<String> {
    match value {
        Value::String(word) => Some(shortened(word)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(KEPT_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Failure {
        let line = format!(
            r#"{{"id":"batch_req_1","custom_id":"a","response":{{"status_code":{status},"request_id":"r","body":{body}}},"error":null}}"#
        );
        Failure::read(line.as_bytes())
    }

    #[test]
    fn the_message_is_found_in_every_shape_of_error() {
        for body in [
            r#"{"error":{"message":"no","type":"t","code":"c"}}"#,
            r#"{"error":{"message":"no","code":"c"}}"#,
            r#"{"message":"no","code":"c"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no"}],"code":"c"}"#,
            r#"{"detail":"no","code":"c"}"#,
        ] {
            let failure = answered(400, body);
            assert_eq!(failure.message, "no", "{body}");
            assert_eq!(failure.code.as_deref(), Some("c"), "{body}");
            assert_eq!(failure.signature(), "400: no");
        }
        assert_eq!(answered(500, r#"{"error":"no"}"#).message, "no");
        assert_eq!(
            answered(400, r#"{"error":{"code":400}}"#).code.as_deref(),
            Some("400")
        );
        assert_eq!(answered(400, r#"{"why":1}"#).message, r#"{"why":1}"#);
        assert_eq!(answered(400, "7").message, "7");
    }

    #[test]
    fn lines_without_an_answer_and_cut_lines_are_read() {
        let line = br#"{"id":"batch_req_1","custom_id":null,"response":null,"error":{"code":"batch_expired","message":"late"}}"#;
        let failure = Failure::read(line);
        assert_eq!(
            (failure.status, failure.signature().as_str()),
            (None, "batch_expired: late")
        );
        let cut = br#"{"id":"batch_req_1","custom_id":"a","response":{"status_code":400,"request_id":"r","body":{"error":{"mess"#;
        let failure = Failure::read(cut);
        assert_eq!(failure.status, Some(400));
        assert_eq!(failure.message, r#"{"error":{"mess"#);
        assert_eq!(Failure::read(b"\xff").message, "\u{fffd}");
    }
}
