//! `POST /v1/uploads/{id}/complete`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use overnight_core::id::{FileId, PartId};
use overnight_core::upload::{PARTS_MAX, Upload};
use overnight_store::store::Completion;
use serde_json::value::RawValue;

use super::check::{Md5, check};
use super::{find, refusals, refuse_closed};
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json::{self, JsonType, Members, not_json};
use crate::params::{missing, of_type, refuse_unknown, shown, text};
use crate::path::UploadPath;
use crate::wire::upload::UploadObject;

/// What a client asks for.
struct Asked {
    /// The parts in the order of the file's bytes.
    order: Vec<PartId>,
    /// What the file's bytes should be.
    md5: Option<Md5>,
}

/// Makes a file of an upload's parts. What is refused leaves the upload pending, so that it can be
/// mended; asked again after a lost answer, the answer is the same.
pub(crate) async fn complete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    UploadPath(id): UploadPath,
    body: Body,
) -> Result<Response, ApiError> {
    let settings = &api.settings;
    let body = json::read(body, settings.json_bytes_max, settings.body_idle_max).await?;
    let asked = parse(&body)?;
    let upload = find(&api, &caller, &id).await?;
    if !upload.is_made_of(&asked.order)
        && let Err(refusal) = look(&api, &caller, &upload, &asked).await
    {
        // Whoever closes an upload has its parts deleted, also while they are being read: perhaps
        // the same request, sent twice at a time.
        let upload = find(&api, &caller, &id).await?;
        if !upload.is_made_of(&asked.order) {
            refuse_closed(&api, &upload)?;
            return Err(refusal);
        }
    }
    let now = api.clock.now();
    let completion = Completion {
        upload: id,
        order: asked.order,
        file: FileId::new(now, api.entropy.draw()),
    };
    let completed = api
        .store
        .complete_upload(&caller.project, &completion, now)
        .await;
    let upload = completed.map_err(|error| refusals::from_store(error, &completion.upload))?;
    let file = upload.file();
    json::pretty_line(&UploadObject::new(&upload, file.as_ref(), now))
}

/// Looks at the parts and at their bytes.
async fn look(api: &Api, caller: &Caller, upload: &Upload, asked: &Asked) -> Result<(), ApiError> {
    let refused = |error| refusals::from_store(error, &upload.id);
    let parts = api.store.parts(&caller.project, &upload.id).await;
    let extents = upload
        .extents(&asked.order, &parts.map_err(refused)?, api.clock.now())
        .map_err(|refusal| refusals::refused(&refusal, &upload.id))?;
    check(api, upload, &extents, asked.md5.as_ref()).await
}

fn parse(body: &[u8]) -> Result<Asked, ApiError> {
    let members = Members::of_body(body)?;
    refuse_unknown(&members, "", &["part_ids", "md5"])?;
    let param = "part_ids";
    let order = order(members.get(param).ok_or_else(|| missing(param))?)?;
    let md5 = match members.get("md5") {
        Some(value) if JsonType::of(value) != JsonType::Null => Some(md5(&text("md5", value)?)?),
        Some(_) | None => None,
    };
    Ok(Asked { order, md5 })
}

fn order(value: &RawValue) -> Result<Vec<PartId>, ApiError> {
    let param = "part_ids";
    of_type(param, value, JsonType::Array)?;
    let ids: Vec<&RawValue> =
        serde_json::from_str(value.get()).map_err(|error| not_json(&error.to_string()))?;
    if ids.is_empty() || ids.len() as u64 > PARTS_MAX {
        let message = format!(
            "Invalid '{param}': expected an array of 1 to {PARTS_MAX} ids of Parts, but got {} \
             elements instead.",
            ids.len()
        );
        return Err(ApiError::invalid_param(param, "invalid_value", message));
    }
    ids.iter()
        .enumerate()
        .map(|(index, id)| text(&format!("{param}[{index}]"), id).map(PartId::from))
        .collect()
}

fn md5(text: &str) -> Result<Md5, ApiError> {
    Md5::parse(text).ok_or_else(|| {
        let message = format!(
            "Invalid 'md5': expected 32 hexadecimal digits, but got '{}' instead.",
            shown(text)
        );
        ApiError::invalid_param("md5", "invalid_value", message)
    })
}
