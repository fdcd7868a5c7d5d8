//! `POST /v1/uploads`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use overnight_core::file::Purpose;
use overnight_core::id::UploadId;
use overnight_core::upload::{Upload, UploadState};
use overnight_store::store::NewObject;

use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
pub(crate) use crate::files::disposition::FILENAME_CHARS_MAX;
use crate::files::disposition::{base_name, refuse_long};
use crate::files::{check, fields};
use crate::json::{self, Members};
use crate::once::{self, Asked};
use crate::params::{expiry, integer_value, missing, refuse_unknown, required_text};
use crate::wire::upload::UploadObject;

const KEYS: [&str; 5] = ["bytes", "filename", "mime_type", "purpose", "expires_after"];

/// Creates an upload: nothing of it is there but what its file is to be.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let asked = once::ask(&api, &caller, &headers, "POST /v1/uploads", body).await?;
    let (body, once) = match asked {
        Asked::New(body, once) => (body, once),
        Asked::Before(answer) => return Ok(answer),
    };
    let upload = parse(&api, &caller, &body)?;
    let text = json::pretty_line_text(&UploadObject::new(&upload, None, upload.created_at))?;
    once::insert(&api, once, NewObject::Upload(&upload), text).await
}

/// Reads a request.
///
/// # Errors
///
/// 400 for the first thing that is wrong. The name of a batch's input is judged here, before all of
/// its bytes were sent for nothing.
fn parse(api: &Api, caller: &Caller, body: &[u8]) -> Result<Upload, ApiError> {
    let settings = &api.settings;
    let members = Members::of_body(body)?;
    refuse_unknown(&members, "", &KEYS)?;
    let filename = filename(&required_text(&members, "filename")?)?;
    let purpose = fields::purpose(&required_text(&members, "purpose")?)?;
    let bytes = members.get("bytes").ok_or_else(|| missing("bytes"))?;
    let bytes = integer_value("bytes", bytes, 1..=settings.multipart_bytes_max)?;
    // Documented as needed; nothing depends on it.
    required_text(&members, "mime_type")?;
    let expires_after = match members.get("expires_after") {
        Some(value) => expiry("expires_after", value)?,
        None => None,
    };
    check::name(purpose, &filename)?;
    let created_at = api.clock.now();
    let batch_default = settings
        .batch_file_expiry
        .filter(|_| purpose == Purpose::Batch);
    Ok(Upload {
        id: UploadId::new(created_at, api.entropy.draw()),
        project: caller.project.clone(),
        purpose,
        filename,
        bytes,
        created_at,
        expires_at: created_at.plus(settings.upload_expiry),
        file_expires_after: expires_after.or(batch_default),
        parts: 0,
        part_bytes: 0,
        state: UploadState::Pending,
    })
}

fn filename(path: &str) -> Result<String, ApiError> {
    let param = "filename";
    let name = base_name(path).ok_or_else(|| {
        let message =
            format!("Invalid '{param}': expected the name of a file, such as 'in.jsonl'.");
        ApiError::invalid_param(param, "invalid_value", message)
    })?;
    refuse_long(&name)?;
    Ok(name)
}
