//! The part of a form that holds bytes: it goes straight to the blobs, under a limit, whatever it is
//! to become.
//!
//! A refused request leaves nothing behind, and its client sees the refusal even while it is
//! sending.

use std::sync::Arc;

use axum::body::Body;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::announced::Announced;
use super::multipart::{Form, FormError};
use crate::api::Api;
use crate::drain::{drain, drain_unread};
use crate::errors::ApiError;

/// How many bytes a form may have beside the part that holds bytes.
const FORM_BYTES_MAX: u64 = 1024 * 1024;

/// After how many bytes it is asked again whether there is room for more.
const SPACE_LOOK_BYTES: u64 = 8 * 1024 * 1024;

/// How large it may be, and what it is called when it is larger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// In bytes.
    pub(crate) bytes_max: u64,
    /// The first word of the refusal.
    pub(crate) what: &'static str,
}

/// Bytes that have all come, though no row names them yet.
pub(crate) struct Received {
    /// The blob, to be finished.
    pub(crate) blob: Announced,
    /// How many there are.
    pub(crate) size_bytes: u64,
}

/// Begins to read a request's form.
///
/// # Errors
///
/// What can be told before a byte of the body was read: there is no room, it is too large, or it is
/// no form.
pub(crate) fn open(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
    bound: Bound,
) -> Result<Form, ApiError> {
    let early = refuse_without_space(api).and_then(|()| bound.refuse_length(headers));
    if let Err(refusal) = early {
        return Err(refuse(api, headers, body, refusal));
    }
    Form::new(headers.get(CONTENT_TYPE), body, api.settings.body_idle_max).map_err(|body| {
        drain(api, body.into_data_stream());
        FormError::NotAForm.into()
    })
}

/// Refuses a request whose body nobody has begun to read.
pub(crate) fn refuse(api: &Api, headers: &HeaderMap, body: Body, refusal: ApiError) -> ApiError {
    drain_unread(api, headers, body);
    refusal
}

/// Receives the present part of a form; `look` sees its bytes as they pass.
///
/// # Errors
///
/// 413 above the bound, 503 when the disk fills up, 400 when the form breaks off.
pub(crate) async fn receive(
    api: &Arc<Api>,
    form: &mut Form,
    bound: Bound,
    mut look: impl FnMut(&[u8]),
) -> Result<Received, ApiError> {
    let mut blob = Announced::begin(api).await?;
    let mut size_bytes: u64 = 0;
    while let Some(bytes) = form.chunk().await? {
        let looked_at = size_bytes / SPACE_LOOK_BYTES;
        size_bytes += bytes.len() as u64;
        if size_bytes > bound.bytes_max {
            return Err(bound.too_large());
        }
        if size_bytes / SPACE_LOOK_BYTES > looked_at {
            refuse_without_space(api)?;
        }
        look(&bytes);
        blob.write(bytes).await?;
    }
    Ok(Received { blob, size_bytes })
}

impl Bound {
    fn refuse_length(self, headers: &HeaderMap) -> Result<(), ApiError> {
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        let most = self.bytes_max.saturating_add(FORM_BYTES_MAX);
        if length.is_some_and(|length| length > most) {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(self) -> ApiError {
        ApiError::too_large(format!("{} is too large.", self.what))
    }
}

fn refuse_without_space(api: &Api) -> Result<(), ApiError> {
    if (api.has_space)() {
        return Ok(());
    }
    Err(ApiError::unavailable(
        "The disk is almost full: no file can be uploaded before there is room again.",
    ))
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        let message = format!("We could not read the form of your request: {error}.");
        Self::bad_request(message).because(error)
    }
}
