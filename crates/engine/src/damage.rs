//! What becomes of a blob that is not what was written: it is put in quarantine, once, and said so
//! at error level; everything else goes on.

use std::error::Error;

use overnight_core::plan::PlanEntry;
use overnight_core::segment::Extent;
use overnight_store::blobs::BlobError;

use crate::run::Run;
use crate::shared::{Shared, lock};

/// So many blobs in quarantine are looked at again in one pass of the sweep, and are counted at most.
pub(crate) const QUARANTINED_MAX: usize = 1000;

impl Shared {
    /// Puts a blob in quarantine that a read found damaged or gone.
    pub(crate) async fn found_damage(&self, extent: &Extent, error: &BlobError) {
        if !lock(&self.damaged).insert(extent.blob.clone()) {
            return;
        }
        let why = causes(error);
        let at = self.clock.now();
        match self.store.quarantine(extent, &why, at).await {
            Ok(Some(found)) => tracing::error!(
                blob.key = %extent.blob,
                blob.held = found.held,
                error = why,
                "a blob is damaged and was put in quarantine; put it back from a backup"
            ),
            Ok(None) => {}
            Err(error) => {
                lock(&self.damaged).remove(&extent.blob);
                tracing::warn!(blob.key = %extent.blob, %error, "a damaged blob was not noted");
            }
        }
    }

    /// Tells of a line of the input that is lost or not what was validated, and puts the blob in
    /// quarantine that is to blame.
    pub(crate) async fn found_damaged_line(&self, run: &Run, entry: &PlanEntry, error: &BlobError) {
        tracing::error!(
            batch.id = %run.batch_id(),
            line.no = entry.line,
            error = error as &dyn Error,
            "a line of the input is damaged"
        );
        let extents = run
            .input()
            .map_or(&[][..], |input| input.extents_of(entry.range()));
        let is_known = |extent: &Extent| lock(&self.damaged).contains(&extent.blob);
        if extents.iter().any(|placed| is_known(&placed.extent)) {
            return;
        }
        for placed in extents {
            // A line may lie in two parts of an upload, one of them whole.
            if extents.len() == 1 || self.blobs.verify(&placed.extent).await.is_err() {
                self.found_damage(&placed.extent, error).await;
            }
        }
    }
}

/// Looks at what is in quarantine again: what somebody has put back is whole, and what is gone and
/// nothing names any more is of no interest.
pub(crate) async fn look_again(shared: &Shared) -> Result<(), Box<dyn Error + Send + Sync>> {
    for found in shared.store.quarantined(QUARANTINED_MAX).await? {
        let blob = &found.extent.blob;
        match shared.blobs.verify(&found.extent).await {
            Ok(()) => tracing::info!(blob.key = %blob, "a blob is whole again"),
            Err(BlobError::NotFound(_)) if !found.is_named => {}
            // Those behind it are looked at all the same.
            Err(error @ BlobError::Unavailable(_)) => {
                tracing::warn!(blob.key = %blob, %error, "a blob in quarantine was not looked at");
                continue;
            }
            Err(BlobError::NotFound(_) | BlobError::Corrupt(_) | BlobError::NotDurable(_)) => {
                continue;
            }
        }
        shared.store.reinstate(blob, shared.clock.now()).await?;
        lock(&shared.damaged).remove(blob);
    }
    Ok(())
}

/// An error and everything behind it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
