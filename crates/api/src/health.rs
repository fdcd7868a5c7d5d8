//! Probes and metrics. They need no caller.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::api::Api;
use crate::errors::ApiError;
use crate::json;

/// The format that Prometheus reads.
pub(crate) const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Serialize)]
struct Probe {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

/// `GET /health`: the process is alive and answers.
pub(crate) async fn health() -> Result<Response, ApiError> {
    json::compact(&Probe {
        status: "ok",
        role: None,
    })
}

/// `GET /ready`: it can do its work, and which that is; or 503 with the reason.
pub(crate) async fn ready(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    (api.ready)().map_err(ApiError::unavailable)?;
    api.store.ping().await.map_err(ApiError::store)?;
    json::compact(&Probe {
        status: "ready",
        role: Some(api.role),
    })
}

/// `GET /metrics`: in the `OpenMetrics` text format, which Prometheus reads.
pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], (api.render_metrics)()).into_response()
}
