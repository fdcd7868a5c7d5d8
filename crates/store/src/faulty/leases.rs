//! Leases that end, for a store that is opened by one process: so that several engines of a simulation
//! share it like a database on a server, in virtual time.
//!
//! What [`crate::postgres`] keeps in rows and by the clock of the database is kept here, by the clock of
//! the runtime. A verb is not interrupted by another one, as long as the store answers on the spot
//! ([`crate::blocking::Blocking::Inline`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overnight_core::batch::Lease;
use overnight_core::id::{BatchId, WorkerId};
use overnight_core::time::Timestamp;
use tokio::time::Instant;

use crate::store::{Claim, Held, Result, Store};

/// The leases of all workers on one store.
#[derive(Debug)]
pub struct Leases {
    time: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    workers: BTreeMap<WorkerId, Row>,
    /// Who holds each batch, and under which epoch.
    held: BTreeMap<BatchId, (WorkerId, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    until: Instant,
    leaves: bool,
}

impl Leases {
    /// Leases that are good for so long.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            state: Mutex::default(),
        }
    }

    /// The epoch under which the worker may run the batch at this moment; `None` when it may not.
    #[must_use]
    pub fn good_for(&self, worker: &WorkerId, batch: &BatchId) -> Option<u64> {
        let state = self.state();
        let row = state.workers.get(worker)?;
        let (holder, epoch) = state.held.get(batch)?;
        (holder == worker && Instant::now() < row.until).then_some(*epoch)
    }

    /// Who holds which batches, as the store has it.
    #[must_use]
    pub fn held(&self) -> Vec<(BatchId, WorkerId)> {
        let state = self.state();
        let held = state.held.iter();
        held.map(|(batch, (worker, _))| (batch.clone(), worker.clone()))
            .collect()
    }

    pub(super) const fn time(&self) -> Duration {
        self.time
    }

    pub(super) async fn claim(
        &self,
        store: &impl Store,
        worker: &WorkerId,
        limit: usize,
        at: Timestamp,
    ) -> Result<Vec<Claim>> {
        self.prolong(worker);
        for lapsed in self.lapsed() {
            for held in store.renew(&lapsed, at).await? {
                self.state().held.remove(&held.batch);
                let lease = Lease {
                    batch: held.batch,
                    worker: lapsed.clone(),
                    epoch: held.epoch,
                };
                store.release(&lease).await?;
            }
        }
        let claims = store.claim(worker, limit, at).await?;
        let mut state = self.state();
        for Claim { lease, .. } in &claims {
            let holder = (worker.clone(), lease.epoch);
            state.held.insert(lease.batch.clone(), holder);
        }
        Ok(claims)
    }

    pub(super) async fn renew(
        &self,
        store: &impl Store,
        worker: &WorkerId,
        at: Timestamp,
    ) -> Result<Vec<Held>> {
        self.prolong(worker);
        store.renew(worker, at).await
    }

    pub(super) async fn release(&self, store: &impl Store, lease: &Lease) -> Result<()> {
        store.release(lease).await?;
        let mut state = self.state();
        let holder = (lease.worker.clone(), lease.epoch);
        if state.held.get(&lease.batch) == Some(&holder) {
            state.held.remove(&lease.batch);
        }
        Ok(())
    }

    pub(super) async fn share(&self, store: &impl Store, worker: &WorkerId) -> Result<Option<u64>> {
        let now = Instant::now();
        let others = self
            .state()
            .workers
            .iter()
            .filter(|(other, row)| *other != worker && row.until > now && !row.leaves)
            .count() as u64;
        if others == 0 {
            return Ok(None);
        }
        let counts = store.batches_by_status().await?;
        let open = counts.iter().filter(|(status, _)| !status.is_terminal());
        let open: u64 = open.map(|(_, count)| count).sum();
        Ok(Some(open.div_ceil(others + 1).max(1)))
    }

    pub(super) fn leave(&self, worker: &WorkerId) {
        if let Some(row) = self.state().workers.get_mut(worker) {
            row.leaves = true;
        }
    }

    fn prolong(&self, worker: &WorkerId) {
        let until = Instant::now() + self.time;
        let mut state = self.state();
        let row = state.workers.entry(worker.clone());
        let leaves = false;
        row.or_insert(Row { until, leaves }).until = until;
    }

    fn lapsed(&self) -> Vec<WorkerId> {
        let now = Instant::now();
        let state = self.state();
        let rows = state.workers.iter();
        rows.filter(|(_, row)| row.until <= now)
            .map(|(worker, _)| worker.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
