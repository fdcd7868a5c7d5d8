//! The models that lines may name: what all upstreams serve, together.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_store::status::ServedModel;

use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::path::ModelPath;
use crate::wire::List;
use crate::wire::model::ModelObject;

/// `GET /v1/models`
pub(crate) async fn list(State(api): State<Arc<Api>>, _: Caller) -> Result<Response, ApiError> {
    json::pretty(&List::new(served(&api).await?.into_values().collect()))
}

/// `GET /v1/models/{id}`
pub(crate) async fn retrieve(
    State(api): State<Arc<Api>>,
    _: Caller,
    ModelPath(id): ModelPath,
) -> Result<Response, ApiError> {
    match served(&api).await?.get(&id) {
        Some(model) => json::pretty(model),
        None => Err(ApiError {
            code: Some("model_not_found"),
            param: Some("model".to_owned()),
            ..ApiError::not_found(format!("The model '{id}' does not exist"))
        }),
    }
}

/// The models by id. Of a model that several upstreams serve, the first that says when it was made
/// and whose it is counts.
async fn served(api: &Api) -> Result<BTreeMap<String, ModelObject>, ApiError> {
    let upstreams = api.store.upstreams().await.map_err(ApiError::store)?;
    let mut known: BTreeMap<String, ServedModel> = BTreeMap::new();
    for model in upstreams.into_iter().flat_map(|upstream| upstream.models) {
        let merged = known
            .entry(model.id.clone())
            .or_insert_with(|| model.clone());
        merged.created = merged.created.or(model.created);
        merged.owned_by = merged.owned_by.take().or(model.owned_by);
    }
    let started_at = api.settings.started_at.seconds();
    let objects = known.into_iter().map(|(id, model)| {
        let object = ModelObject {
            id: model.id,
            object: "model",
            created: model.created.unwrap_or(started_at),
            owned_by: model.owned_by.unwrap_or_else(|| "system".to_owned()),
        };
        (id, object)
    });
    Ok(objects.collect())
}
