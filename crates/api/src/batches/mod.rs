//! Batches: created, shown, listed and cancelled here, and run elsewhere.

mod create;
pub(crate) mod metadata;
mod results;
pub(crate) mod spec;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use overnight_core::batch::Batch;
use overnight_core::id::BatchId;
use overnight_store::StoreError;
use overnight_store::status::DISK_NEARLY_FULL;
use overnight_store::store::Page;

pub(crate) use self::create::create;
pub(crate) use self::results::results;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::path::{BatchPath, batch_id};
use crate::query::Query;
use crate::wire::batch::{BatchObject, BatchPage};
use crate::wire::engine::ProgressObject;

/// How many batches a page has when the client does not say.
const PAGE_DEFAULT: usize = 20;

/// How many batches a page may have.
pub(crate) const PAGE_MAX: u64 = 100;

/// `GET /v1/batches/{id}`. Clients poll this: it is one read of one row.
pub(crate) async fn retrieve(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    json::pretty(&BatchObject::from(&find(&api, &caller, &id).await?))
}

/// `GET /v1/batches`: newest first.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.as_deref());
    let limit = match query.integer("limit", 0..=PAGE_MAX)? {
        Some(limit) => usize::try_from(limit).unwrap_or(PAGE_DEFAULT),
        None => PAGE_DEFAULT,
    };
    let after = query
        .one("after")?
        .map(|text| batch_id("after", text))
        .transpose()?;
    // The live service answers an empty page to `limit=0`. It says that nothing follows, for a
    // client that goes on while something does would ask forever.
    if limit == 0 {
        return json::pretty(&BatchPage::from(&Page {
            items: Vec::new(),
            has_more: false,
        }));
    }
    let page = api
        .store
        .batches(&caller.project, after.as_ref(), limit)
        .await
        .map_err(|error| {
            ApiError::from_store(error, || {
                no_batch(after.as_ref().map_or("", BatchId::as_str))
            })
        })?;
    json::pretty(&BatchPage::from(&page))
}

/// `POST /v1/batches/{id}/cancel`: asks to cancel; the run does the rest. A body is not looked at.
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    let cancelled = api
        .store
        .cancel(&caller.project, &id, api.clock.now())
        .await;
    let batch = cancelled.map_err(|error| match error {
        StoreError::Illegal(illegal) => ApiError::conflict(format!(
            "Cannot cancel a batch with status '{}'.",
            illegal.status
        )),
        other @ (StoreError::NotFound
        | StoreError::Refused(_)
        | StoreError::Fenced
        | StoreError::Unavailable(_)
        | StoreError::Contradicts(_)
        | StoreError::Corrupt(_)) => ApiError::from_store(other, || no_batch(id.as_str())),
    })?;
    api.wake.wake();
    json::compact(&BatchObject::from(&batch))
}

/// `GET /v1/batches/{id}/progress`, our own: what the batch is doing, and why it waits.
pub(crate) async fn progress(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    let batch = find(&api, &caller, &id).await?;
    let progress = api.store.progress(&caller.project, &id).await;
    let progress =
        progress.map_err(|error| ApiError::from_store(error, || no_batch(id.as_str())))?;
    let held = (!(api.has_space)()).then_some(DISK_NEARLY_FULL);
    json::pretty(&ProgressObject::new(&batch, progress.as_ref(), held))
}

/// A batch of the caller's project.
async fn find(api: &Api, caller: &Caller, id: &BatchId) -> Result<Batch, ApiError> {
    let found = api.store.batch(&caller.project, id).await;
    found.map_err(|error| ApiError::from_store(error, || no_batch(id.as_str())))
}

/// The documented 404.
fn no_batch(id: &str) -> ApiError {
    ApiError::not_found(format!("No batch found with id '{id}'."))
}
