//! A hint that something in the store changed.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes whoever waits for changes in this process. It carries no data: who wakes up reads the
/// store again, so a lost or doubled wake-up costs time at most, and other processes are found by
/// asking.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// A hint that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the waiter, or the next one to come when nobody waits.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits for a wake-up given since the last one that was taken.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}
