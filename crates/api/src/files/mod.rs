//! Files: received, listed, shown, deleted and handed out.

mod announced;
pub(crate) mod check;
pub(crate) mod disposition;
mod download;
pub(crate) mod fields;
pub(crate) mod multipart;
mod range;
pub(crate) mod receive;
mod upload;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_store::store::{FileQuery, Order, Page};

pub(crate) use self::announced::Announced;
pub(crate) use self::download::content;
pub(crate) use self::upload::upload;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::params::{shown, unsupported};
use crate::path::FilePath;
use crate::query::Query;
use crate::wire::file::{FileDeleted, FileObject, FilePage};

/// How many files a page may have, and has when the client does not say.
pub(crate) const PAGE_MAX: u64 = 10_000;

/// `GET /v1/files/{id}`
pub(crate) async fn retrieve(
    State(api): State<Arc<Api>>,
    caller: Caller,
    FilePath(id): FilePath,
) -> Result<Response, ApiError> {
    json::pretty_line(&FileObject::from(&find(&api, &caller, &id).await?))
}

/// `DELETE /v1/files/{id}`: gone for every reader; a batch that runs keeps its input.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    FilePath(id): FilePath,
) -> Result<Response, ApiError> {
    let deleted = api
        .store
        .delete_file(&caller.project, &id, api.clock.now())
        .await;
    deleted.map_err(|error| ApiError::from_store(error, || no_file(id.as_str())))?;
    json::pretty_line(&FileDeleted::new(id.as_str()))
}

/// `GET /v1/files`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.as_deref());
    let limit = query
        .integer("limit", 1..=PAGE_MAX)
        .map_err(limit_text)?
        .unwrap_or(PAGE_MAX);
    let order = match query.one("order")? {
        None | Some("desc") => Order::Descending,
        Some("asc") => Order::Ascending,
        Some(other) => return Err(unsupported("order", shown(other), ["asc", "desc"])),
    };
    let purpose = match query.one("purpose")?.map(Purpose::parse) {
        // No file has a purpose that does not exist.
        Some(None) => {
            return json::pretty_line(&FilePage::from(&Page {
                items: Vec::new(),
                has_more: false,
            }));
        }
        Some(purpose) => purpose,
        None => None,
    };
    let query = FileQuery {
        purpose,
        after: query.one("after")?.map(FileId::from),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        order,
    };
    let found = api
        .store
        .files(&caller.project, &query, api.clock.now())
        .await;
    let page = found.map_err(|error| ApiError::from_store(error, no_cursor))?;
    json::pretty_line(&FilePage::from(&page))
}

/// A file of the caller's project.
async fn find(api: &Api, caller: &Caller, id: &FileId) -> Result<File, ApiError> {
    let found = api.store.file(&caller.project, id, api.clock.now()).await;
    found.map_err(|error| ApiError::from_store(error, || no_file(id.as_str())))
}

/// The documented 404.
pub(crate) fn no_file(id: &str) -> ApiError {
    ApiError {
        param: Some("id".to_owned()),
        ..ApiError::not_found(format!("No such File object: {id}"))
    }
}

fn no_cursor() -> ApiError {
    ApiError {
        param: Some("after".to_owned()),
        ..ApiError::not_found("Resource not found.")
    }
}

/// This route words its bounds in its own way; a wrong type is worded as everywhere.
fn limit_text(error: ApiError) -> ApiError {
    match error.code {
        Some("integer_above_max_value" | "integer_below_min_value") => ApiError {
            message: format!("limit must be between 1 and {PAGE_MAX}."),
            ..error
        },
        Some(_) | None => error,
    }
}
