//! `POST /v1/batches` with `dry_run`: what would become of the batch, without creating it.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use overnight_core::batch::{Batch, BatchSpec, InputError, InputErrorCode, Status};
use overnight_core::input::{Catalog, Checker, Rejection, Rules, Summary, too_large};
use overnight_core::segment::PlacedExtent;
use overnight_store::blobs::{ExtentReader, LARGE_PIECE_BYTES};
use overnight_store::status::UpstreamHealth;
use overnight_store::store::{BatchQuery, Content};
use overnight_store::{Blocking, StoreError};

use crate::api::Api;
use crate::auth::Caller;
use crate::content::found_damage;
use crate::errors::ApiError;
use crate::gates::Reading;
use crate::json;
use crate::wire::batch::{DryRun, Estimate};

/// Bytes of a request's body a token has, about.
const BYTES_PER_TOKEN: u64 = 4;

/// So many completed batches are looked at for how long one like this took.
const PAST_BATCHES: usize = 50;

/// How many extents of the file are asked for at once.
const EXTENTS_A_PAGE: usize = 1_024;

/// Checks the file as the engine would, and answers what it would find. It takes a turn among those
/// who read files.
pub(super) async fn dry_run(
    api: &Arc<Api>,
    caller: &Caller,
    spec: &BatchSpec,
    reading: &Reading,
) -> Result<Response, ApiError> {
    let _turn = reading.turn().await?;
    let file = match api
        .store
        .file(&caller.project, &spec.input_file, api.clock.now())
        .await
    {
        Ok(file) => file,
        Err(StoreError::NotFound) => {
            let errors = [missing(spec)];
            return json::pretty(&DryRun::refused(&errors, 1, (0, 0)));
        }
        Err(error) => return Err(ApiError::store(error)),
    };
    let max = api.settings.input_limits.file_bytes_max;
    if max > 0 && file.bytes > max {
        let errors = [too_large(max, None)];
        return json::pretty(&DryRun::refused(&errors, 1, (0, file.bytes)));
    }
    let rules = Rules {
        endpoint: spec.endpoint.clone(),
        limits: api.settings.input_limits,
        single_model: api.settings.single_model,
        catalog: catalog(api).await?,
    };
    match check(api, &Content::File(file.id), rules).await? {
        Ok(summary) => {
            let estimate = Estimate {
                input_tokens: Some(summary.body_bytes / BYTES_PER_TOKEN),
                seconds: seconds(api, caller, spec, &summary).await?,
            };
            json::pretty(&DryRun::valid(&summary, estimate))
        }
        Err(rejection) => json::pretty(&DryRun::refused(
            &rejection.errors,
            rejection.errors_total,
            (rejection.total, file.bytes),
        )),
    }
}

fn missing(spec: &BatchSpec) -> InputError {
    InputError {
        code: InputErrorCode::InvalidRequest,
        message: format!("Cannot find file {}.", spec.input_file),
        param: Some("file_id".to_owned()),
        line: None,
    }
}

/// The models that lines may name, as far as the workers say: any when one of their upstreams takes
/// every model, or has not told.
async fn catalog(api: &Api) -> Result<Catalog, ApiError> {
    let upstreams = api.store.upstreams().await.map_err(ApiError::store)?;
    let is_open = upstreams
        .iter()
        .any(|upstream| upstream.any_model || upstream.health == UpstreamHealth::Unknown);
    if is_open || upstreams.is_empty() {
        return Ok(Catalog::Any);
    }
    let models = upstreams.iter().flat_map(|upstream| &upstream.models);
    Ok(Catalog::Known(
        models.map(|model| model.id.as_str().into()).collect(),
    ))
}

/// One pass over the file, whose plan is thrown away.
async fn check(
    api: &Arc<Api>,
    file: &Content,
    rules: Rules,
) -> Result<Result<Summary, Rejection>, ApiError> {
    let extents = extents(api, file).await?;
    let length = crate::content::end_of(&extents).unwrap_or(0);
    let reader = ExtentReader::new(api.blobs.clone(), extents, 0..length);
    let mut pieces = reader.in_pieces_of(LARGE_PIECE_BYTES);
    let seed = u64::try_from(api.entropy.draw() >> 64).unwrap_or_default();
    let mut checker = Checker::new(rules, seed);
    loop {
        let read = pieces.next().await;
        if let (Err(error), Some(extent)) = (&read, pieces.damaged()) {
            found_damage(api, extent, error).await;
        }
        let Some(piece) = read? else { break };
        checker = on_pool(move || {
            checker.push(&piece, &mut Vec::new());
            checker
        })
        .await?;
    }
    on_pool(move || checker.finish(&mut Vec::new())).await
}

/// Does work that takes the processor for long where it holds up nobody.
async fn on_pool<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = Blocking::Pool.run(work).await;
    done.map_err(ApiError::internal)
}

async fn extents(api: &Api, file: &Content) -> Result<Vec<PlacedExtent>, ApiError> {
    let mut extents = Vec::new();
    loop {
        let from = crate::content::end_of(&extents).unwrap_or(0);
        let page = api.store.extents(file, from, EXTENTS_A_PAGE).await;
        let page = page.map_err(ApiError::store)?;
        let is_last = page.len() < EXTENTS_A_PAGE;
        extents.extend(page);
        if is_last {
            return Ok(extents);
        }
    }
}

/// How long the batch should take, by the last completed one with the same endpoint and model; `None`
/// when there is none.
async fn seconds(
    api: &Api,
    caller: &Caller,
    spec: &BatchSpec,
    summary: &Summary,
) -> Result<Option<u64>, ApiError> {
    let query = BatchQuery {
        limit: PAST_BATCHES,
        statuses: vec![Status::Completed],
        ..BatchQuery::default()
    };
    let past = api.store.find_batches(&caller.project, &query).await;
    let past = past.map_err(ApiError::store)?.items;
    let is_like = |batch: &&Batch| {
        batch.spec.endpoint == spec.endpoint && batch.model() == summary.model.as_deref()
    };
    let took = past.iter().filter(is_like).find_map(|batch| {
        let history = &batch.history;
        let took = history.finalizing_at?.since(history.in_progress_at?);
        Some((took, batch.total().max(1)))
    });
    Ok(took.map(|(took, lines)| estimate(took, lines, summary.total)))
}

/// So many lines take as long as so many others took, by the line.
fn estimate(took: Duration, lines: u64, wanted: u64) -> u64 {
    let nanos = took.as_nanos().saturating_mul(wanted.into()) / u128::from(lines);
    let seconds = nanos.div_ceil(1_000_000_000);
    u64::try_from(seconds).unwrap_or(u64::MAX)
}
