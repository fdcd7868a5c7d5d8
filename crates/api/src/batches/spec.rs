//! What a client asks for when it creates a batch, checked key by key with the documented refusals.

use std::time::Duration;

use overnight_core::batch::{BatchSpec, CompletionWindow};
use overnight_core::endpoint::{ENDPOINTS, Endpoint};
use overnight_core::id::FileId;
use serde_json::value::RawValue;

use super::metadata;
use crate::errors::ApiError;
use crate::json::{JsonType, Members};
use crate::params::{
    expiry, members_of, of_type, refuse_unknown, required_text, shown, too_long, unsupported,
};
use crate::settings::ApiSettings;

/// How many characters the id of a file may have. Ours have 27; nothing real is near.
pub(crate) const FILE_ID_CHARS_MAX: usize = 64;

const KEYS: [&str; 6] = [
    "input_file_id",
    "endpoint",
    "completion_window",
    "metadata",
    "output_expires_after",
    // Everything that we add to OpenAI's request stands under this one key.
    "overnight",
];

/// What a request asks for.
pub(super) struct Wanted {
    pub(super) spec: BatchSpec,
    /// Only to say what would become of it.
    pub(super) is_dry_run: bool,
}

/// Reads a request.
///
/// # Errors
///
/// 400 with the documented message, param and code for the first thing that is wrong.
pub(super) fn parse(body: &[u8], settings: &ApiSettings) -> Result<Wanted, ApiError> {
    let members = Members::of_body(body)?;
    refuse_unknown(&members, "", &KEYS)?;
    let spec = BatchSpec {
        input_file: input_file(&required_text(&members, "input_file_id")?)?,
        endpoint: endpoint(&required_text(&members, "endpoint")?, settings)?,
        window: window(&required_text(&members, "completion_window")?, settings)?,
        metadata: members.get("metadata").map_or(Ok(None), metadata::parse)?,
        output_expires_after: match members.get("output_expires_after") {
            Some(value) => expiry("output_expires_after", value)?,
            None => None,
        },
    };
    let is_dry_run = members.get("overnight").map_or(Ok(false), is_dry_run)?;
    Ok(Wanted { spec, is_dry_run })
}

fn input_file(id: &str) -> Result<FileId, ApiError> {
    let param = "input_file_id";
    if id.chars().count() > FILE_ID_CHARS_MAX {
        return Err(too_long(param, FILE_ID_CHARS_MAX, id.chars().count()));
    }
    if !id.starts_with("file") {
        let message = format!("Invalid '{param}': '{id}'. Expected an ID that begins with 'file'.");
        return Err(ApiError::invalid_param(param, "invalid_value", message));
    }
    Ok(id.into())
}

fn endpoint(path: &str, settings: &ApiSettings) -> Result<Endpoint, ApiError> {
    let extras = settings.extra_endpoints.iter().map(String::as_str);
    let mut supported: Vec<&str> = ENDPOINTS.into_iter().chain(extras).collect();
    if supported.contains(&path) {
        return Ok(path.into());
    }
    supported.sort_unstable();
    Err(unsupported("endpoint", shown(path), supported))
}

fn window(text: &str, settings: &ApiSettings) -> Result<CompletionWindow, ApiError> {
    if let Some(length) = settings.windows.get(text) {
        return Ok(CompletionWindow {
            text: text.into(),
            length: Some(*length),
        });
    }
    let mut supported: Vec<(&String, &Duration)> = settings.windows.iter().collect();
    supported.sort_unstable_by_key(|(_, length)| **length);
    let supported = supported.into_iter().map(|(text, _)| text.as_str());
    Err(unsupported("completion_window", shown(text), supported))
}

/// Whether the extensions ask to check the batch and not to create it. To ignore one that is not
/// known would be to promise it.
fn is_dry_run(value: &RawValue) -> Result<bool, ApiError> {
    if JsonType::of(value) == JsonType::Null {
        return Ok(false);
    }
    let members = members_of("overnight", value)?;
    refuse_unknown(&members, "overnight.", &["dry_run"])?;
    let Some(dry_run) = members.get("dry_run") else {
        return Ok(false);
    };
    of_type("overnight.dry_run", dry_run, JsonType::Boolean)?;
    Ok(dry_run.get() == "true")
}
