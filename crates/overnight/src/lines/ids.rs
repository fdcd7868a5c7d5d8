//! Who a line is: the `custom_id` of an input line and of its result are the same text, however each file
//! escapes it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

/// A line's id, in 16 bytes: files have millions of lines, and texts of any length would not stay in memory.
/// Two of a million lines have the same one with a probability of 1 to 10^27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId(u128);

impl LineId {
    /// The id with that text.
    pub(crate) fn of(text: &str) -> Self {
        Self(xxh3_128(text.as_bytes()))
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    custom_id: Option<&'a RawValue>,
}

/// The text of a line's `custom_id`. `None` when the line is no JSON object, or has none.
pub(crate) fn id_of(line: &[u8]) -> Option<Cow<'_, str>> {
    let named: Named<'_> = serde_json::from_slice(line).ok()?;
    let token = named.custom_id?.get();
    let plain = token
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        // A text that Rust cannot hold (half of a surrogate pair) is told apart by how it is written.
        Some(_) => Some(
            serde_json::from_str(token)
                .map_or_else(|_| Cow::Borrowed(token), |text: String| Cow::Owned(text)),
        ),
        None => None,
    }
}

/// What a result line says about its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The HTTP status of the answer; `None` when there was no answer.
    pub(crate) status: Option<u16>,
}

impl Ended {
    /// Whether the line was answered well.
    pub(crate) fn is_ok(self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Deserialize)]
struct ResultKeys {
    /// With a function of its own, so that it must be there, be it as `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    response: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    status_code: u16,
}

/// How the line of a result ended; `None` when this is no result line.
pub(crate) fn ended(line: &[u8]) -> Option<Ended> {
    let keys: ResultKeys = serde_json::from_slice(line).ok()?;
    Some(Ended {
        status: keys.response.map(|answer| answer.status_code),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text_however_it_is_written() {
        assert_eq!(id_of(br#"{"custom_id":"a\u0062"}"#).unwrap(), "ab");
        assert_eq!(id_of(br#"{"x":1,"custom_id":"ab"}"#).unwrap(), "ab");
        assert_eq!(id_of(br#"{"custom_id":"\ud800"}"#).unwrap(), r#""\ud800""#);
        for none in [
            "",
            "[1]",
            "{}",
            r#"{"custom_id":null}"#,
            r#"{"custom_id":5}"#,
        ] {
            assert_eq!(id_of(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_result_is_well_when_its_status_is() {
        let is_ok = |line: &str| ended(line.as_bytes()).unwrap().is_ok();
        assert!(is_ok(
            r#"{"response":{"status_code":200,"body":{}},"error":null}"#
        ));
        assert!(!is_ok(
            r#"{"response":{"status_code":400,"body":{}},"error":null}"#
        ));
        assert!(!is_ok(
            r#"{"response":null,"error":{"code":"batch_expired"}}"#
        ));
        assert_eq!(ended(b"nonsense"), None);
        assert_eq!(ended(br#"{"custom_id":"a","body":{}}"#), None);
    }
}
