//! The plan of an open batch: the lines that have not ended, and where they lie.

use std::ops::Range;

use overnight_core::batch::Batch;
use overnight_core::plan::PlanEntry;
use overnight_core::segment::BlobKey;
use overnight_store::BlobError;

use crate::api::Api;
use crate::errors::ApiError;

/// Entries are read in pieces of about this size.
const PIECE_BYTES: u64 = (256 << 10) / PlanEntry::SIZE as u64 * PlanEntry::SIZE as u64;

/// Reads the entries of a batch: in runs of one model, in the order of the lines within a run.
pub(super) struct Entries {
    plan: BlobKey,
    left: Range<u64>,
}

impl Entries {
    /// Those of the batch's plan; none when it has no plan (any more).
    pub(super) fn of(batch: &Batch) -> Option<Self> {
        let plan = batch.plan.as_ref()?;
        let start = plan.entries.offset;
        let bytes = plan.total.saturating_mul(PlanEntry::SIZE as u64);
        let is_open = !batch.state.status().is_terminal();
        is_open.then(|| Self {
            plan: plan.entries.blob.clone(),
            left: start..start.saturating_add(bytes),
        })
    }

    /// The next entries; `None` behind the last.
    ///
    /// # Errors
    ///
    /// The plan cannot be read.
    pub(super) async fn next(&mut self, api: &Api) -> Result<Option<Vec<PlanEntry>>, ApiError> {
        let until = self.left.end.min(self.left.start + PIECE_BYTES);
        let range = self.left.start..until;
        if range.is_empty() {
            return Ok(None);
        }
        self.left.start = until;
        match api.blobs.read(&self.plan, range).await {
            Ok(bytes) => {
                let entries = bytes.chunks_exact(PlanEntry::SIZE);
                Ok(Some(entries.filter_map(PlanEntry::decode).collect()))
            }
            // The batch ended just now, and its plan with it.
            Err(BlobError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
