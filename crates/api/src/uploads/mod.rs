//! Uploads: files that come in parts, several at a time, and are put together without a copy.
//!
//! A part is a blob, received like a file; completing an upload makes a file of the extents of its
//! parts. What the bytes are is looked at then, for only then is their order known.

mod check;
mod complete;
pub(crate) mod create;
mod parts;
mod refusals;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_core::id::UploadId;
use overnight_core::upload::Upload;

pub(crate) use self::complete::complete;
pub(crate) use self::create::create;
pub(crate) use self::parts::add_part;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::path::UploadPath;
use crate::wire::upload::UploadObject;

/// `POST /v1/uploads/{id}/cancel`: gives an upload up; its parts are deleted. A body is not looked
/// at.
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    UploadPath(id): UploadPath,
) -> Result<Response, ApiError> {
    let now = api.clock.now();
    let cancelled = api.store.cancel_upload(&caller.project, &id, now).await;
    let upload = cancelled.map_err(|error| refusals::from_store(error, &id))?;
    json::pretty_line(&UploadObject::new(&upload, None, now))
}

/// An upload of the caller's project that is open.
async fn find_open(api: &Api, caller: &Caller, id: &UploadId) -> Result<Upload, ApiError> {
    let upload = find(api, caller, id).await?;
    refuse_closed(api, &upload)?;
    Ok(upload)
}

/// Refuses an upload that is not open any more.
fn refuse_closed(api: &Api, upload: &Upload) -> Result<(), ApiError> {
    upload
        .is_open(api.clock.now())
        .map_err(|refusal| refusals::refused(&refusal, &upload.id))
}

/// An upload of the caller's project.
async fn find(api: &Api, caller: &Caller, id: &UploadId) -> Result<Upload, ApiError> {
    let found = api.store.upload(&caller.project, id).await;
    found.map_err(|error| refusals::from_store(error, id))
}
