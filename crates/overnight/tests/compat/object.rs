//! The documented objects: every key, in the order of the live service. A row names the keys that
//! differ from a fresh object, and with that compares all of them.

use crate::golden::{Golden, files_json, json};

/// An object with its keys in order; values are patterns.
#[derive(Clone)]
pub(crate) struct Object {
    name: &'static str,
    members: Vec<(&'static str, String)>,
    /// Which members the row named.
    named: Vec<&'static str>,
}

impl Object {
    fn new(name: &'static str, members: &[(&'static str, &str)]) -> Self {
        let members = members.iter();
        Self {
            name,
            members: members
                .map(|(key, value)| (*key, (*value).to_owned()))
                .collect(),
            named: Vec::new(),
        }
    }

    /// The same with another value of a key.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        let member = self.members.iter_mut().find(|(known, _)| *known == key);
        if let Some(member) = member {
            member.1 = value.into();
        } else {
            // An object has the documented keys, and a row that names another one is wrong.
            self.members.push((key, value.into()));
        }
        self.named.push(key);
        self
    }

    /// Sets the size, without naming it as different from a fresh object's.
    fn set_bytes(&mut self, bytes: usize) {
        let mut members = self.members.iter_mut();
        if let Some((_, value)) = members.find(|(key, _)| *key == "bytes") {
            *value = bytes.to_string();
        }
    }

    /// Its text without white space.
    pub(crate) fn compact(&self) -> String {
        let members = self.members.iter();
        let members: Vec<_> = members
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// What the document calls it.
    pub(crate) fn told(&self) -> String {
        let named = self
            .members
            .iter()
            .filter(|(key, _)| self.named.contains(key));
        let named: Vec<_> = named
            .map(|(key, value)| format!("`{key}: {value}`"))
            .collect();
        if named.is_empty() {
            return format!("a {}", self.name);
        }
        format!("a {} with {}", self.name, named.join(", "))
    }
}

/// A file of so many bytes for a batch, just uploaded: known as `f` and created at `t` from here on.
pub(crate) fn file(bytes: usize) -> Object {
    let mut file = Object::new(
        "File",
        &[
            ("object", r#""file""#),
            ("id", r#""«file f»""#),
            ("purpose", r#""batch""#),
            ("filename", r#""in.jsonl""#),
            ("bytes", ""),
            ("created_at", "«time t»"),
            ("expires_at", "«t + 2592000»"),
            ("status", r#""processed""#),
            ("status_details", "null"),
        ],
    );
    file.set_bytes(bytes);
    file
}

/// An upload of so many bytes that has just been created: `u`, created at `t`.
pub(crate) fn upload(bytes: usize) -> Object {
    let mut upload = Object::new(
        "Upload",
        &[
            ("id", r#""«upload u»""#),
            ("object", r#""upload""#),
            ("bytes", ""),
            ("created_at", "«time t»"),
            ("filename", r#""in.jsonl""#),
            ("purpose", r#""batch""#),
            ("status", r#""pending""#),
            ("expires_at", "«t + 3600»"),
        ],
    );
    upload.set_bytes(bytes);
    upload
}

/// Zeros.
pub(crate) const NO_USAGE: &str = r#"{"input_tokens":0,"output_tokens":0,"total_tokens":0,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}"#;

/// A batch over `f` that has just been created, from here on known as `b`, created at `c`.
pub(crate) fn batch() -> Object {
    Object::new(
        "Batch",
        &[
            ("id", r#""«batch b»""#),
            ("object", r#""batch""#),
            ("endpoint", r#""/v1/chat/completions""#),
            ("model", "null"),
            ("errors", "null"),
            ("input_file_id", r#""«f»""#),
            ("completion_window", r#""24h""#),
            ("status", r#""validating""#),
            ("output_file_id", "null"),
            ("error_file_id", "null"),
            ("created_at", "«time c»"),
            ("in_progress_at", "null"),
            ("expires_at", "«c + 86400»"),
            ("finalizing_at", "null"),
            ("completed_at", "null"),
            ("failed_at", "null"),
            ("expired_at", "null"),
            ("cancelling_at", "null"),
            ("cancelled_at", "null"),
            ("request_counts", r#"{"total":0,"completed":0,"failed":0}"#),
            ("usage", NO_USAGE),
            ("metadata", "null"),
        ],
    )
}

/// The value of `request_counts`.
pub(crate) fn counts(total: u64, completed: u64, failed: u64) -> String {
    format!(r#"{{"total":{total},"completed":{completed},"failed":{failed}}}"#)
}

/// A batch that failed validation with these entries.
pub(crate) fn failed(entries: &[String]) -> Object {
    let data = entries.join(",");
    batch()
        .with("errors", format!(r#"{{"object":"list","data":[{data}]}}"#))
        .with("status", r#""failed""#)
        .with("failed_at", "«time end from c»")
}

/// A batch that ended `completed`.
pub(crate) fn completed() -> Object {
    batch()
        .with("model", r#""m""#)
        .with("status", r#""completed""#)
        .with("in_progress_at", "«time begun from c»")
        .with("finalizing_at", "«time sealing from begun»")
        .with("completed_at", "«time end from sealing»")
}

/// A file as the Files API sends it.
pub(crate) fn file_answer(object: &Object) -> Golden {
    files_json(&object.compact()).shown(object.told())
}

/// A batch as the Batches API sends it.
pub(crate) fn batch_answer(object: &Object) -> Golden {
    json(&object.compact()).shown(object.told())
}

/// A batch as the answer to its cancel: without white space.
pub(crate) fn cancel_answer(object: &Object) -> Golden {
    crate::golden::compact_json(&object.compact()).shown(object.told())
}

/// A page of batches; the names of the first and the last one.
pub(crate) fn batch_page(objects: &[Object], ids: Option<(&str, &str)>, has_more: bool) -> Golden {
    let (first, last) = page_ids(ids);
    let data: Vec<_> = objects.iter().map(Object::compact).collect();
    let data = data.join(",");
    json(&format!(
        r#"{{"object":"list","data":[{data}],"first_id":{first},"last_id":{last},"has_more":{has_more}}}"#
    ))
    .shown(told_page(objects, &first, &last, has_more))
}

/// A page of files, whose last keys stand in another order.
pub(crate) fn file_page(objects: &[Object], ids: Option<(&str, &str)>, has_more: bool) -> Golden {
    let (first, last) = page_ids(ids);
    let data: Vec<_> = objects.iter().map(Object::compact).collect();
    let data = data.join(",");
    files_json(&format!(
        r#"{{"object":"list","data":[{data}],"has_more":{has_more},"first_id":{first},"last_id":{last}}}"#
    ))
    .shown(told_page(objects, &first, &last, has_more))
}

fn page_ids(ids: Option<(&str, &str)>) -> (String, String) {
    let quoted = |name: &str| format!("\"«{name}»\"");
    ids.map_or_else(
        || ("null".to_owned(), "null".to_owned()),
        |(first, last)| (quoted(first), quoted(last)),
    )
}

fn told_page(objects: &[Object], first: &str, last: &str, has_more: bool) -> String {
    format!(
        "a page of {} with `first_id: {first}`, `last_id: {last}`, `has_more: {has_more}`",
        objects.len()
    )
}
