//! Puts other values in the place of named ones in a line's body, and leaves every other byte as it
//! is.

use super::token::Token;
use crate::json::{NotJson, Walk};

/// A top-level key of a body, and the JSON value that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key, decoded.
    pub key: String,
    /// The value, as well-formed JSON without line ends.
    pub value: String,
}

/// The line with these values in its body. A key that is there has its value replaced where it
/// stands, every time when it is there more than once; one that is not comes first. `None` when the
/// line is no JSON object with a body that is one.
#[must_use]
pub fn with_overrides(line: &str, overrides: &[Override]) -> Option<String> {
    let (start, members) = body_of(line).ok().flatten()?;
    let mut out = String::with_capacity(line.len() + 64 * overrides.len());
    out.push_str(line.get(..start)?);
    let is_there = |wanted: &Override| members.iter().any(|member| member.has(&wanted.key));
    let missing = overrides.iter().filter(|wanted| !is_there(wanted));
    let mut separator = "";
    for Override { key, value } in missing {
        let key = serde_json::to_string(key).ok()?;
        out.push_str(separator);
        out.push_str(&key);
        out.push(':');
        out.push_str(value);
        separator = ",";
    }
    if !separator.is_empty() && !members.is_empty() {
        out.push(',');
    }
    let mut at = start;
    for member in &members {
        let found = overrides.iter().find(|wanted| member.has(&wanted.key));
        if let Some(Override { value, .. }) = found {
            out.push_str(line.get(at..member.value_start)?);
            out.push_str(value);
            at = member.value_end;
        }
    }
    out.push_str(line.get(at..)?);
    Some(out)
}

/// A member of the body: its key, and where its value lies in the line.
struct Member<'a> {
    key: Token<'a>,
    value_start: usize,
    value_end: usize,
}

impl Member<'_> {
    fn has(&self, key: &str) -> bool {
        *self.key.text() == *key.as_bytes()
    }
}

/// Where the inside of the body begins, and what stands there; of a repeated body, the last counts.
fn body_of(line: &str) -> Result<Option<(usize, Vec<Member<'_>>)>, NotJson> {
    let mut walk = Walk::new(line);
    let mut body = None;
    walk.members(Walk::text_with_controls, |walk, key| {
        if *Token(key).text() != *b"body" {
            return walk.value().map(|_| ());
        }
        if walk.peek() != Some(b'{') {
            body = None;
            return walk.value().map(|_| ());
        }
        let start = walk.at() + 1;
        let mut members = Vec::new();
        walk.members(Walk::text, |walk, key| {
            walk.peek();
            let value_start = walk.at();
            walk.value()?;
            members.push(Member {
                key: Token(key),
                value_start,
                value_end: walk.at(),
            });
            Ok(())
        })?;
        body = Some((start, members));
        Ok(())
    })?;
    walk.end()?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::{Map, Value, json};

    use super::*;

    fn set(key: &str, value: &str) -> Override {
        Override {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_value_is_replaced_where_it_stands_and_every_other_byte_stays() {
        let line = r#"{"custom_id" : "a","body": {"n":1e400, "max_tokens" : {"x":[1]} ,"z":"\u0061"},"x":1}"#;
        let changed = with_overrides(line, &[set("max_tokens", "7")]).unwrap();
        let expected =
            r#"{"custom_id" : "a","body": {"n":1e400, "max_tokens" : 7 ,"z":"\u0061"},"x":1}"#;
        assert_eq!(changed, expected);
    }

    #[test]
    fn what_is_not_there_comes_first() {
        let both = [set("a", "1"), set("b\"", "\"2\"")];
        for (line, expected) in [
            (r#"{"body":{ }}"#, r#"{"body":{"a":1,"b\"":"2" }}"#),
            (
                r#"{"body":{"b\u0022":0}}"#,
                r#"{"body":{"a":1,"b\u0022":"2"}}"#,
            ),
            (r#"{"body":{"c":0}}"#, r#"{"body":{"a":1,"b\"":"2","c":0}}"#),
            (
                r#"{"body":1,"body":{"a":0,"a":0}}"#,
                r#"{"body":1,"body":{"b\"":"2","a":1,"a":1}}"#,
            ),
        ] {
            assert_eq!(with_overrides(line, &both).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_line_without_a_body_that_is_an_object_is_left_alone() {
        for line in [
            "",
            "{}",
            r#"{"body":[1]}"#,
            r#"{"body":{}"#,
            r#"{"body":{},"body":1}"#,
            "[]",
        ] {
            assert_eq!(with_overrides(line, &[set("a", "1")]), None, "{line}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\{}]{0,5}".prop_map(Value::from),
            Just(json!({"a": [{"b": 1}]})),
            Just(Value::Null),
        ]
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[a-d\"]{0,2}", value(), 0..5)
            .prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            rng_seed: RngSeed::Fixed(5),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_body_is_that_of_a_tree_with_the_changes(body in object(), changes in object()) {
            let line = json!({"custom_id": "x", "body": body, "url": {"body": 1}}).to_string();
            let overrides: Vec<Override> = changes
                .iter()
                .map(|(key, value)| set(key, &value.to_string()))
                .collect();
            let changed = with_overrides(&line, &overrides).unwrap();
            let mut expected: Value = serde_json::from_str(&line).unwrap();
            for (key, value) in changes {
                expected["body"][key] = value;
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&changed).unwrap(), expected);
        }
    }
}
