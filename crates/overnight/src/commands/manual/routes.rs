//! The routes of the HTTP API as a document, made of what `GET /openapi.json` answers.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::shapes::{self, kind, meaning};

/// What stands before the routes.
const HEAD: &str = "\
# HTTP API, route by route

Every route with what it takes and what it answers.
It is made by `overnight manual --api` of what `GET /openapi.json` answers on a server with nothing configured; [api.md](api.md) says what the routes are for.

Every answer has the header `x-request-id`, and any route may also answer with the errors 401, 403, 431, 500 and 503 ([what they mean](api.md#errors)).
";

/// The errors that stand in the head.
const EVERYWHERE: [&str; 5] = ["401", "403", "431", "500", "503"];

/// The whole document.
pub(super) fn document(description: &Value) -> String {
    let mut text = HEAD.to_owned();
    for tag in list(description, "tags") {
        let name = word(tag, "name");
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "\n## {name}\n\n{}\n", prose(word(tag, "description")));
        for (path, method, operation) in operations(description) {
            if list(operation, "tags").any(|own| own == name) {
                describe(description, path, method, operation, &mut text);
            }
        }
    }
    text.push_str("\n## Shapes\n\nKeys that are not set are `null`, never absent; later versions may have more.\n");
    let schemas = description.pointer("/components/schemas");
    for (name, schema) in entries(schemas) {
        shapes::describe(name, schema, &mut text);
    }
    text
}

/// Every operation with its path and method.
fn operations(description: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = entries(description.get("paths"));
    paths.flat_map(|(path, methods)| {
        let methods = entries(Some(methods));
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn describe(description: &Value, path: &str, method: &str, operation: &Value, text: &mut String) {
    let method = method.to_ascii_uppercase();
    let summary = prose(word(operation, "summary"));
    let _ = write!(text, "\n### `{method} {path}`\n\n{summary}\n");
    let parameters: Vec<&Value> = list(operation, "parameters")
        .map(|parameter| resolved(description, parameter))
        .collect();
    let body = operation.get("requestBody");
    if !parameters.is_empty() || body.is_some() {
        text.push_str(
            "\nIt takes:\n\n| name | where | kind | meaning |\n| --- | --- | --- | --- |\n",
        );
    }
    for parameter in parameters {
        let (name, place) = (word(parameter, "name"), word(parameter, "in"));
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        let about = match word(parameter, "description") {
            "" => meaning(schema),
            about => shapes::cell(about),
        };
        let _ = writeln!(text, "| `{name}` | {place} | {} | {about} |", kind(schema));
    }
    if let Some(body) = body {
        let is_needed = body.get("required").is_some_and(|needed| needed == true);
        let about = if is_needed { "" } else { "It may be left out." };
        for (media_type, schema) in contents(body) {
            let _ = writeln!(
                text,
                "| `{media_type}` | body | {} | {about} |",
                kind(schema)
            );
            shapes::keys(schema, "", "body | ", text);
        }
    }
    text.push_str("\nIt answers:\n\n| status | kind | meaning |\n| --- | --- | --- |\n");
    for (status, answer) in entries(operation.get("responses")) {
        if EVERYWHERE.contains(&status.as_str()) {
            continue;
        }
        let answer = resolved(description, answer);
        let about = shapes::cell(word(answer, "description"));
        let kinds: Vec<String> = contents(answer).map(|(_, schema)| kind(schema)).collect();
        let _ = writeln!(text, "| {status} | {} | {about} |", kinds.join(", "));
    }
}

/// What a part of the description stands for: itself, or what it names.
fn resolved<'a>(description: &'a Value, part: &'a Value) -> &'a Value {
    let named = part.get("$ref").and_then(Value::as_str);
    let named = named.and_then(|path| description.pointer(path.trim_start_matches('#')));
    named.unwrap_or(part)
}

/// The media types of a body and their shapes.
fn contents(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let contents = entries(body.get("content"));
    contents.filter_map(|(media_type, content)| Some((media_type, content.get("schema")?)))
}

/// The entries of an object; none of anything else.
pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// The text under a key; empty when there is none.
pub(super) fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text in which each sentence has a line of its own.
pub(super) fn prose(text: &str) -> String {
    text.replace(". ", ".\n")
}
