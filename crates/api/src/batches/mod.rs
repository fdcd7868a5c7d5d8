//! Batches: created, shown, listed and cancelled here, and run elsewhere.

mod create;
mod dry_run;
pub(crate) mod metadata;
mod results;
mod retry;
pub(crate) mod spec;
mod steer;
mod verify;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use overnight_core::batch::{Batch, Status};
use overnight_core::id::{BatchId, ProjectId};
use overnight_store::StoreError;
use overnight_store::status::DISK_NEARLY_FULL;
use overnight_store::store::{BatchQuery, Page};

pub(crate) use self::create::create;
pub(crate) use self::results::{is_deleted, refuse_deleted, results};
pub(crate) use self::retry::{OVERRIDE_KEY_CHARS_MAX, OVERRIDES_MAX, retry};
pub(crate) use self::steer::{delete, pause, resume};
pub(crate) use self::verify::verify;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::params::{shown, too_long, unsupported};
use crate::path::{BatchPath, batch_id};
use crate::query::Query;
use crate::wire::batch::{BatchObject, BatchPage};
use crate::wire::engine::{Known, ProgressObject};

/// How many batches a page has when the client does not say.
const PAGE_DEFAULT: usize = 20;

/// How many batches a page may have.
pub(crate) const PAGE_MAX: u64 = 100;

/// How many batches a batch is shown to have been retried as.
pub(crate) const CHILDREN_MAX: usize = 100;

/// How long a text may be that batches are searched for, in characters.
const SEARCH_CHARS_MAX: usize = 512;

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
    let query = BatchQuery {
        after,
        limit,
        statuses: statuses(query.one("status")?)?,
        search: query.one("search")?.map(search).transpose()?,
        parent: None,
    };
    let page = if query.statuses.is_empty() && query.search.is_none() {
        let after = query.after.as_ref();
        api.store.batches(&caller.project, after, limit).await
    } else {
        api.store.find_batches(&caller.project, &query).await
    };
    let page = page.map_err(|error| {
        let after = query.after.as_ref();
        ApiError::from_store(error, || no_batch(after.map_or("", BatchId::as_str)))
    })?;
    json::pretty(&BatchPage::from(&page))
}

/// The statuses of a list with commas; none when there is no list.
fn statuses(list: Option<&str>) -> Result<Vec<Status>, ApiError> {
    let words = list.into_iter().flat_map(|list| list.split(','));
    let status = |word: &str| {
        let word = word.trim();
        Status::parse(word)
            .ok_or_else(|| unsupported("status", shown(word), Status::ALL.map(Status::as_str)))
    };
    words.filter(|word| !word.is_empty()).map(status).collect()
}

fn search(text: &str) -> Result<String, ApiError> {
    let chars = text.chars().count();
    if chars > SEARCH_CHARS_MAX {
        return Err(too_long("search", SEARCH_CHARS_MAX, chars));
    }
    if text.contains('\0') {
        let message = "Invalid 'search': no text has a NUL in it.";
        return Err(ApiError::invalid_param("search", "invalid_value", message));
    }
    Ok(text.to_owned())
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
    let children = children(&api, &caller.project, &id).await?;
    let known = Known {
        progress: progress.as_ref(),
        children: &children,
        held: held(&api),
    };
    json::pretty(&ProgressObject::new(&batch, known))
}

/// Why nothing is sent of any batch, while that is so.
pub(crate) fn held(api: &Api) -> Option<&'static str> {
    (!(api.has_space)()).then_some(DISK_NEARLY_FULL)
}

/// The batches that were made of this one's failed lines, the newest first.
pub(crate) async fn children(
    api: &Api,
    project: &ProjectId,
    id: &BatchId,
) -> Result<Vec<BatchId>, ApiError> {
    let query = BatchQuery {
        limit: CHILDREN_MAX,
        parent: Some(id.clone()),
        ..BatchQuery::default()
    };
    let found = api.store.find_batches(project, &query).await;
    let found = found.map_err(ApiError::store)?.items;
    Ok(found.into_iter().map(|batch| batch.id).collect())
}

/// A batch of the caller's project.
pub(crate) async fn find(api: &Api, caller: &Caller, id: &BatchId) -> Result<Batch, ApiError> {
    let found = api.store.batch(&caller.project, id).await;
    found.map_err(|error| ApiError::from_store(error, || no_batch(id.as_str())))
}

/// The documented 404.
pub(crate) fn no_batch(id: &str) -> ApiError {
    ApiError::not_found(format!("No batch found with id '{id}'."))
}
