//! Checks the input of a batch, and writes its plan.

use std::sync::Arc;

use bytes::Bytes;
use overnight_core::batch::{Batch, InputError, InputErrorCode, Plan};
use overnight_core::id::FileId;
use overnight_core::input::{Catalog, Checker, InputLimits, Rejection, Rules, Summary, too_large};
use overnight_core::segment::BlobKey;
use overnight_store::StoreError;
use overnight_store::blobs::LARGE_PIECE_BYTES;
use overnight_store::blocking::Blocking;
use overnight_store::store::Input;

use crate::input::InputReader;
use crate::persist::verb_failed;
use crate::run::{Run, Stop};
use crate::shared::Shared;
use crate::watch;

/// A file of so many bytes is checked in some ten microseconds.
const SMALL_FILE_BYTES: usize = 16 << 10;

/// What validation found.
pub(crate) enum Checked {
    /// Every line may be run.
    Plan(Plan),
    /// The batch fails, for these reasons.
    Refused(Vec<InputError>),
}

/// Checks every line. A model that nobody serves is refused only after every upstream was asked again.
///
/// # Errors
///
/// [`Stop`] when the check cannot go on here.
pub(crate) async fn validate(
    shared: &Arc<Shared>,
    run: &Run,
    batch: &Batch,
) -> Result<Checked, Stop> {
    let Some(input) = input(shared, run).await? else {
        return Ok(Checked::Refused(vec![missing(shared, batch)]));
    };
    let limits = shared.settings.limits;
    if limits.file_bytes_max > 0 && input.file.bytes > limits.file_bytes_max {
        return Ok(Checked::Refused(vec![too_large(
            limits.file_bytes_max,
            None,
        )]));
    }
    run.set_input(InputReader::new(shared.blobs.clone(), &input.extents));
    let reader = run.input().ok_or(Stop::Broken)?;
    // Never closed: without a permit the check goes on all the same.
    let _permit = shared.checks.acquire().await;
    watch::ask_unknown(shared).await;
    let mut catalog = shared.lanes.catalog();
    let mut asked_again = false;
    loop {
        let rules = Rules {
            endpoint: batch.spec.endpoint.clone(),
            limits,
            single_model: shared.settings.single_model,
            catalog: catalog.clone(),
        };
        let rejection = match check(shared, run, reader, rules).await? {
            Ok(plan) => return Ok(Checked::Plan(plan)),
            Err(Refusal::Unreadable) => {
                return Ok(Checked::Refused(vec![unreadable(&input.file.id)]));
            }
            Err(Refusal::Lines(rejection)) => rejection,
        };
        if asked_again || rejection.unknown_models.is_empty() {
            return Ok(Checked::Refused(rejection.errors));
        }
        watch::ask_all(shared).await;
        asked_again = true;
        let fresh = shared.lanes.catalog();
        if !serves_more(&fresh, &rejection) {
            return Ok(Checked::Refused(rejection.errors));
        }
        catalog = fresh;
    }
}

/// Writes the plan of a batch a second time, because the first was lost: what may be run was decided
/// then, and is not decided again. `None` when the input does not have the lines that it had.
///
/// # Errors
///
/// [`Stop`] when it cannot be written here.
pub(crate) async fn plan_again(
    shared: &Arc<Shared>,
    run: &Run,
    batch: &Batch,
    total: u64,
) -> Result<Option<Plan>, Stop> {
    let Some(input) = run.input() else {
        return Ok(None);
    };
    let _permit = shared.checks.acquire().await;
    let rules = Rules {
        endpoint: batch.spec.endpoint.clone(),
        limits: InputLimits::default(),
        single_model: false,
        catalog: Catalog::Any,
    };
    let plan = check(shared, run, input, rules).await?;
    Ok(plan.ok().filter(|plan| plan.total == total))
}

/// Why an input has no plan.
enum Refusal {
    /// Its lines may not be run.
    Lines(Rejection),
    /// Its bytes are lost or damaged.
    Unreadable,
}

