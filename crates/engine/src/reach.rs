//! Whether this worker reaches the place of the blobs.
//!
//! A place that fails for all makes batches wait, wherever they are. One that fails for a single worker
//! must not: the others go on with what it has. Nobody can tell the two apart alone, so each says what
//! it sees:
//!
//! ```text
//! something fails or takes long ──► it writes a few bytes; that fails ──► it says `Lost`
//!         the others write a few bytes as well, and say `Proven` or `Lost` ◄──┘
//!           └── one has proven it: the share of the lost one is nothing, and it lets go of its batches
//! ```
//!
//! What it lets go of is sent again by others as far as it was not recorded, as after a crash.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use overnight_store::StoreError;
use overnight_store::blobs::BlobError;
use overnight_store::store::Reach;
use tokio::time::timeout;

use crate::shared::{Shared, lock};

/// A place that takes longer to keep a few bytes is not reached, unless leases are shorter than four
/// times that: looks for batches wait for the answer, and show that the worker is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// What this worker knows of its own reach.
#[derive(Debug, Default)]
pub(crate) struct OwnReach {
    is_doubted: AtomicBool,
    is_lost: AtomicBool,
    /// What the store was told last.
    said: Mutex<Reach>,
}

impl OwnReach {
    /// Something failed that will be tried again, or takes long.
    pub(crate) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }
}

/// Looks whether the place is reached, when that is in doubt or another worker has lost it, and tells
/// the others where that has changed.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn look(shared: &Shared, others_lost: bool) -> Result<(), StoreError> {
    let reach = &shared.reach;
    if reach.is_doubted.swap(false, Ordering::Relaxed) || reach.is_lost() || others_lost {
        let reaches = probe(shared).await;
        shared.metrics.observe_blobs_reached(reaches);
        let had_lost = reach.is_lost.swap(!reaches, Ordering::Relaxed);
        if had_lost && reaches {
            tracing::info!("what has to be kept can be written again");
        } else if !had_lost && !reaches {
            tracing::warn!("what has to be kept cannot be written; that is tried again");
        }
    }
    let seen = if reach.is_lost() {
        Reach::Lost
    } else if others_lost {
        Reach::Proven
    } else {
        Reach::Unsaid
    };
    if !shared.leases.runs() || *lock(&reach.said) == seen {
        return Ok(());
    }
    let saying = shared.store.say_reach(&shared.worker, seen);
    shared.leases.in_time(saying).await?;
    *lock(&reach.said) = seen;
    Ok(())
}

/// Whether a few bytes can be kept.
async fn probe(shared: &Shared) -> bool {
    let lease = shared.store.lease_time();
    let patience = lease.map_or(PATIENCE, |lease| PATIENCE.min(lease / 4));
    match timeout(patience, shared.blobs.probe()).await {
        Ok(Err(BlobError::Unavailable(_) | BlobError::NotDurable(_))) | Err(_) => false,
        // What is wrong with these few bytes alone tells nothing of others.
        Ok(Ok(()) | Err(BlobError::NotFound(_) | BlobError::Corrupt(_))) => true,
    }
}
