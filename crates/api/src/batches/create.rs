//! `POST /v1/batches`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use http::HeaderMap;
use overnight_core::batch::Batch;
use overnight_core::file::Purpose;
use overnight_core::id::{BatchId, FileId};
use overnight_store::StoreError;
use overnight_store::store::NewObject;

use super::dry_run::dry_run;
use super::spec;
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::gates::Reading;
use crate::json;
use crate::once::{self, Asked};
use crate::wire::batch::BatchObject;

/// Creates a batch. What its lines look like is found out later: only what stands in this request
/// is refused here.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Extension(reading): Extension<Reading>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let asked = once::ask(&api, &caller, &headers, "POST /v1/batches", body).await?;
    let (body, once) = match asked {
        Asked::New(body, once) => (body, once),
        Asked::Before(answer) => return Ok(answer),
    };
    let spec::Wanted { spec, is_dry_run } = spec::parse(&body, &api.settings)?;
    refuse_other_purposes(&api, &caller, &spec.input_file).await?;
    if is_dry_run {
        return dry_run(&api, &caller, &spec, &reading).await;
    }
    let now = api.clock.now();
    let id = BatchId::new(now, api.entropy.draw());
    let batch = Batch::new(id, caller.project, spec, now);
    let text = json::pretty_text(&BatchObject::from(&batch))?;
    let answer = once::insert(&api, once, NewObject::Batch(&batch), text).await?;
    api.wake.wake();
    Ok(answer)
}

/// Refuses a file that is there for another purpose. A missing file is not refused: as with the
/// live service, the batch is created and fails.
async fn refuse_other_purposes(api: &Api, caller: &Caller, id: &FileId) -> Result<(), ApiError> {
    match api.store.file(&caller.project, id, api.clock.now()).await {
        Ok(file) if file.purpose == Purpose::Batch => Ok(()),
        Ok(file) => Err(ApiError {
            param: Some("input_file_id".to_owned()),
            ..ApiError::bad_request(format!(
                "Input file '{id}' has purpose '{}', but must have purpose 'batch'.",
                file.purpose
            ))
        }),
        Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(ApiError::store(error)),
    }
}
