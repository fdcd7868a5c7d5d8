//! `POST /v1/batches/{id}/retry`: the failed lines of a batch as a new batch; a route of our own.
//!
//! The new batch has an input file of its own, whose lines are copied from the old one byte for byte,
//! but for the values that the client wants otherwise. The old batch and its files are not touched.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use http::HeaderMap;
use overnight_core::batch::{Batch, BatchSpec};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId};
use overnight_core::input::{Override, with_overrides};
use overnight_core::metadata::Metadata;
use overnight_core::segment::{LineSet, ResultFile};
use overnight_store::store::NewObject;
use serde_json::value::RawValue;

use super::{find, metadata, refuse_deleted};
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::files::Announced;
use crate::gates::Reading;
use crate::json::{self, JsonType, Members};
use crate::lines::{Hidden, InputLines, Recorded, input_of};
use crate::once::{self, Asked};
use crate::params::{duplicate, members_of, refuse_unknown, shown, text};
use crate::path::BatchPath;
use crate::wire::batch::BatchObject;

/// How many values of a body may be set.
pub(crate) const OVERRIDES_MAX: usize = 32;

/// How many characters a key of them may have.
pub(crate) const OVERRIDE_KEY_CHARS_MAX: usize = 64;

/// Lines are written in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;

/// What a client wants to be run again.
#[derive(Debug, Default)]
struct Wanted {
    /// Only lines that failed for this cause.
    signature: Option<String>,
    overrides: Vec<Override>,
    /// Whether the new batch has notes of its own, in place of those of the old one.
    has_metadata: bool,
    metadata: Option<Metadata>,
}

/// Creates a batch of the failed lines.
#[expect(
    clippy::too_many_arguments,
    reason = "what the framework takes out of a request"
)]
pub(crate) async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
    Extension(reading): Extension<Reading>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let route = format!("POST /v1/batches/{id}/retry");
    let asked = once::ask(&api, &caller, &headers, &route, body).await?;
    let (body, once) = match asked {
        Asked::New(body, once) => (body, once),
        Asked::Before(answer) => return Ok(answer),
    };
    let wanted = parse(&body)?;
    let old = find(&api, &caller, &id).await?;
    let status = old.state.status();
    if !status.is_terminal() {
        let message = format!("Cannot retry a batch with status '{status}'.");
        return Err(ApiError::conflict(message));
    }
    refuse_deleted(&api, &caller, &old, ResultFile::Error).await?;
    let _turn = reading.turn().await?;
    let lines = failed_lines(&api, &old, wanted.signature.as_deref()).await?;
    let file = copy(&api, &old, &lines, &wanted.overrides).await?;
    let now = api.clock.now();
    let spec = BatchSpec {
        input_file: file,
        metadata: if wanted.has_metadata {
            wanted.metadata
        } else {
            old.spec.metadata.clone()
        },
        ..old.spec
    };
    let new = BatchId::new(now, api.entropy.draw());
    let batch = Batch {
        parent: Some(old.id),
        ..Batch::new(new, caller.project, spec, now)
    };
    let text = json::pretty_text(&BatchObject::from(&batch))?;
    let answer = once::insert(&api, once, NewObject::Batch(&batch), text).await?;
    api.wake.wake();
    Ok(answer)
}

fn parse(body: &[u8]) -> Result<Wanted, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Wanted::default());
    }
    let members = Members::of_body(body)?;
    refuse_unknown(&members, "", &["signature", "set", "model", "metadata"])?;
    let given = |key: &str| {
        let value = members.get(key);
        value.filter(|value| JsonType::of(value) != JsonType::Null)
    };
    let mut overrides = given("set").map_or(Ok(Vec::new()), overrides)?;
    if let Some(model) = given("model") {
        text("model", model)?;
        if overrides.iter().any(|set| set.key == "model") {
            return Err(duplicate("model"));
        }
        overrides.push(Override {
            key: "model".to_owned(),
            value: model.get().to_owned(),
        });
    }
    let notes = members.get("metadata");
    Ok(Wanted {
        signature: given("signature")
            .map(|signature| text("signature", signature))
            .transpose()?,
        overrides,
        has_metadata: notes.is_some(),
        metadata: notes.map(metadata::parse).transpose()?.flatten(),
    })
}

