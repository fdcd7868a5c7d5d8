//! The input of a batch: what its lines may look like, and what is said when they do not.

pub(crate) mod bytes;
pub(crate) mod checks;
pub(crate) mod limits;

use crate::batches::request_with;
use crate::golden::quoted;
use crate::object::failed;
use crate::row::Outcome;
use crate::scene::Scene;

/// An entry of a failed batch's list of errors.
pub(crate) fn entry(code: &str, message: &str, param: Option<&str>, line: Option<u64>) -> String {
    let line = line.map_or_else(|| "null".to_owned(), |line| line.to_string());
    format!(
        r#"{{"code":"{code}","message":{},"param":{},"line":{line}}}"#,
        quoted(Some(message)),
        quoted(param)
    )
}

/// The entry about an input file that is not there.
pub(crate) fn missing_file() -> String {
    let message = "Cannot find file «f», or organization overnight does not have access to it.";
    entry("invalid_request", message, Some("file_id"), None)
}

/// The entry about a line that is not a JSON object.
pub(crate) fn not_json(line: u64) -> String {
    let message = "This line is not parseable as valid JSON.";
    entry("invalid_json_line", message, None, Some(line))
}

/// A chat line with other members, each with the comma that follows it but the last.
fn line(members: &[&str]) -> String {
    format!("{{{}}}", members.join(","))
}

const ID: &str = r#""custom_id":"a""#;
const METHOD: &str = r#""method":"POST""#;
const URL: &str = r#""url":"/v1/chat/completions""#;
const BODY: &str = r#""body":{"model":"m","messages":[]}"#;

/// A line that is fine, by that name.
fn good(custom_id: &str) -> String {
    crate::lifecycle::chat(custom_id, "m", "")
}

/// Runs a batch over a file that its validation must refuse with these entries.
fn fails(scene: &mut Scene<'_>, content: impl AsRef<[u8]>, entries: &[String]) -> Outcome {
    scene.upload(content)?;
    scene.create()?;
    scene.becomes("failed", &failed(entries))
}

/// The same for the lines of an endpoint.
fn fails_at(
    scene: &mut Scene<'_>,
    endpoint: &str,
    content: impl AsRef<[u8]>,
    entries: &[String],
) -> Outcome {
    scene.upload(content)?;
    scene.create_with(&request_with("").replace("/v1/chat/completions", endpoint))?;
    let batch = failed(entries).with("endpoint", format!("\"{endpoint}\""));
    scene.becomes("failed", &batch)
}
