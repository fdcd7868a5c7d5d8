//! What must be true of the plan of an open batch.

use overnight_core::plan::{PlanEntry, PlanFooter, Run, TRAILER_SIZE, tail_range};
use overnight_core::segment::{Extent, LineSet};

use super::{Check, Checks, Finding};
use crate::blobs::{BlobError, Blobs, PIECE_BYTES};
use crate::sqlite::inspect::BatchRecord;
use crate::store::{Result, StoreError};

impl Checks<'_> {
    /// The plan is whole and readable, and names the batch's lines: each once, and all that are done.
    pub(super) async fn plan(&mut self, record: &BatchRecord, done: &LineSet) -> Result<()> {
        let batch = &record.batch;
        let about = batch.id.as_str();
        let Some(plan) = &batch.plan else {
            return Ok(());
        };
        if batch.state.status().is_terminal() {
            return Ok(());
        }
        if record.plan_blob.as_ref() != Some(&plan.entries.blob) {
            let problem = "its row names two plans";
            self.tell(Finding::new(Check::State, about, problem));
        }
        self.summary.bytes += plan.entries.length;
        self.told.insert(plan.entries.blob.clone());
        let lines = match lines(self.blobs, &plan.entries).await {
            Ok(lines) => lines,
            Err(BlobError::Unavailable(source) | BlobError::NotDurable(source)) => {
                return Err(StoreError::Unavailable(source));
            }
            Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => {
                let problem = format!("its plan {}: {error}", plan.entries.blob);
                self.tell(Finding::new(Check::Plan, about, problem));
                return Ok(());
            }
        };
        if lines.len() != plan.total {
            let (named, total) = (lines.len(), plan.total);
            let problem = format!("its plan names {named} lines, and it has {total}");
            self.tell(Finding::new(Check::Plan, about, problem));
        }
        if let Some(line) = done.iter().find(|line| !lines.contains(*line)) {
            let problem = format!("line {line} is done, and its plan does not name it");
            self.tell(Finding::new(Check::Plan, about, problem));
        }
        Ok(())
    }
}

/// The lines of a plan, which is compared with its checksum and read to its end.
async fn lines(blobs: &Blobs, plan: &Extent) -> std::result::Result<LineSet, BlobError> {
    blobs.verify(plan).await?;
    let end = plan.offset + plan.length;
    let wrong = |text: String| BlobError::Corrupt(text.into());
    let trailer = end.saturating_sub(TRAILER_SIZE as u64)..end;
    let trailer = blobs.read(&plan.blob, trailer).await?;
    let tail = tail_range(&trailer, end).map_err(|error| wrong(error.to_string()))?;
    let tail = blobs.read(&plan.blob, tail).await?;
    let footer = PlanFooter::decode(&tail).map_err(|error| wrong(error.to_string()))?;
    let step = PIECE_BYTES / PlanEntry::SIZE as u64 * PlanEntry::SIZE as u64;
    let mut lines = LineSet::new();
    for entries in footer.runs.iter().map(Run::range) {
        let mut at = entries.start;
        while at < entries.end {
            let until = entries.end.min(at + step);
            let bytes = blobs.read(&plan.blob, at..until).await?;
            for entry in bytes.chunks_exact(PlanEntry::SIZE) {
                let entry = PlanEntry::decode(entry);
                if !entry.is_some_and(|entry| lines.insert(entry.line)) {
                    return Err(wrong("it names a line twice".to_owned()));
                }
            }
            at = until;
        }
    }
    Ok(lines)
}
