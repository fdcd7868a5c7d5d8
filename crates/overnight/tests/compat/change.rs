//! Every way in which one thing of an answer can be wrong: its status, a header, a field.

use std::ops::Range;

use crate::answer::Answer;
use crate::golden::Golden;
use crate::json::{Child, Node, scan};

/// An answer with one thing changed.
pub(crate) struct Change {
    /// What was done to it: `error.code: null`.
    pub(crate) what: String,
    /// The field that it was done to; `None` for a status or a header.
    pub(crate) field: Option<String>,
    pub(crate) answer: Answer,
}

/// All changes of an answer.
pub(crate) fn changes(answer: &Answer, golden: &Golden) -> Vec<Change> {
    let mut all = of_head(answer, golden);
    let is_json = answer.header("content-type") == Some("application/json");
    match scan(&answer.body).filter(|_| is_json) {
        Some(node) => all.extend(of_node(answer, &node, "")),
        None => all.extend(of_lines(answer)),
    }
    all
}

fn of_head(answer: &Answer, golden: &Golden) -> Vec<Change> {
    let status = Answer {
        status: answer.status + 1,
        ..answer.clone()
    };
    let mut all = vec![Change {
        what: "status: one more".to_owned(),
        field: None,
        answer: status,
    }];
    let mut add = |what: String, headers: Vec<(String, String)>| {
        let answer = Answer {
            headers,
            ..answer.clone()
        };
        let field = None;
        all.push(Change {
            what,
            field,
            answer,
        });
    };
    for (name, _) in golden.judged() {
        let mut without = answer.headers.clone();
        without.retain(|(known, _)| known != name);
        add(format!("header {name}: left out"), without);
        let mut other = answer.headers.clone();
        for (_, value) in other.iter_mut().filter(|(known, _)| known == name) {
            value.insert(0, 'x');
        }
        add(format!("header {name}: another value"), other);
    }
    let mut more = answer.headers.clone();
    more.push(("x-ratelimit-limit-requests".to_owned(), "1".to_owned()));
    add("one more header".to_owned(), more);
    all
}

/// The changes of each line that is JSON; of a body without such lines, one byte.
fn of_lines(answer: &Answer) -> Vec<Change> {
    let mut all = Vec::new();
    let mut start = 0;
    let lines: Vec<&[u8]> = answer.body.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let end = start + line.len();
        let node = scan(line.trim_ascii_end()).filter(|_| is_sampled(index, lines.len()));
        if let Some(node) = node {
            let line_answer = Answer {
                body: line.to_vec(),
                ..answer.clone()
            };
            for change in of_node(&line_answer, &node, "line") {
                let body = &answer.body;
                let spliced = [&body[..start], &change.answer.body, &body[end..]].concat();
                all.push(Change {
                    answer: with_body(answer, spliced),
                    ..change
                });
            }
        }
        start = end;
    }
    if let (true, Some(last)) = (all.is_empty(), answer.body.len().checked_sub(1)) {
        let mut body = answer.body.clone();
        body[last / 2] ^= 1;
        all.push(Change {
            what: "body: one byte is another".to_owned(),
            field: None,
            answer: with_body(answer, body),
        });
    }
    all
}

/// The changes of everything that is in a value.
fn of_node(answer: &Answer, node: &Node, path: &str) -> Vec<Change> {
    let mut all = Vec::new();
    for (index, child) in node.children.iter().enumerate() {
        if child.key.is_none() && !is_sampled(index, node.children.len()) {
            continue;
        }
        let path = match &child.key {
            Some(key) if path.is_empty() => key.clone(),
            Some(key) => format!("{path}.{key}"),
            None => format!("{path}[]"),
        };
        let mut add = |what: &str, span: Range<usize>, text: &[u8]| {
            all.push(Change {
                what: format!("{path}: {what}"),
                field: Some(path.clone()),
                answer: spliced(answer, span, text),
            });
        };
        let value = &answer.body[child.value.span.clone()];
        for (what, other) in others(value) {
            add(what, child.value.span.clone(), &other);
        }
        add("left out", without(node, index), b"");
        if let Some(next) = node.children.get(index + 1) {
            let span = child.span.start..next.span.end;
            add(
                "after the next one",
                span,
                &swapped(&answer.body, child, next),
            );
        }
        if !child.value.children.is_empty() {
            all.extend(of_node(answer, &child.value, &path));
        }
    }
    all
}

