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

/// The start of a result line, as far as it is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultHead<'a> {
    /// The raw JSON token of the `custom_id`, quotes included; `None` when it was not known.
    pub custom_id: Option<&'a str>,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// What there is of the answer's body, without what stands behind it; empty without an answer.
    pub body: &'a [u8],
}

/// Reads a result line of which the end may be missing; `None` unless it is laid out as result lines
/// are written ([`super::write_head`], [`super::write_error`]).
#[must_use]
pub fn read_head(line: &[u8]) -> Option<ResultHead<'_>> {
    let rest = line.strip_prefix(b"{\"id\":\"batch_req_")?;
    let rest = rest.get(32..)?.strip_prefix(b"\",\"custom_id\":")?;
    let (token, rest) = rest.split_at_checked(token_length(rest)?)?;
    let token = std::str::from_utf8(token).ok()?;
    let mut head = ResultHead {
        custom_id: (token != "null").then_some(token),
        status: None,
        body: &[],
    };
    let answered = rest.strip_prefix(b",\"response\":{\"status_code\":");
    let Some(rest) = answered else {
        return Some(head);
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(digits)?;
    head.status = std::str::from_utf8(digits).ok()?.parse().ok();
    let rest = rest.strip_prefix(b",\"request_id\":\"");
    let body = rest.and_then(|rest| rest.get(32..)?.strip_prefix(b"\",\"body\":"));
    let body = body.unwrap_or_default();
    let end = b"},\"error\":null}";
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    head.body = body.strip_suffix(end).unwrap_or(body);
    Some(head)
}

/// How many bytes the JSON token at the start has, a text or `null`.
fn token_length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"null") {
        return Some(4);
    }
    let mut is_escaped = false;
    let inside = bytes.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some(end + 2)
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
    fn the_start_of_a_line_is_read_wherever_it_is_cut() {
        let mut line = Vec::new();
        write_head(&mut line, IDS(), br#""a\"b\\""#, 404);
        line.extend_from_slice(br#"{"error":{}}"#);
        write_tail(&mut line);
        let head = read_head(&line).unwrap();
        assert_eq!(head.custom_id, Some(r#""a\"b\\""#));
        assert_eq!(
            (head.status, head.body),
            (Some(404), &br#"{"error":{}}"#[..])
        );
        for cut in 0..line.len() {
            let Some(part) = read_head(&line[..cut]) else {
                continue;
            };
            assert_eq!(part.custom_id, head.custom_id);
            assert!(
                line.windows(part.body.len().max(1))
                    .any(|run| run.starts_with(part.body))
            );
        }
        line.clear();
        write_error(&mut line, IDS(), b"null", LineError::Expired);
        let head = read_head(&line).unwrap();
        assert_eq!(
            (head.custom_id, head.status, head.body),
            (None, None, &b""[..])
        );
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
