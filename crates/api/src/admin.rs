//! What whoever runs the server may ask; routes of our own.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::wire::List;
use crate::wire::engine::UpstreamObject;

/// `GET /admin/upstreams`: what every worker last said of its upstreams.
pub(crate) async fn upstreams(
    State(api): State<Arc<Api>>,
    _: Caller,
) -> Result<Response, ApiError> {
    let upstreams = api.store.upstreams().await.map_err(ApiError::store)?;
    json::pretty(&List::new(
        upstreams.iter().map(UpstreamObject::from).collect(),
    ))
}