/// Of a long list the first elements and the last one stand for the others.
const fn is_sampled(index: usize, count: usize) -> bool {
    index < 2 || index + 1 == count
}

/// Other values in the place of one.
fn others(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut others = vec![("of another type", another_type(value).to_vec())];
    if value != b"null" {
        others.push(("null", b"null".to_vec()));
    }
    match value {
        [b'"', rest @ ..] => {
            others.push(("another text", [b"\"x", rest].concat()));
            others.push(("no text", b"\"\"".to_vec()));
        }
        [b'0'..=b'9' | b'-', ..] => others.push(("another number", [b"7", value].concat())),
        b"true" => others.push(("false", b"false".to_vec())),
        b"false" => others.push(("true", b"true".to_vec())),
        _ => {}
    }
    // Where a list is empty, its other type is the only other value.
    others.retain(|(_, other)| other != value);
    others
}

fn another_type(value: &[u8]) -> &'static [u8] {
    match value.first() {
        Some(b'"') => b"7",
        Some(b'{') => b"[]",
        Some(b'[') => b"{}",
        _ => b"\"7\"",
    }
}

/// The bytes of a child with one of its commas.
fn without(node: &Node, index: usize) -> Range<usize> {
    let child = &node.children[index];
    match node.children.get(index + 1) {
        Some(next) => child.span.start..next.span.start,
        None => match index.checked_sub(1) {
            Some(before) => node.children[before].span.end..child.span.end,
            None => child.span.clone(),
        },
    }
}

fn swapped(body: &[u8], first: &Child, second: &Child) -> Vec<u8> {
    let between = &body[first.span.end..second.span.start];
    [
        &body[second.span.clone()],
        between,
        &body[first.span.clone()],
    ]
    .concat()
}

fn spliced(answer: &Answer, span: Range<usize>, text: &[u8]) -> Answer {
    let body = [&answer.body[..span.start], text, &answer.body[span.end..]].concat();
    with_body(answer, body)
}

fn with_body(answer: &Answer, body: Vec<u8>) -> Answer {
    Answer {
        body,
        ..answer.clone()
    }
}

#[test]
fn every_field_is_changed_in_every_way() {
    let answer = Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: br#"{"a": 1, "b": ["x"], "c": null}"#.to_vec(),
    };
    let changes = changes(&answer, &crate::golden::json("{}"));
    let bodies: Vec<_> = changes
        .iter()
        .filter(|change| change.field.is_some())
        .map(|change| String::from_utf8_lossy(&change.answer.body).into_owned())
        .collect();
    let expected = [
        r#"{"a": "7", "b": ["x"], "c": null}"#,
        r#"{"a": null, "b": ["x"], "c": null}"#,
        r#"{"a": 71, "b": ["x"], "c": null}"#,
        r#"{"b": ["x"], "c": null}"#,
        r#"{"b": ["x"], "a": 1, "c": null}"#,
        r#"{"a": 1, "b": {}, "c": null}"#,
        r#"{"a": 1, "b": null, "c": null}"#,
        r#"{"a": 1, "c": null}"#,
        r#"{"a": 1, "c": null, "b": ["x"]}"#,
        r#"{"a": 1, "b": [7], "c": null}"#,
        r#"{"a": 1, "b": [null], "c": null}"#,
        r#"{"a": 1, "b": ["xx"], "c": null}"#,
        r#"{"a": 1, "b": [""], "c": null}"#,
        r#"{"a": 1, "b": [], "c": null}"#,
        r#"{"a": 1, "b": ["x"], "c": "7"}"#,
        r#"{"a": 1, "b": ["x"]}"#,
    ];
    assert_eq!(bodies, expected);
}
