//! `GET /v1/batches/{id}/results`, our own: the result lines of a batch as they are recorded.
//!
//! A client asks again from where it stopped. What is recorded never moves, so an offset stays good
//! while the batch runs, after it has ended, and over a restart.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use overnight_core::batch::Batch;
use overnight_core::id::FileId;
use overnight_core::segment::ResultFile;
use overnight_store::StoreError;
use overnight_store::store::Content;

use super::find;
use crate::api::Api;
use crate::auth::Caller;
use crate::content::{ContentReader, end_of};
use crate::errors::ApiError;
use crate::files::no_file;
use crate::params::unsupported;
use crate::path::BatchPath;
use crate::query::Query;

const STATUS: HeaderName = HeaderName::from_static("x-overnight-status");
const NEXT_OFFSET: HeaderName = HeaderName::from_static("x-overnight-next-offset");

/// How many extents one answer spans; the client asks again for what lies behind them.
const EXTENTS_MAX: usize = 1_024;

/// Answers what is recorded of one of the two files from a byte on. The header
/// `x-overnight-next-offset` says from which byte to ask next, `x-overnight-status` what the
/// batch's status was before the bytes were looked up: an empty answer with a status that is final
/// is the end.
pub(crate) async fn results(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.as_deref());
    let file = which(&query)?;
    let offset = query.integer("offset", 0..=u64::MAX >> 1)?.unwrap_or(0);
    let batch = find(&api, &caller, &id).await?;
    refuse_deleted(&api, &caller, &batch, file).await?;

    let content = Content::Results(id, file);
    // The byte before the offset is asked for as well: it tells the end from what lies behind it.
    let found = api
        .store
        .extents(&content, offset.saturating_sub(1), EXTENTS_MAX)
        .await;
    let extents = found.map_err(ApiError::store)?;
    let next_offset = end_of(&extents).unwrap_or(0);
    if next_offset < offset {
        return Err(ApiError::invalid_param(
            "offset",
            "invalid_value",
            format!("Invalid 'offset': the batch has not recorded {offset} bytes of that file."),
        ));
    }
    let reader = ContentReader::new(Arc::clone(&api), content, offset..next_offset);
    let body = match method {
        Method::HEAD => axum::body::Body::empty(),
        _ => reader.with_extents(extents).into_body().await?,
    };
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (CONTENT_LENGTH, HeaderValue::from(next_offset - offset)),
        (
            STATUS,
            HeaderValue::from_static(batch.state.status().as_str()),
        ),
        (NEXT_OFFSET, HeaderValue::from(next_offset)),
    ];
    Ok((headers, body).into_response())
}

fn which(query: &Query) -> Result<ResultFile, ApiError> {
    match query.one("file")?.unwrap_or("output") {
        "output" => Ok(ResultFile::Output),
        "error" => Ok(ResultFile::Error),
        other => Err(unsupported("file", other, ["output", "error"])),
    }
}

/// A result file that was deleted or has expired is gone from here as well.
pub(crate) async fn refuse_deleted(
    api: &Api,
    caller: &Caller,
    batch: &Batch,
    file: ResultFile,
) -> Result<(), ApiError> {
    let Some(id) = sealed(batch, file) else {
        return Ok(());
    };
    let found = api.store.file(&caller.project, id, api.clock.now()).await;
    found
        .map(drop)
        .map_err(|error| ApiError::from_store(error, || no_file(id.as_str())))
}

/// Whether a result file was deleted or has expired.
pub(crate) async fn is_deleted(
    api: &Api,
    caller: &Caller,
    batch: &Batch,
    file: ResultFile,
) -> Result<bool, ApiError> {
    let Some(id) = sealed(batch, file) else {
        return Ok(false);
    };
    match api.store.file(&caller.project, id, api.clock.now()).await {
        Ok(_) => Ok(false),
        Err(StoreError::NotFound) => Ok(true),
        Err(error) => Err(ApiError::store(error)),
    }
}

/// The id of a result file, once the batch has ended with one.
fn sealed(batch: &Batch, file: ResultFile) -> Option<&FileId> {
    batch.state.results().and_then(|results| match file {
        ResultFile::Output => results.output_file.as_ref(),
        ResultFile::Error => results.error_file.as_ref(),
    })
}
