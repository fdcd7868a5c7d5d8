//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::api::Api;
use crate::errors::ApiError;
use crate::surface::{Surface, note_route};
use crate::{admin, batches, files, health, models, uploads};

/// The whole surface. It takes requests in any number at once and keeps nothing between them.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let routes = Router::new()
        .route("/v1/files", get(files::list).post(files::upload))
        .route("/v1/files/{id}", get(files::retrieve).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/uploads", post(uploads::create))
        .route("/v1/uploads/{id}/parts", post(uploads::add_part))
        .route("/v1/uploads/{id}/complete", post(uploads::complete))
        .route("/v1/uploads/{id}/cancel", post(uploads::cancel))
        .route("/v1/batches", get(batches::list).post(batches::create))
        .route("/v1/batches/{id}", get(batches::retrieve))
        .route("/v1/batches/{id}/cancel", post(batches::cancel))
        .route("/v1/batches/{id}/results", get(batches::results))
        .route("/v1/batches/{id}/progress", get(batches::progress))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
        .route("/admin/upstreams", get(admin::upstreams))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(no_route)
        .with_state(Arc::clone(&api))
        .layer(from_fn(note_route));
    Router::new().fallback_service(Surface { routes, api })
}

async fn no_route(request: Request) -> ApiError {
    ApiError::no_route(request.method(), request.uri().path())
}
