//! The plan of a batch that goes on.
//!
//! A plan is a function of its input file, so one that was lost is made anew: the same lines with
//! the same numbers, so that what is recorded stays true. Therefore nothing waits until the disk has
//! kept it, and after a power failure it may be gone or torn. It is compared with its checksum as a
//! whole before a line is sent by it, because a wrong entry would send a wrong line.
//!
//! When the input is damaged as well nobody can tell which lines are left. Such a batch waits for
//! somebody to put the files back, and ends like any other: by a cancel, or at its deadline.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use overnight_core::batch::{Batch, Plan};
use overnight_core::plan::{PlanFooter, TRAILER_SIZE, tail_range};
use overnight_core::segment::BlobKey;

use super::life::damaged;
use super::{Run, Stop};
use crate::shared::Shared;
use crate::validate::plan_again;

/// The footer of the batch's plan; the plan is made anew when it was lost. `None` when the input is
/// lost as well.
///
/// # Errors
///
/// [`Stop`] when the run cannot go on here.
pub(super) async fn sound_plan(
    shared: &Arc<Shared>,
    run: &Run,
    batch: &mut Batch,
) -> Result<Option<PlanFooter>, Stop> {
    let plan = batch.plan.as_ref().ok_or(Stop::Broken)?;
    let lost = match read(shared, run, plan).await {
        Ok(footer) => return Ok(Some(footer)),
        Err(Stop::Damaged(error)) => error,
        Err(stop) => return Err(stop),
    };
    let Some(plan) = plan_again(shared, run, batch, plan.total).await? else {
        shared.found_damage(&plan.entries, &lost).await;
        tracing::error!(
            batch.id = %run.batch_id(),
            "the plan of a batch and its input are lost or damaged; it waits for them"
        );
        return Ok(None);
    };
    let at = shared.clock.now();
    *batch = shared
        .persist(run, || shared.store.replan(run.lease(), &plan, at))
        .await?;
    tracing::warn!(
        batch.id = %run.batch_id(),
        error = &lost as &dyn std::error::Error,
        "the plan of a batch was lost, and was made anew from the input"
    );
    read(shared, run, &plan).await.map(Some)
}

/// A plan of up to so many bytes (some 6,500 lines) is read at once; of a larger one, its end.
const WHOLE_BYTES_MAX: u64 = 256 << 10;

/// Compares the plan with its checksum, and reads its footer.
async fn read(shared: &Shared, run: &Run, plan: &Plan) -> Result<PlanFooter, Stop> {
    let Plan { entries, total, .. } = plan;
    let end = entries.offset + entries.length;
    let tail = if entries.length <= WHOLE_BYTES_MAX {
        let read = || shared.blobs.read_extent(entries);
        let whole = shared.persist_blob(run, read).await?;
        let trailer = whole.slice(whole.len().saturating_sub(TRAILER_SIZE)..);
        let tail = tail_range(&trailer, entries.length).map_err(damaged)?;
        whole.slice(usize::try_from(tail.start).unwrap_or(whole.len())..)
    } else {
        let verify = || shared.blobs.verify(entries);
        shared.persist_blob(run, verify).await?;
        let trailer = end.saturating_sub(TRAILER_SIZE as u64)..end;
        let trailer = read_range(shared, run, &entries.blob, trailer).await?;
        let range = tail_range(&trailer, end).map_err(damaged)?;
        read_range(shared, run, &entries.blob, range).await?
    };
    let footer = PlanFooter::decode(&tail).map_err(damaged)?;
    if footer.total == *total {
        Ok(footer)
    } else {
        let text = format!("it is the plan of {} lines, not of {total}", footer.total);
        Err(damaged(std::io::Error::other(text)))
    }
}

async fn read_range(
    shared: &Shared,
    run: &Run,
    blob: &BlobKey,
    range: Range<u64>,
) -> Result<Bytes, Stop> {
    shared
        .persist_blob(run, || shared.blobs.read(blob, range.clone()))
        .await
}
