//! `GET /v1/overview`: how everything is getting on at a glance; a route of our own.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::wire::engine::OverviewObject;

/// The batches of the caller's project, and the upstreams of all.
pub(crate) async fn overview(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let seen = api.store.overview(&caller.project).await;
    let upstreams = api.store.upstreams().await.map_err(ApiError::store)?;
    let seen = seen.map_err(ApiError::store)?;
    json::pretty(&OverviewObject::new(&seen, &upstreams))
}
