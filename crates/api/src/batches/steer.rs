//! Pausing, resuming and deleting batches; routes of our own.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_core::id::BatchId;
use overnight_store::StoreError;

use super::no_batch;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::path::BatchPath;
use crate::wire::batch::{BatchObject, DeletedBatch};

/// `POST /v1/batches/{id}/pause`: nothing more is sent, and what is in flight goes on. A body is not
/// looked at.
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    set_paused(&api, &caller, &id, true).await
}

/// `POST /v1/batches/{id}/resume`: goes on where it was paused. A body is not looked at.
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    set_paused(&api, &caller, &id, false).await
}

async fn set_paused(
    api: &Api,
    caller: &Caller,
    id: &BatchId,
    paused: bool,
) -> Result<Response, ApiError> {
    let at = api.clock.now();
    let set = api.store.set_paused(&caller.project, id, paused, at).await;
    let what = if paused { "pause" } else { "resume" };
    let batch = set.map_err(|error| refused(error, id, what))?;
    api.wake.wake();
    json::compact(&BatchObject::from(&batch))
}

/// `DELETE /v1/batches/{id}`: the batch is gone, and its result files as if deleted one by one.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    let at = api.clock.now();
    let deleted = api.store.delete_batch(&caller.project, &id, at).await;
    deleted.map_err(|error| refused(error, &id, "delete"))?;
    json::pretty(&DeletedBatch::new(&id))
}

/// What a verb that the batch's status forbids means to a client.
fn refused(error: StoreError, id: &BatchId, what: &str) -> ApiError {
    match error {
        StoreError::Illegal(illegal) => ApiError::conflict(format!(
            "Cannot {what} a batch with status '{}'.",
            illegal.status
        )),
        other @ (StoreError::NotFound
        | StoreError::Refused(_)
        | StoreError::Fenced
        | StoreError::Unavailable(_)
        | StoreError::Contradicts(_)
        | StoreError::Corrupt(_)) => ApiError::from_store(other, || no_batch(id.as_str())),
    }
}
