//! `POST /v1/files`: a form is read as it comes, and its file goes straight to the blobs.
//!
//! The parts come in any order, so what the file is for may be known only behind its last byte. A
//! refused upload leaves nothing behind, and its client sees the refusal even while it is sending.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use overnight_core::file::File;
use overnight_core::id::FileId;

use super::announced::Announced;
use super::check::InputCheck;
use super::fields::{Field, Fields, required};
use super::multipart::{Form, FormError, Part};
use crate::api::Api;
use crate::auth::Caller;
use crate::drain::{drain, drain_unread};
use crate::errors::ApiError;
use crate::json;
use crate::params::duplicate;
use crate::wire::file::FileObject;

/// How many bytes a form may have beside its file.
const FORM_BYTES_MAX: u64 = 1024 * 1024;

/// After how many bytes it is asked again whether there is room for more.
const SPACE_LOOK_BYTES: u64 = 8 * 1024 * 1024;

/// How many bytes a field of the form may have.
const FIELD_BYTES_MAX: usize = 4 * 1024;

/// Receives a file.
pub(crate) async fn upload(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Err(refusal) = refuse_early(&api, &headers) {
        drain_unread(&api, &headers, body);
        return Err(refusal);
    }
    let mut form = match Form::new(headers.get(CONTENT_TYPE), body, api.settings.body_idle_max) {
        Ok(form) => form,
        Err(body) => {
            drain(&api, body.into_data_stream());
            return Err(FormError::NotAForm.into());
        }
    };
    let received = receive(&api, &caller, &mut form).await;
    drain(&api, form.into_rest());
    json::pretty_line(&FileObject::from(&received?))
}

/// What can be told before a byte of the body was read.
fn refuse_early(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    refuse_without_space(api)?;
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > api.settings.upload_bytes_max + FORM_BYTES_MAX) {
        return Err(too_large());
    }
    Ok(())
}

fn refuse_without_space(api: &Api) -> Result<(), ApiError> {
    if (api.has_space)() {
        return Ok(());
    }
    Err(ApiError::unavailable(
        "The disk is almost full: no file can be uploaded before there is room again.",
    ))
}

/// A file whose bytes have all come, though no row names them yet.
struct Received {
    filename: String,
    check: InputCheck,
    blob: Announced,
    size_bytes: u64,
}

async fn receive(api: &Arc<Api>, caller: &Caller, form: &mut Form) -> Result<File, ApiError> {
    let mut fields = Fields::default();
    let mut received = None;
    while let Some(part) = form.next_part().await? {
        if part.name == "file" {
            if received.is_some() {
                return Err(duplicate("file"));
            }
            received = Some(receive_file(api, part, form).await?);
        } else if let Some(field) = Field::named(&part.name) {
            fields.set(field, &form.text(FIELD_BYTES_MAX).await?)?;
        }
    }
    let purpose = fields.purpose()?;
    let mut received = received.ok_or_else(|| required("file"))?;
    received.check.verdict(purpose, &received.filename)?;
    let created_at = api.clock.now();
    let file = File {
        id: FileId::new(created_at, api.entropy.draw()),
        project: caller.project.clone(),
        purpose,
        filename: received.filename,
        bytes: received.size_bytes,
        created_at,
        expires_at: fields.expires_at(created_at, api.settings.batch_file_expiry)?,
    };
    let extent = received.blob.finish().await?;
    api.store
        .insert_file(&file, &[extent])
        .await
        .map_err(ApiError::store)?;
    received.blob.keep();
    Ok(file)
}

async fn receive_file(api: &Arc<Api>, part: Part, form: &mut Form) -> Result<Received, ApiError> {
    let filename = part.filename.ok_or_else(|| required("file"))?;
    let mut blob = Announced::begin(api).await?;
    let mut check = InputCheck::default();
    let mut size_bytes: u64 = 0;
    while let Some(bytes) = form.chunk().await? {
        let looked_at = size_bytes / SPACE_LOOK_BYTES;
        size_bytes += bytes.len() as u64;
        if size_bytes > api.settings.upload_bytes_max {
            return Err(too_large());
        }
        if size_bytes / SPACE_LOOK_BYTES > looked_at {
            refuse_without_space(api)?;
        }
        check.feed(&bytes);
        blob.write(bytes).await?;
    }
    Ok(Received {
        filename,
        check,
        blob,
        size_bytes,
    })
}

fn too_large() -> ApiError {
    ApiError::too_large("File is too large.")
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        let message = format!("We could not read the form of your request: {error}.");
        Self::bad_request(message).because(error)
    }
}
