//! Where in its line something is wrong, for a person who has the file at hand.
//!
//! The checks note what they find by key, since that is what clients are told. Here the line is looked
//! at once more, and only when somebody wants to see it.

use serde::de::IgnoredAny;

use super::token::Token;
use crate::batch::{InputError, InputErrorCode};
use crate::json::{NotJson, Walk};

/// A stretch of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The offset of its first byte in the line.
    pub start: usize,
    /// Its bytes; at least one, also where something is missing.
    pub length: usize,
    /// What a reader of JSON says there, when the line is no JSON: ``expected `:` ``.
    pub reason: Option<String>,
}

impl Place {
    const fn of(start: usize, length: usize) -> Self {
        Self {
            start,
            length,
            reason: None,
        }
    }
}

/// Where in `line`, without its line end, the thing is that `error` is about: the value that is wrong, or the
/// end of the object that lacks one. The start of the line when it is about the line as a whole.
#[must_use]
pub fn place_of(line: &[u8], error: &InputError) -> Place {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(not_utf8) => {
            return Place {
                reason: Some("this is not UTF-8".to_owned()),
                ..Place::of(not_utf8.valid_up_to(), not_utf8.error_len().unwrap_or(1))
            };
        }
    };
    if error.code == InputErrorCode::InvalidJsonLine {
        return unreadable(text);
    }
    let Some(param) = &error.param else {
        return Place::of(0, 1);
    };
    // The line was read once, so it can be read again.
    let found = value_at(text, param).ok().flatten();
    found.unwrap_or_else(|| Place::of(0, 1))
}

/// Where a line stops being a JSON object that is not too deep.
fn unreadable(text: &str) -> Place {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or(&reason);
            Place {
                reason: Some(reason.to_owned()),
                ..Place::of(error.column().saturating_sub(1), 1)
            }
        }
        Ok(_) if text.trim_start().starts_with('{') => {
            let body = value_at(text, "body").ok().flatten();
            body.map_or_else(|| Place::of(0, 1), |body| Place::of(body.start, 1))
        }
        Ok(_) => Place {
            reason: Some("expected an object".to_owned()),
            ..Place::of(text.len() - text.trim_start().len(), 1)
        },
    }
}

/// The value at a key, or at a key of `body`; the end of the object that has no such key. Of a repeated key
/// the last one.
fn value_at(text: &str, param: &str) -> Result<Option<Place>, NotJson> {
    let (outer, inner) = param
        .split_once('.')
        .map_or((param, None), |(outer, inner)| (outer, Some(inner)));
    let mut walk = Walk::new(text);
    let mut found = None;
    walk.members(Walk::text_with_controls, |walk, key| {
        if *Token(key).text() != *outer.as_bytes() {
            return walk.value().map(|_| ());
        }
        let is_object = walk.peek() == Some(b'{');
        found = Some(match inner {
            Some(inner) if is_object => member(walk, inner)?,
            _ => value(walk)?,
        });
        Ok(())
    })?;
    Ok(Some(found.unwrap_or_else(|| Place::of(walk.at() - 1, 1))))
}

/// The value at a key of the object that comes next, or the object's end.
fn member(walk: &mut Walk<'_>, wanted: &str) -> Result<Place, NotJson> {
    let mut found = None;
    walk.members(Walk::text, |walk, key| {
        let place = value(walk)?;
        if *Token(key).text() == *wanted.as_bytes() {
            found = Some(place);
        }
        Ok(())
    })?;
    Ok(found.unwrap_or_else(|| Place::of(walk.at() - 1, 1)))
}

fn value(walk: &mut Walk<'_>) -> Result<Place, NotJson> {
    walk.peek();
    let start = walk.at();
    Ok(Place::of(start, walk.value()?.text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: InputErrorCode, param: Option<&str>, line: &str, expected: &str) {
        let error = InputError {
            code,
            message: String::new(),
            param: param.map(str::to_owned),
            line: Some(1),
        };
        let place = place_of(line.as_bytes(), &error);
        assert_eq!(
            &line[place.start..place.start + place.length],
            expected,
            "{line}"
        );
    }

    #[test]
    fn the_value_that_is_wrong_is_shown() {
        let line = r#" {"custom_id": "a", "method":"GET", "body" : {"model" : 5 , "stream":true}}"#;
        let code = InputErrorCode::InvalidRequest;
        check(code, Some("method"), line, "\"GET\"");
        check(code, Some("body.model"), line, "5");
        check(code, Some("body.stream"), line, "true");
        check(code, None, line, " ");
        check(code, Some("body.model"), r#"{"body": [1]}"#, "[1]");
        let twice = r#"{"url":1,"url":2}"#;
        check(code, Some("url"), twice, "2");
    }

    #[test]
    fn what_lacks_a_key_is_shown_at_its_end() {
        let place = |line: &str, param: &str| value_at(line, param).unwrap().unwrap().start;
        assert_eq!(place(r#"{"url":1, "body":{"x":2} } "#, "method"), 25);
        assert_eq!(place(r#"{"url":1, "body":{"x":2} } "#, "body.model"), 23);
    }

    #[test]
    fn a_line_that_is_no_json_is_shown_where_it_stops_being_some() {
        let code = InputErrorCode::InvalidJsonLine;
        check(code, None, r#"{"custom_id" "a"}"#, "\"");
        check(code, None, r#"{"a":tru}"#, "}");
        check(code, None, "[1]", "[");
        let deep = format!(r#"{{"body":{}{}}}"#, "[".repeat(600), "]".repeat(600));
        check(code, None, &deep, "[");
        let error = InputError {
            code,
            message: String::new(),
            param: None,
            line: Some(1),
        };
        let found = |line: &[u8]| {
            let place = place_of(line, &error);
            (place.start, place.reason.unwrap())
        };
        assert_eq!(
            found(b"{\"a\":\"\xff\"}"),
            (6, "this is not UTF-8".to_owned())
        );
        assert_eq!(found(b"{\"a\" 1}"), (5, "expected `:`".to_owned()));
        assert_eq!(found(b"  [1]"), (2, "expected an object".to_owned()));
    }
}
