//! Counts batches and damaged blobs, for whoever watches the metrics.
//!
//! Open batches are few. Ended ones stay for weeks, and counting millions of them every second, by each
//! of many workers, would be most of what a database has to do; so they are counted again only after so
//! long that the counting stays a small share of the time.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_store::StoreError;
use tokio::time::Instant;

use crate::damage::QUARANTINED_MAX;
use crate::shared::Shared;

/// How often is counted what is open.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same where several workers share a database.
const SHARED_INTERVAL: Duration = Duration::from_secs(5);

/// A worker counts ended batches in at most one part in so many of its time.
const ENDED_SHARE: u32 = 1000;

/// Counts for ever.
pub(crate) async fn count(shared: Arc<Shared>) {
    let interval = if shared.leases.runs() {
        SHARED_INTERVAL
    } else {
        INTERVAL
    };
    let mut ended_at = Instant::now();
    loop {
        let began = Instant::now();
        report(count_open(&shared).await);
        if began >= ended_at {
            let began = Instant::now();
            report(count_batches(&shared, Status::is_terminal).await);
            // Also when it failed: a database that takes too long for it must not be asked all the time.
            ended_at = began + ended_pause(began.elapsed());
        }
        tokio::time::sleep_until(began + interval).await;
    }
}

/// How long it is from the beginning of a count of the ended batches, which took so long, to the next.
fn ended_pause(took: Duration) -> Duration {
    took * ENDED_SHARE
}

async fn count_open(shared: &Shared) -> Result<(), StoreError> {
    count_batches(shared, |status| !status.is_terminal()).await?;
    let quarantined = shared.store.quarantined(QUARANTINED_MAX).await?;
    shared.metrics.observe_quarantined(quarantined.len() as u64);
    Ok(())
}

async fn count_batches(shared: &Shared, asked_for: fn(Status) -> bool) -> Result<(), StoreError> {
    let mut statuses = Status::ALL.to_vec();
    statuses.retain(|status| asked_for(*status));
    for (status, count) in shared.store.count_batches(&statuses).await? {
        shared.metrics.observe_batches(status.as_str(), count);
    }
    Ok(())
}

fn report(counted: Result<(), StoreError>) {
    if let Err(error) = counted {
        tracing::warn!(%error, "batches were not counted");
    }
}
