//! `POST /v1/files`: a form is read as it comes, and its file goes straight to the blobs.
//!
//! The parts come in any order, so what the file is for may be known only behind its last byte.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use overnight_core::file::File;
use overnight_core::id::FileId;

use super::check::InputCheck;
use super::disposition::refuse_long;
use super::fields::{Field, Fields, required};
use super::multipart::{Form, Part};
use super::receive::{Bound, Received, open, receive};
use crate::api::Api;
use crate::auth::Caller;
use crate::drain::drain;
use crate::errors::ApiError;
use crate::json;
use crate::params::duplicate;
use crate::wire::file::FileObject;

/// How many bytes a field of the form may have.
const FIELD_BYTES_MAX: usize = 4 * 1024;

/// Receives a file.
pub(crate) async fn upload(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let mut form = open(&api, &headers, body, bound(&api))?;
    let inserted = insert(&api, &caller, &mut form).await;
    drain(&api, form.into_rest());
    json::pretty_line(&FileObject::from(&inserted?))
}

fn bound(api: &Api) -> Bound {
    Bound {
        bytes_max: api.settings.upload_bytes_max,
        what: "File",
    }
}

/// A file whose bytes have all come, though no row names them yet.
struct ReceivedFile {
    filename: String,
    check: InputCheck,
    bytes: Received,
}

async fn insert(api: &Arc<Api>, caller: &Caller, form: &mut Form) -> Result<File, ApiError> {
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
    let received = received.ok_or_else(|| required("file"))?;
    received.check.verdict(purpose, &received.filename)?;
    let created_at = api.clock.now();
    let file = File {
        id: FileId::new(created_at, api.entropy.draw()),
        project: caller.project.clone(),
        purpose,
        filename: received.filename,
        bytes: received.bytes.size_bytes,
        created_at,
        expires_at: fields.expires_at(created_at, api.settings.batch_file_expiry)?,
    };
    let mut blob = received.bytes.blob;
    let extent = blob.finish().await?;
    api.store
        .insert_file(&file, &[extent])
        .await
        .map_err(ApiError::store)?;
    blob.keep();
    Ok(file)
}

/// The refusal of a `file` that is a text, as other parts are.
fn unnamed_file() -> ApiError {
    let missing = required("file");
    ApiError {
        message: format!(
            "{}: the part of that name is a text, and must be a file, with a filename",
            missing.message
        ),
        ..missing
    }
}

async fn receive_file(
    api: &Arc<Api>,
    part: Part,
    form: &mut Form,
) -> Result<ReceivedFile, ApiError> {
    let filename = part.filename.ok_or_else(unnamed_file)?;
    refuse_long(&filename)?;
    let mut check = InputCheck::default();
    let bytes = receive(api, form, bound(api), |bytes| check.feed(bytes)).await?;
    Ok(ReceivedFile {
        filename,
        check,
        bytes,
    })
}
