//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};

use crate::api::Api;
use crate::dashboard::Dashboard;
use crate::errors::ApiError;
use crate::gates::Gates;
use crate::surface::{Surface, note_route};
use crate::{admin, batches, description, events, files, health, lines, models, overview, uploads};

/// Paths and what answers them: a table, so that a test can walk every route there is.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<(&'static str, MethodRouter<Arc<Api>>)>);

impl Routes {
    /// Every route.
    pub(crate) fn all() -> Self {
        Self::probes()
            .route("/v1/files", get(files::list).post(files::upload))
            .route("/v1/files/{id}", get(files::retrieve).delete(files::delete))
            .route("/v1/files/{id}/content", get(files::content))
            .route("/v1/uploads", post(uploads::create))
            .route("/v1/uploads/{id}/parts", post(uploads::add_part))
            .route("/v1/uploads/{id}/complete", post(uploads::complete))
            .route("/v1/uploads/{id}/cancel", post(uploads::cancel))
            .route("/v1/batches", get(batches::list).post(batches::create))
            .route(
                "/v1/batches/{id}",
                get(batches::retrieve).delete(batches::delete),
            )
            .route("/v1/batches/{id}/cancel", post(batches::cancel))
            .route("/v1/batches/{id}/results", get(batches::results))
            .route("/v1/batches/{id}/progress", get(batches::progress))
            .route("/v1/batches/{id}/pause", post(batches::pause))
            .route("/v1/batches/{id}/resume", post(batches::resume))
            .route("/v1/batches/{id}/retry", post(batches::retry))
            .route("/v1/batches/{id}/verify", get(batches::verify))
            .route("/v1/batches/{id}/failures", get(lines::failures))
            .route("/v1/batches/{id}/lines", get(lines::list))
            .route("/v1/batches/{id}/lines/{number}", get(lines::one))
            .route("/v1/overview", get(overview::overview))
            .route("/v1/events", get(events::events))
            .route("/v1/models", get(models::list))
            .route("/v1/models/{*id}", get(models::retrieve))
            .route("/admin/upstreams", get(admin::upstreams))
            .route("/openapi.json", get(description::openapi))
    }

    /// What whoever watches the process asks.
    fn probes() -> Self {
        Self::default()
            .route("/health", get(health::health))
            .route("/ready", get(health::ready))
            .route("/metrics", get(health::metrics))
    }

    fn route(mut self, path: &'static str, methods: MethodRouter<Arc<Api>>) -> Self {
        self.0.push((path, methods));
        self
    }

    /// The paths, with their variables in braces.
    #[cfg(test)]
    pub(crate) fn paths(&self) -> Vec<&'static str> {
        self.0.iter().map(|(path, _)| *path).collect()
    }

    fn serve(self, api: Api, dashboard: Option<Dashboard>) -> Router {
        let api = Arc::new(api);
        let routed = self
            .0
            .into_iter()
            .fold(Router::new(), |router, (path, methods)| {
                router.route(path, methods)
            });
        let routes = routed
            .fallback(no_route)
            .with_state(Arc::clone(&api))
            .layer(from_fn(note_route));
        let gates = Arc::new(Gates::new(api.settings.gates));
        Router::new().fallback_service(Surface {
            routes,
            api,
            gates,
            dashboard: dashboard.map(Arc::new),
        })
    }
}

/// The whole surface and the dashboard. It takes requests in any number at once and keeps nothing between them.
pub fn router(api: Api) -> Router {
    Routes::all().serve(api, Some(Dashboard::new()))
}

/// Probes and metrics alone, for an address of their own.
pub fn metrics_router(api: Api) -> Router {
    Routes::probes().serve(api, None)
}

async fn no_route(request: Request) -> ApiError {
    ApiError::no_route(request.method(), request.uri().path())
}