fn serves_more(catalog: &Catalog, rejection: &Rejection) -> bool {
    rejection
        .unknown_models
        .iter()
        .any(|model| catalog.contains(model))
}

/// The input file, unless there is none.
async fn input(shared: &Shared, run: &Run) -> Result<Option<Input>, Stop> {
    let at = shared.clock.now();
    let input = shared
        .persist(run, || async {
            match shared.store.input(run.batch_id(), at).await {
                Ok(input) => Ok(Some(input)),
                Err(StoreError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await?;
    Ok(input.filter(|input| !input.deleted))
}

/// One streaming pass: pieces of the file go in, bytes of the plan come out.
async fn check(
    shared: &Shared,
    run: &Run,
    input: &InputReader,
    rules: Rules,
) -> Result<Result<Plan, Refusal>, Stop> {
    let random = shared.entropy.draw();
    let key = BlobKey::plan(run.batch_id(), run.lease().epoch, random);
    let seed = u64::try_from(shared.entropy.draw() >> 64).unwrap_or_default();
    let mut checker = Checker::new(rules, seed);
    let mut plan = Vec::new();
    // Not kept against power failures: a lost plan is made anew.
    let mut blob = shared.blobs.upload_relaxed(&key);
    // At most `checks` files are read at a time, and each piece is handed from thread to thread.
    let pieces = input.stream(0..input.length());
    let mut pieces = pieces.in_pieces_of(LARGE_PIECE_BYTES);
    let mut checked = 0;
    loop {
        let read = pieces.next().await;
        if let (Err(error), Some(extent)) = (&read, pieces.damaged()) {
            shared.found_damage(extent, error).await;
            // What was written of the plan is swept with the batch's other leftovers, if this fails.
            let _ = blob.abort().await;
            return Ok(Err(Refusal::Unreadable));
        }
        let Some(piece) = verb_failed(shared, read)? else {
            break;
        };
        checked += piece.len();
        (checker, plan) = on_pool(shared, checked, move || {
            checker.push(&piece, &mut plan);
            (checker, plan)
        })
        .await?;
        if !plan.is_empty() {
            verb_failed(
                shared,
                blob.write(Bytes::from(std::mem::take(&mut plan))).await,
            )?;
        }
    }
    let (finished, plan) = on_pool(shared, checked, move || {
        let finished = checker.finish(&mut plan);
        (finished, plan)
    })
    .await?;
    let Summary { total, model, .. } = match finished {
        Ok(summary) => summary,
        Err(rejection) => {
            // As above.
            let _ = blob.abort().await;
            return Ok(Err(Refusal::Lines(rejection)));
        }
    };
    verb_failed(shared, blob.write(plan.into()).await)?;
    let entries = verb_failed(shared, blob.finish().await)?;
    Ok(Ok(Plan {
        entries,
        total,
        model,
    }))
}

/// Does work on a file, of which so many bytes were read, where it holds up nobody: a small file is
/// checked sooner than another thread would wake up.
async fn on_pool<T: Send + 'static>(
    shared: &Shared,
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stop> {
    let place = if bytes <= SMALL_FILE_BYTES {
        Blocking::Inline
    } else {
        shared.settings.blocking
    };
    place.run(work).await.map_err(|error| {
        tracing::error!(%error, "the check of an input file broke down");
        Stop::Broken
    })
}

fn unreadable(file: &FileId) -> InputError {
    InputError {
        code: InputErrorCode::InvalidRequest,
        message: format!(
            "The content of file {file} is lost or damaged on the server. Please upload it again."
        ),
        param: Some("file_id".to_owned()),
        line: None,
    }
}

fn missing(shared: &Shared, batch: &Batch) -> InputError {
    let (file, organization) = (&batch.spec.input_file, &shared.settings.organization);
    InputError {
        code: InputErrorCode::InvalidRequest,
        message: format!(
            "Cannot find file {file}, or organization {organization} does not have access to it."
        ),
        param: Some("file_id".to_owned()),
        line: None,
    }
}
