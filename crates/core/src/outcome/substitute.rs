//! Bodies that stand in for an answer that was no JSON, or for no answer at all.

use serde_json::json;

/// How much of an answer that is not JSON is shown in the result line, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// The JSON body for an answer that is not JSON: the shape of an OpenAI error whose message is the
/// start of the text (at most [`TEXT_BYTES_MAX`] bytes; what is not UTF-8 is replaced).
#[must_use]
pub fn wrap_text(status: u16, text: &[u8]) -> Vec<u8> {
    let shown = String::from_utf8_lossy(first_bytes(text));
    let shown = shown.trim();
    if shown.is_empty() {
        let message = format!("The upstream answered with status {status} and an empty body.");
        return error_body(&message, "upstream_error", None, None);
    }
    error_body(shown, "upstream_error", None, None)
}

/// The start of a text, without a character that the cut would halve.
fn first_bytes(text: &[u8]) -> &[u8] {
    let Some(head) = text.get(..TEXT_BYTES_MAX) else {
        return text;
    };
    match std::str::from_utf8(head) {
        Err(cut) if cut.error_len().is_none() => head.get(..cut.valid_up_to()).unwrap_or(head),
        Ok(_) | Err(_) => head,
    }
}

/// Why a result line has a status and a body that no upstream sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitute<'a> {
    /// No upstream could be reached, or the connection broke before the answer was whole; the text
    /// says which, as a sentence for the client.
    NoAnswer(&'a str),
    /// The upstream said 2xx, but its answer was not JSON; the text says more about it, if it is known.
    NotJson(Option<&'a str>),
    /// No upstream serves the model any more.
    NoSuchModel(&'a str),
    /// The answer had more bytes than the setting allows.
    TooLarge {
        /// The most bytes that an answer may have.
        bytes_max: u64,
    },
}

impl Substitute<'_> {
    /// The status of the result line.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoAnswer(_) => 503,
            Self::NoSuchModel(_) => 404,
            Self::NotJson(_) | Self::TooLarge { .. } => 502,
        }
    }

    /// The JSON body of the result line: the shape of an OpenAI server error.
    #[must_use]
    pub fn body(self) -> Vec<u8> {
        let message = match self {
            Self::NoSuchModel(model) => {
                let message = format!("The model '{model}' does not exist");
                let (kind, code) = ("invalid_request_error", "model_not_found");
                return error_body(&message, kind, Some("model"), Some(code));
            }
            Self::NoAnswer(why) => why.to_owned(),
            Self::NotJson(detail) => {
                let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
                format!("The upstream reported success, but its answer was not valid JSON{detail}.")
            }
            Self::TooLarge { bytes_max } => {
                format!("The answer of the upstream was larger than the {bytes_max} bytes allowed.")
            }
        };
        error_body(&message, "server_error", None, Some("server_error"))
    }
}

fn error_body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Vec<u8> {
    // `json!` sorts keys by name; an error object has them in this order on the wire.
    let (message, kind, param, code) = (json!(message), json!(kind), json!(param), json!(code));
    format!(r#"{{"error":{{"message":{message},"type":{kind},"param":{param},"code":{code}}}}}"#)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> String {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_text_becomes_the_message_of_an_error_object() {
        assert_eq!(
            String::from_utf8(wrap_text(404, b"<h1>\"no\"\nsuch page</h1>")).unwrap(),
            r#"{"error":{"message":"<h1>\"no\"\nsuch page</h1>","type":"upstream_error","param":null,"code":null}}"#
        );
    }

    #[test]
    fn an_empty_text_says_that_it_was_empty() {
        let expected = "The upstream answered with status 404 and an empty body.";
        assert_eq!(message(&wrap_text(404, b" \n")), expected);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "\u{20ac}".repeat(2_000);
        assert_eq!(
            message(&wrap_text(400, text.as_bytes())),
            "\u{20ac}".repeat(1_365)
        );
        assert_eq!(message(&wrap_text(400, &[b'a'; 4_096])).len(), 4_096);
        assert_eq!(message(&wrap_text(400, &[b'a'; 4_097])).len(), 4_096);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(message(&wrap_text(400, b"a\xffb\0")), "a\u{fffd}b\0");
        let long = [b'\xff'; 5_000];
        assert_eq!(message(&wrap_text(400, &long)), "\u{fffd}".repeat(4_096));
    }

    #[test]
    fn a_model_that_vanished_is_named() {
        let gone = Substitute::NoSuchModel("a\"b");
        assert_eq!(gone.status(), 404);
        assert_eq!(
            String::from_utf8(gone.body()).unwrap(),
            r#"{"error":{"message":"The model 'a\"b' does not exist","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
        );
    }

    #[test]
    fn each_substitute_is_a_server_error() {
        let why = "The connection to the upstream was lost.";
        let lost = Substitute::NoAnswer(why);
        assert_eq!(lost.status(), 503);
        assert_eq!(
            String::from_utf8(lost.body()).unwrap(),
            format!(
                r#"{{"error":{{"message":"{why}","type":"server_error","param":null,"code":"server_error"}}}}"#
            )
        );
        assert_eq!(Substitute::NotJson(None).status(), 502);
        assert!(message(&Substitute::NotJson(None).body()).contains("not valid JSON"));
        let large = Substitute::TooLarge { bytes_max: 7 };
        assert_eq!(large.status(), 502);
        assert!(message(&large.body()).contains("the 7 bytes"));
    }
}
