//! The few kinds of schema that the surface needs, each with a sentence.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// Any text.
pub(super) fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

/// One of these words.
pub(super) fn word<'a>(words: impl IntoIterator<Item = &'a str>, about: &str) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({"type": "string", "enum": words, "description": about})
}

/// The word that every object of a kind has under `object`.
pub(super) fn kind(word: &str) -> Value {
    json!({"type": "string", "enum": [word], "description": "The kind of object."})
}

/// A whole number, not negative.
pub(super) fn count(about: &str) -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "description": about})
}

/// A whole number in a range.
pub(super) fn within(range: &RangeInclusive<u64>, about: &str) -> Value {
    json!({
        "type": "integer",
        "format": "int64",
        "minimum": range.start(),
        // Readers of the document keep 64 bits with a sign.
        "maximum": range.end().min(&(u64::MAX >> 1)),
        "description": about,
    })
}

/// A limit of bytes in words; the largest number stands for none.
pub(super) fn at_most(bytes_max: u64) -> String {
    match bytes_max {
        u64::MAX => "any number of them".to_owned(),
        max => format!("at most {max} of them"),
    }
}

/// An instant, in Unix seconds.
pub(super) fn time(about: &str) -> Value {
    count(&format!("{about} In Unix seconds."))
}

/// `true` or `false`.
pub(super) fn flag(about: &str) -> Value {
    json!({"type": "boolean", "description": about})
}

/// Several of a kind.
pub(super) fn list(items: &Value, about: &str) -> Value {
    json!({"type": "array", "items": items, "description": about})
}

/// The same or `null`.
pub(super) fn or_null(schema: Value) -> Value {
    let kind = schema.get("type").and_then(Value::as_str);
    match kind.map(|kind| json!([kind, "null"])) {
        Some(kinds) if schema.get("enum").is_none() => {
            let mut schema = schema;
            if let Value::Object(schema) = &mut schema {
                schema.insert("type".to_owned(), kinds);
            }
            schema
        }
        Some(_) | None => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// A shape that is described once, under that name.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with all of these keys. More may come with a later version.
pub(super) fn object<const N: usize>(about: &str, keys: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    json!({
        "type": "object",
        "description": about,
        "required": required,
        "properties": properties(keys),
    })
}

/// An object that a client sends: any of these keys and no others, at least the first so many.
pub(super) fn request<const N: usize>(
    about: &str,
    required: usize,
    keys: [(&str, Value); N],
) -> Value {
    let needed: Vec<&str> = keys.iter().take(required).map(|(key, _)| *key).collect();
    json!({
        "type": "object",
        "description": about,
        "required": needed,
        "properties": properties(keys),
        "additionalProperties": false,
    })
}

fn properties<const N: usize>(keys: [(&str, Value); N]) -> Map<String, Value> {
    keys.into_iter()
        .map(|(key, schema)| (key.to_owned(), schema))
        .collect()
}
