//! Paths: tolerated spellings, and the ids in them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::Uri;
use http::request::Parts;
use overnight_core::id::{BatchId, FileId, UploadId};

use crate::api::Api;
use crate::errors::ApiError;
use crate::params::integer;

/// The same address without doubled and trailing slashes, so that they need no redirect (which a
/// POST would not survive).
pub(crate) fn tidied(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (path.len() < 2 || !path.ends_with('/')) {
        return None;
    }
    let mut tidy = String::with_capacity(uri.path_and_query().map_or(0, |all| all.as_str().len()));
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        tidy.push('/');
        tidy.push_str(segment);
    }
    if tidy.is_empty() {
        tidy.push('/');
    }
    if let Some(query) = uri.query() {
        tidy.push('?');
        tidy.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(tidy.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The id of a file in a path. Any text is one: what is not a file's id is a missing file.
#[derive(Debug)]
pub(crate) struct FilePath(pub(crate) FileId);

/// The id of a batch in a path; what does not begin as one is refused.
#[derive(Debug)]
pub(crate) struct BatchPath(pub(crate) BatchId);

/// The id of a batch and the number of one of its lines.
#[derive(Debug)]
pub(crate) struct LinePath {
    pub(crate) batch: BatchId,
    /// From 1.
    pub(crate) line: u64,
}

/// The id of an upload in a path. Any text is one: what is not an upload's id is a missing upload.
#[derive(Debug)]
pub(crate) struct UploadPath(pub(crate) UploadId);

/// The id of a model in a path; it may have slashes.
#[derive(Debug)]
pub(crate) struct ModelPath(pub(crate) String);

impl FromRequestParts<Arc<Api>> for FilePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        Ok(Self(text(parts).await?.into()))
    }
}

impl FromRequestParts<Arc<Api>> for BatchPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        batch_id("batch_id", &text(parts).await?).map(Self)
    }
}

impl FromRequestParts<Arc<Api>> for LinePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, &()).await;
        let Path((batch, line)) =
            path.map_err(|_| ApiError::no_route(&parts.method, parts.uri.path()))?;
        Ok(Self {
            batch: batch_id("batch_id", &batch)?,
            line: integer("line", &line, 1..=u64::from(u32::MAX))?,
        })
    }
}

impl FromRequestParts<Arc<Api>> for UploadPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        Ok(Self(text(parts).await?.into()))
    }
}

impl FromRequestParts<Arc<Api>> for ModelPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        text(parts).await.map(Self)
    }
}

/// A batch id that a client gave as that parameter.
pub(crate) fn batch_id(param: &str, text: &str) -> Result<BatchId, ApiError> {
    if text.starts_with("batch") {
        return Ok(text.into());
    }
    let message = format!("Invalid '{param}': '{text}'. Expected an ID that begins with 'batch'.");
    Err(ApiError::invalid_param(param, "invalid_value", message))
}

/// The one variable of the route, percent-decoded.
async fn text(parts: &mut Parts) -> Result<String, ApiError> {
    let path: Result<Path<String>, _> = Path::from_request_parts(parts, &()).await;
    path.map(|Path(text)| text)
        .map_err(|_| ApiError::no_route(&parts.method, parts.uri.path()))
}
