//! Counts batches and damaged blobs, for whoever watches the metrics.
//!
//! Open batches are few. Ended ones stay for weeks, and counting millions of them every second, by each
//! of many workers, would be most of what a database has to do; so they are counted again only after so
//! long that the counting stays a small share of the time.

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

/// Of ended batches, the share of the time in which they are counted is at most one in so many.
const ENDED_SHARE: u32 = 1000;

/// When it is counted again.
pub(crate) struct Counts {
    open_at: Instant,
    ended_at: Instant,
}

impl Counts {
    /// Everything is to be counted.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            open_at: now,
            ended_at: now,
        }
    }

    /// Counts what it is time for.
    pub(crate) async fn look(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let interval = if shared.leases.runs() {
            SHARED_INTERVAL
        } else {
            INTERVAL
        };
        let began = Instant::now();
        if began >= self.open_at {
            count(shared, |status| !status.is_terminal()).await?;
            let quarantined = shared.store.quarantined(QUARANTINED_MAX).await?;
            shared.metrics.observe_quarantined(quarantined.len() as u64);
            self.open_at = began + interval;
        }
        let began = Instant::now();
        if began >= self.ended_at {
            count(shared, Status::is_terminal).await?;
            self.ended_at = began + interval.max(began.elapsed() * ENDED_SHARE);
        }
        Ok(())
    }
}

async fn count(shared: &Shared, is_asked_for: fn(Status) -> bool) -> Result<(), StoreError> {
    let mut statuses = Status::ALL.to_vec();
    statuses.retain(|status| is_asked_for(*status));
    for (status, count) in shared.store.count_batches(&statuses).await? {
        shared.metrics.observe_batches(status.as_str(), count);
    }
    Ok(())
}
