//! `GET /openapi.json`: this surface, described in `OpenAPI` 3.1.
//!
//! It is written by hand, beside the code whose bounds and words it uses, because nothing could be
//! derived but the answers: requests are taken apart key by key for the sake of their documented
//! refusals. The tests hold it to the code: the router's paths and methods are exactly its own, and
//! every answer of every test of the surface is checked against it.

mod admin;
mod batches;
mod files;
mod lines;
mod models;
mod operation;
mod probes;
mod schema;
mod shared;
mod steering;
mod uploads;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_core::id::ProjectId;
use overnight_core::time::Timestamp;
use serde_json::{Map, Value, json};

use self::operation::Operation;
use crate::api::Api;
use crate::auth::Access;
use crate::errors::ApiError;
use crate::json;
use crate::settings::ApiSettings;

/// `GET /openapi.json`
pub(crate) async fn openapi(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    json::pretty(&document(&api.settings, &api.access))
}

/// What `GET /openapi.json` answers on a server with nothing configured: for documents about the surface.
#[must_use]
pub fn default_description() -> Value {
    document(
        &ApiSettings::new(Timestamp::from_seconds(0)),
        &Access::Open(ProjectId::default_project()),
    )
}

/// What one room of the surface adds to the document.
struct Chapter {
    /// The word under which its operations stand together.
    tag: &'static str,
    /// What that word means.
    about: &'static str,
    operations: Vec<Operation>,
    /// The shapes that its operations name.
    schemas: Vec<(&'static str, Value)>,
}

/// The whole description of a server with these settings that admits requests in that way.
pub(crate) fn document(settings: &ApiSettings, access: &Access) -> Value {
    let chapters = [
        files::chapter(settings),
        uploads::chapter(settings),
        batches::chapter(settings),
        steering::chapter(),
        models::chapter(),
        admin::chapter(),
        probes::chapter(),
    ];
    let mut tags = Vec::new();
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    for (name, schema) in shared::schemas() {
        schemas.insert(name.to_owned(), schema);
    }
    for chapter in chapters {
        tags.push(json!({"name": chapter.tag, "description": chapter.about}));
        for operation in chapter.operations {
            let methods = paths
                .entry(operation.path())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(methods) = methods {
                methods.insert(operation.method(), operation.described(chapter.tag));
            }
        }
        for (name, schema) in chapter.schemas {
            schemas.insert(name.to_owned(), schema);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Overnight",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "OpenAI's Files, Uploads, Batches and Models API for models that you run yourself.",
            "description": "Unset keys of an object are `null`, never absent. \
                            Times are Unix seconds. \
                            Doubled and trailing slashes in paths are tolerated, unknown query \
                            parameters ignored, and unknown keys of a request's JSON refused.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "security": shared::security(access),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": shared::responses(),
            "parameters": shared::parameters(),
            "headers": shared::headers(),
            "securitySchemes": shared::security_schemes(),
        },
    })
}
