//! What becomes of a blob that is not what was written: it is put in quarantine, once, and said so
//! at error level; everything else goes on.

use std::error::Error;

use overnight_core::segment::Extent;
use overnight_store::blobs::BlobError;

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
}

/// Looks at what is in quarantine again: what somebody has put back is whole, and what is gone and
/// nothing names any more is of no interest.
pub(crate) async fn look_again(shared: &Shared) -> Result<(), Box<dyn Error + Send + Sync>> {
    for found in shared.store.quarantined(QUARANTINED_MAX).await? {
        let blob = &found.extent.blob;
        match shared.blobs.verify(&found.extent).await {
            Ok(()) => tracing::info!(blob.key = %blob, "a blob is whole again"),
            Err(BlobError::NotFound(_)) if !found.is_named => {}
            Err(error @ BlobError::Unavailable(_)) => return Err(error.into()),
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
