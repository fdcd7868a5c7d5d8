//! `POST /v1/uploads/{id}/parts`: a form with one part, `data`, that goes straight to the blobs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use overnight_core::id::{PartId, UploadId};
use overnight_core::upload::UploadPart;

use super::{find_open, refusals};
use crate::api::Api;
use crate::auth::Caller;
use crate::drain::drain;
use crate::errors::ApiError;
use crate::files::fields::required;
use crate::files::multipart::Form;
use crate::files::receive::{Bound, Received, open, receive, refuse};
use crate::json;
use crate::params::duplicate;
use crate::path::UploadPath;
use crate::wire::upload::PartObject;

/// Receives a part. Any number of them may come at a time, in any order.
pub(crate) async fn add_part(
    State(api): State<Arc<Api>>,
    caller: Caller,
    UploadPath(id): UploadPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    // What is wrong with the upload is told before any bytes are taken for nothing.
    if let Err(refusal) = find_open(&api, &caller, &id).await {
        return Err(refuse(&api, &headers, body, refusal));
    }
    let mut form = open(&api, &headers, body, bound(&api))?;
    let received = receive_data(&api, &mut form).await;
    drain(&api, form.into_rest());
    let part = insert(&api, &caller, id, received?).await?;
    json::pretty_line(&PartObject::from(&part))
}

fn bound(api: &Api) -> Bound {
    Bound {
        bytes_max: api.settings.part_bytes_max,
        what: "Part",
    }
}

async fn receive_data(api: &Arc<Api>, form: &mut Form) -> Result<Received, ApiError> {
    let mut received = None;
    while let Some(part) = form.next_part().await? {
        if part.name != "data" {
            continue;
        }
        if received.is_some() {
            return Err(duplicate("data"));
        }
        received = Some(receive(api, form, bound(api), |_| {}).await?);
    }
    let received = received.ok_or_else(|| required("data"))?;
    if received.size_bytes == 0 {
        let message = "Invalid 'data': the Part is empty.";
        return Err(ApiError::invalid_param("data", "invalid_value", message));
    }
    Ok(received)
}

async fn insert(
    api: &Api,
    caller: &Caller,
    upload: UploadId,
    received: Received,
) -> Result<UploadPart, ApiError> {
    let mut blob = received.blob;
    let extent = blob.finish().await?;
    let created_at = api.clock.now();
    let part = UploadPart {
        id: PartId::new(created_at, api.entropy.draw()),
        upload,
        created_at,
        extent,
    };
    api.store
        .insert_part(&caller.project, &part)
        .await
        .map_err(|error| refusals::from_store(error, &part.upload))?;
    blob.keep();
    Ok(part)
}
