//! Reads result lines back, for whoever checks what was kept.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What tells a result line from the others of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultLine<'a> {
    /// The raw JSON token of the `custom_id`, quotes included; `None` when it was not known.
    pub custom_id: Option<&'a str>,
}

/// The four keys of a result line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys<'a> {
    #[serde(borrow)]
    id: &'a str,
    #[serde(borrow)]
    custom_id: &'a RawValue,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads a result line without its line end; `None` when it is none: no JSON object, other keys
/// than the four, or neither a response nor an error.
#[must_use]
pub fn read_line(line: &[u8]) -> Option<ResultLine<'_>> {
    let keys: Keys<'_> = serde_json::from_slice(line).ok()?;
    let is_ended = keys.response.is_some() || keys.error.is_some();
    let custom_id = keys.custom_id.get();
    (keys.id.starts_with("batch_req_") && is_ended).then_some(ResultLine {
        custom_id: (custom_id != "null").then_some(custom_id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{LineError, LineIds, write_error, write_head, write_tail};
    use crate::time::Timestamp;

    const IDS: fn() -> LineIds = || LineIds::new(Timestamp::from_seconds(1), 2, 3);

    fn id(line: &[u8]) -> Option<&str> {
        let line = line.strip_suffix(b"\n").unwrap();
        read_line(line).unwrap().custom_id
    }

    #[test]
    fn written_lines_are_read_back() {
        let mut line = Vec::new();
        write_head(&mut line, IDS(), br#""a\u0062""#, 200);
        line.extend_from_slice(br#"{"choices":[1e400]}"#);
        write_tail(&mut line);
        assert_eq!(id(&line), Some(r#""a\u0062""#));

        line.clear();
        write_error(&mut line, IDS(), b"null", LineError::Expired);
        assert_eq!(id(&line), None);
    }

    #[test]
    fn what_is_no_result_line_is_refused() {
        let whole = r#"{"id":"batch_req_1","custom_id":"a","response":{},"error":null}"#;
        assert!(read_line(whole.as_bytes()).is_some());
        let wrong = [
            whole.replace("batch_req_1", "other"),
            whole.replace("{},", "null,"),
            whole.replace("error", "fault"),
            whole.replace("\"custom_id\":\"a\",", ""),
            whole.replace("{},", "{,"),
            whole[1..].to_owned(),
            String::new(),
        ];
        for line in wrong {
            assert_eq!(read_line(line.as_bytes()), None, "{line}");
        }
    }
}
