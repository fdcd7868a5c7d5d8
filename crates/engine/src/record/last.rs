//! Records a segment, and ends a small batch together with its last one.

use overnight_core::batch::Batch;
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::segment::{ResultFile, Segment};
use overnight_store::StoreError;
use overnight_store::store::Sealing;

use crate::merge;
use crate::run::{Run, Stop};
use crate::shared::Shared;

/// Records a segment. The batch has ended when it is answered.
///
/// # Errors
///
/// [`Stop`] when the batch cannot be recorded here any more.
pub(super) async fn record(
    shared: &Shared,
    run: &Run,
    segment: &Segment,
) -> Result<Option<Batch>, Stop> {
    // A batch whose segments may be being merged is sealed by itself, once that is over: a merged blob
    // that nothing names yet is swept when its batch has ended.
    let ends = run.recorder.is_completed_by(segment) && !merge::may_run_at(segment.seq);
    if !ends {
        let verb = || shared.store.record(run.lease(), segment);
        shared.persist(run, verb).await?;
        return Ok(None);
    }
    let (sealing, at) = (sealing(shared, run), shared.clock.now());
    let verb = || async {
        let ended = shared
            .store
            .record_last(run.lease(), segment, &sealing, at)
            .await;
        match ended {
            // Why the batch cannot end is told as it is sealed by itself. Its lines are kept.
            Err(StoreError::Contradicts(_)) => {
                let recorded = shared.store.record(run.lease(), segment).await;
                recorded.map(|()| None)
            }
            ended => ended.map(Some),
        }
    };
    shared.persist(run, verb).await
}

/// The rows of the result files that a batch ends with.
pub(crate) fn sealing(shared: &Shared, run: &Run) -> Sealing {
    Sealing {
        output: result_file(shared, run, ResultFile::Output),
        error: result_file(shared, run, ResultFile::Error),
    }
}

fn result_file(shared: &Shared, run: &Run, file: ResultFile) -> File {
    let at = shared.clock.now();
    let live_for = run
        .results_expire_after()
        .or(shared.settings.results_expire_after);
    File {
        id: FileId::new(at, shared.entropy.draw()),
        project: run.project().clone(),
        purpose: Purpose::BatchOutput,
        filename: format!("{}_{}.jsonl", run.batch_id(), file.as_str()),
        // The store knows the size.
        bytes: 0,
        created_at: at,
        expires_at: live_for.map(|live_for| at.plus(live_for)),
    }
}
