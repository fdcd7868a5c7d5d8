//! The shapes of the HTTP API: what kind of value stands where, and what it means.

use std::fmt::Write as _;

use serde_json::Value;

use super::routes::{entries, prose, word};

/// How deep keys within keys are told.
const DEPTH_MAX: usize = 3;

/// Writes a shape with all of its keys.
pub(super) fn describe(name: &str, schema: &Value, text: &mut String) {
    // Writing to a string cannot fail, here and below.
    let _ = write!(text, "\n### {name} (shape)\n\n");
    if schema.get("properties").is_none() {
        let _ = writeln!(
            text,
            "{}: {}",
            kind(schema),
            prose(word(schema, "description"))
        );
        return;
    }
    let _ = writeln!(text, "{}", prose(word(schema, "description")));
    text.push_str("\n| key | kind | meaning |\n| --- | --- | --- |\n");
    keys(schema, "", "", text);
}

/// Writes the keys of an object, and those of objects within it as `outer.inner`; `cells` stand behind the name
/// of each.
pub(super) fn keys(schema: &Value, above: &str, cells: &str, text: &mut String) {
    let required = schema.get("required").and_then(Value::as_array);
    // Whoever answers sends every key; only what is sent here may leave some out.
    let is_request = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (key, value) in entries(schema.get("properties")) {
        let is_needed = required.is_some_and(|names| names.iter().any(|name| name == key));
        let optional = if is_request && !is_needed {
            ", optional"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| `{above}{key}` | {cells}{}{optional} | {} |",
            kind(value),
            meaning(value)
        );
        let (inner, mark) = match value.get("items") {
            Some(items) => (items, "[]"),
            None => (value, ""),
        };
        if above.matches('.').count() < DEPTH_MAX && inner.get("properties").is_some() {
            keys(inner, &format!("{above}{key}{mark}."), cells, text);
        }
    }
}

/// What a value means, as a cell of a table.
pub(super) fn meaning(schema: &Value) -> String {
    cell(word(schema, "description"))
}

/// A text that does not end its cell.
pub(super) fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The kind of a value in words, with its bounds.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let name = path.rsplit('/').next().unwrap_or(path);
        return format!("[{name}](#{}-shape)", name.to_lowercase());
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        if let Some(kinds) = schema.get(several).and_then(Value::as_array) {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("`{}`", plain(word)))
            .collect();
        return words.join(", ");
    }
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return "any value".to_owned(),
    };
    let names: Vec<String> = names.iter().map(|name| spelled(name, schema)).collect();
    names.join(" or ")
}

/// One type in words.
fn spelled(name: &str, schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).map(Value::to_string);
    match name {
        "string"
            if schema.get("contentEncoding").is_some() || word(schema, "format") == "binary" =>
        {
            "bytes".to_owned()
        }
        "string" => match bound("maxLength") {
            Some(most) => format!("text of at most {most} characters"),
            None => "text".to_owned(),
        },
        "integer" => match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) if most != i64::MAX.to_string() => {
                format!("whole number from {least} to {most}")
            }
            (Some(least), _) if least != "0" => format!("whole number from {least}"),
            _ => "whole number".to_owned(),
        },
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items)),
            None => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("object of {}", kind(values)),
            _ => "object".to_owned(),
        },
        other => other.to_owned(),
    }
}

/// A value without the quotes of a text.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_told_in_words() {
        let told = |schema: Value| kind(&schema);
        assert_eq!(
            told(json!({"$ref": "#/components/schemas/Batch"})),
            "[Batch](#batch-shape)"
        );
        assert_eq!(told(json!({"type": ["string", "null"]})), "text or null");
        assert_eq!(
            told(json!({"type": "string", "enum": ["a", "b"]})),
            "`a`, `b`"
        );
        assert_eq!(
            told(json!({"type": "integer", "minimum": 1, "maximum": 9})),
            "whole number from 1 to 9"
        );
        let list = json!({"type": "array", "items": {"type": "boolean"}});
        assert_eq!(told(list), "list of true or false");
    }

    #[test]
    fn keys_within_keys_are_told_with_their_path() {
        let schema = json!({
            "description": "All.", "additionalProperties": false, "required": ["outer"],
            "properties": {"outer": {"type": "object", "properties": {"inner": {"type": "null"}}}},
        });
        let mut text = String::new();
        describe("Thing", &schema, &mut text);
        assert!(text.starts_with("\n### Thing (shape)\n\nAll.\n"), "{text}");
        assert!(
            text.contains("| `outer` | object |  |\n| `outer.inner` | null |  |\n"),
            "{text}"
        );
    }
}