fn overrides(value: &RawValue) -> Result<Vec<Override>, ApiError> {
    let members = members_of("set", value)?.0;
    if members.len() > OVERRIDES_MAX {
        let message = format!("Invalid 'set': at most {OVERRIDES_MAX} values can be set.");
        let code = "object_above_max_properties";
        return Err(ApiError::invalid_param("set", code, message));
    }
    let each = |(key, value): (String, &RawValue)| {
        if key.chars().count() > OVERRIDE_KEY_CHARS_MAX {
            let message = format!(
                "Invalid property name in 'set': '{}' is too long.",
                shown(&key)
            );
            let code = "property_name_above_max_length";
            return Err(ApiError::invalid_param("set", code, message));
        }
        // A result is one line, and so is its request: in JSON, line ends stand between tokens only.
        let value = value.get().replace(['\n', '\r'], " ");
        Ok(Override { key, value })
    };
    members.into_iter().map(each).collect()
}

/// The numbers of the lines that failed, for that cause if one is named.
async fn failed_lines(
    api: &Arc<Api>,
    batch: &Batch,
    signature: Option<&str>,
) -> Result<LineSet, ApiError> {
    let mut lines = LineSet::new();
    let mut recorded = Recorded::new(api, batch, Hidden::default());
    while let Some(segment) = recorded.next().await? {
        if segment.tally.failed + segment.tally.unrun == 0 {
            continue;
        }
        if let Some(signature) = signature {
            for (line, failure) in recorded.failures(&segment).await? {
                if let Some(ended) = line
                    && failure.signature() == signature
                {
                    lines.insert(ended.line);
                }
            }
            continue;
        }
        for ended in recorded.lines(&segment).await? {
            if ended.file == ResultFile::Error {
                lines.insert(ended.line);
            }
        }
    }
    if lines.is_empty() {
        let with_cause = signature.map_or("", |_| " with that cause");
        let message = format!("Batch '{}' has no failed lines{with_cause}.", batch.id);
        return Err(ApiError::bad_request(message));
    }
    Ok(lines)
}

/// Copies those lines of the batch's input into a new file, and answers its id.
async fn copy(
    api: &Arc<Api>,
    batch: &Batch,
    lines: &LineSet,
    overrides: &[Override],
) -> Result<FileId, ApiError> {
    if !(api.has_space)() {
        let message = "The disk is almost full: no file can be made before there is room again.";
        return Err(ApiError::unavailable(message));
    }
    let input = input_of(api, batch).await?.ok_or_else(|| {
        let file = &batch.spec.input_file;
        ApiError::bad_request(format!(
            "The input file '{file}' is gone, and with it what its lines asked for."
        ))
    })?;
    let mut blob = Announced::begin(api).await?;
    let (mut waiting, mut size_bytes, mut copied) = (Vec::new(), 0_u64, 0_u64);
    let mut reader = InputLines::new(api, &input);
    while let Some(piece) = reader.next().await? {
        for (_, line) in piece.lines().filter(|(line, _)| lines.contains(*line)) {
            append(&mut waiting, line, overrides);
            copied += 1;
        }
        if waiting.len() >= PIECE_BYTES {
            size_bytes += waiting.len() as u64;
            blob.write(std::mem::take(&mut waiting).into()).await?;
        }
    }
    if copied != lines.len() {
        let text = format!("{copied} of {} lines are in the input", lines.len());
        return Err(ApiError::internal(std::io::Error::other(text)));
    }
    size_bytes += waiting.len() as u64;
    blob.write(waiting.into()).await?;
    let extent = blob.finish().await?;
    let now = api.clock.now();
    let file = File {
        id: FileId::new(now, api.entropy.draw()),
        project: batch.project.clone(),
        purpose: Purpose::Batch,
        filename: retried_name(&input.filename),
        bytes: size_bytes,
        created_at: now,
        expires_at: api.settings.batch_file_expiry.map(|after| now.plus(after)),
    };
    let inserted = api.store.insert_file(&file, &[extent]).await;
    inserted.map_err(ApiError::store)?;
    blob.keep();
    Ok(file.id)
}

/// Appends a line with the values that are wanted otherwise.
fn append(out: &mut Vec<u8>, line: &[u8], overrides: &[Override]) {
    let changed = match overrides {
        [] => None,
        overrides => std::str::from_utf8(line)
            .ok()
            .and_then(|line| with_overrides(line, overrides)),
    };
    out.extend_from_slice(changed.as_deref().map_or(line, str::as_bytes));
    out.push(b'\n');
}

/// `in.jsonl` is retried as `in-retry.jsonl`, and that under the same name.
fn retried_name(name: &str) -> String {
    let stem = name.strip_suffix(".jsonl").unwrap_or(name);
    let stem = stem.strip_suffix("-retry").unwrap_or(stem);
    format!("{stem}-retry.jsonl")
}
