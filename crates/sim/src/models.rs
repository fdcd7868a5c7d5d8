//! Which models there are: the list, one of them, and whether a request may have its model.

use serde::Serialize;

use crate::ask::Ask;
use crate::reply::{Refusal, Reply};
use crate::routes::Endpoint;
use crate::settings::SimSettings;

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// The model that a request gets.
///
/// # Errors
///
/// It names none, where one is needed, or one that is not served.
pub(crate) fn serving<'a>(
    settings: &'a SimSettings,
    endpoint: Endpoint,
    ask: &'a Ask<'_>,
) -> Result<&'a str, Refusal> {
    match ask.model_name() {
        Some(name) if is_served(settings, name) => Ok(name),
        Some(name) => Err(Refusal::no_model(name)),
        // Moderations have a default model in OpenAI's API.
        None if endpoint == Endpoint::Moderations => Ok(first(settings)),
        None => Err(Refusal::missing("model")),
    }
}

/// The model that gauges are labelled with, and that serves who asks for none.
pub(crate) fn first(settings: &SimSettings) -> &str {
    settings.models.first().map_or("sim", String::as_str)
}

/// `GET /v1/models`.
pub(crate) fn list(settings: &SimSettings) -> Result<Reply, Refusal> {
    if !settings.list_models {
        return Err(Refusal::no_path("GET", "/v1/models"));
    }
    let data = settings
        .models
        .iter()
        .map(|name| model(settings, name))
        .collect();
    Ok(Reply::of(&List {
        object: "list",
        data,
    }))
}

/// `GET /v1/models/{name}`.
pub(crate) fn get(settings: &SimSettings, name: &str) -> Result<Reply, Refusal> {
    if !settings.list_models {
        return Err(Refusal::no_path("GET", &format!("/v1/models/{name}")));
    }
    if !is_served(settings, name) {
        return Err(Refusal::no_model(name));
    }
    Ok(Reply::of(&model(settings, name)))
}

fn is_served(settings: &SimSettings, name: &str) -> bool {
    settings.any_model || settings.models.iter().any(|served| served == name)
}

fn model<'a>(settings: &SimSettings, id: &'a str) -> Model<'a> {
    Model {
        id,
        object: "model",
        created: settings.created,
        owned_by: "overnight-sim",
    }
}
