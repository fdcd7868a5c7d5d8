//! How a run learns what is left to do, from what was recorded before it.

use std::sync::Arc;

use overnight_core::batch::Batch;
use overnight_core::plan::PlanFooter;
use overnight_core::segment::{LineSet, ResultFile};
use overnight_store::StoreError;

use super::plan::sound_plan;
use super::{Run, Stop};
use crate::engine::ResultTarget;
use crate::input::InputReader;
use crate::planted::end_of_recorded;
use crate::shared::Shared;

/// How many segments are read at once.
const SEGMENTS_A_PAGE: usize = 512;

/// Reads what is recorded, so that the run goes on where another stopped. `None` when nobody knows
/// the batch's lines any more.
///
/// # Errors
///
/// [`Stop`] when the run cannot go on here.
pub(super) async fn resume(
    shared: &Arc<Shared>,
    run: &Arc<Run>,
    batch: &mut Batch,
) -> Result<Option<PlanFooter>, Stop> {
    let (total, tally) = (batch.total(), batch.tally);
    if run.input().is_none() {
        read_input(shared, run).await?;
    }
    run.set_total(total);
    let (footer, (done, lengths)) =
        tokio::try_join!(sound_plan(shared, run, batch), recorded(shared, run))?;
    if footer.is_none() {
        run.set_lost();
    }
    if let ResultTarget::Append { output, error } = &shared.target {
        // What is behind the recorded length was written, but not recorded: its lines are run again.
        for (file, length) in [(output, lengths.0), (error, lengths.1)] {
            let end = end_of_recorded(length);
            let cut = || shared.blobs.truncate(file, end);
            shared.persist_blob(run, cut).await.map_err(for_good)?;
        }
    }
    run.recorder.resume(done, tally, lengths, total);
    Ok(footer)
}

/// Finds the input file, which may be gone.
async fn read_input(shared: &Shared, run: &Run) -> Result<(), Stop> {
    let at = shared.clock.now();
    let extents = shared
        .persist(run, || async {
            match shared.store.input(run.batch_id(), at).await {
                Ok(input) => Ok(input.extents),
                Err(StoreError::NotFound) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        })
        .await?;
    run.set_input(InputReader::new(shared.blobs.clone(), &extents));
    Ok(())
}

/// The lines that are recorded, and the lengths of the two result files.
async fn recorded(shared: &Shared, run: &Run) -> Result<(LineSet, (u64, u64)), Stop> {
    let mut done = LineSet::new();
    let mut lengths = (0, 0);
    let mut after = None;
    loop {
        let read = || {
            let store = &shared.store;
            store.segments(run.batch_id(), after, SEGMENTS_A_PAGE)
        };
        let page = shared.persist(run, read).await?;
        for segment in &page {
            done.union_with(&segment.lines);
            let length = |file| segment.extent(file).map_or(0, |extent| extent.length);
            lengths.0 += length(ResultFile::Output);
            lengths.1 += length(ResultFile::Error);
            after = Some((segment.epoch, segment.seq));
        }
        if page.len() < SEGMENTS_A_PAGE {
            return Ok((done, lengths));
        }
    }
}

/// Results that a person has cut off do not come back by trying again.
fn for_good(stop: Stop) -> Stop {
    match stop {
        Stop::Damaged(error) => Stop::Lost(error),
        other @ (Stop::Fenced | Stop::Released | Stop::Broken | Stop::Lost(_)) => other,
    }
}
