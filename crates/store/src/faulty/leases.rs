//! Leases that end, for a store that is opened by one process: so that several engines of a simulation
//! share it like a database on a server, in virtual time.
//!
//! What [`crate::postgres`] keeps in rows and by the clock of the database is kept here, by the clock of
//! the runtime. A verb is not interrupted by another one, as long as the store answers on the spot
//! ([`crate::blocking::Blocking::Inline`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overnight_core::batch::{Lease, Status};
use overnight_core::id::{BatchId, WorkerId};
use overnight_core::time::Timestamp;
use tokio::time::Instant;

use crate::store::{Claim, Held, Others, Outlook, Reach, Result, Store};

/// A store with the leases that it is to have; without any, its own.
pub(super) struct Leased<'a, S> {
    pub(super) store: &'a S,
    pub(super) leases: Option<&'a Leases>,
}

impl<S: Store> Leased<'_, S> {
    pub(super) async fn claim(
        self,
        worker: &WorkerId,
        limit: usize,
        at: Timestamp,
    ) -> Result<Vec<Claim>> {
        let Self { store, leases } = self;
        let Some(leases) = leases else {
            return store.claim(worker, limit, at).await;
        };
        leases.prolong(worker);
        for lapsed in leases.lapsed() {
            for held in store.renew(&lapsed, at).await? {
                leases.state().held.remove(&held.batch);
                let lease = Lease {
                    batch: held.batch,
                    worker: lapsed.clone(),
                    epoch: held.epoch,
                };
                store.release(&lease).await?;
            }
        }
        let claims = store.claim(worker, limit, at).await?;
        let mut state = leases.state();
        for Claim { lease, .. } in &claims {
            let holder = (worker.clone(), lease.epoch);
            state.held.insert(lease.batch.clone(), holder);
        }
        Ok(claims)
    }

    pub(super) async fn renew(self, worker: &WorkerId, at: Timestamp) -> Result<Vec<Held>> {
        if let Some(leases) = self.leases {
            leases.prolong(worker);
        }
        self.store.renew(worker, at).await
    }

    pub(super) async fn release(self, lease: &Lease) -> Result<()> {
        self.store.release(lease).await?;
        if let Some(leases) = self.leases {
            let mut state = leases.state();
            let holder = (lease.worker.clone(), lease.epoch);
            if state.held.get(&lease.batch) == Some(&holder) {
                state.held.remove(&lease.batch);
            }
        }
        Ok(())
    }

    pub(super) async fn outlook(self, worker: &WorkerId) -> Result<Outlook> {
        let Some(leases) = self.leases else {
            return self.store.outlook(worker).await;
        };
        let others = leases.others(worker);
        if others == Others::default() {
            return Ok(Outlook::ALONE);
        }
        let open = Status::ALL
            .into_iter()
            .filter(|status| !status.is_terminal());
        let counts = self.store.count_batches(&open.collect::<Vec<_>>()).await?;
        let open: u64 = counts.iter().map(|(_, count)| count).sum();
        Ok(Outlook {
            others: others.count(),
            others_lost_reach: others.lost > 0,
            share: others.share(leases.reach(worker), open),
            is_worth_a_claim: true,
        })
    }

    pub(super) async fn say_reach(self, worker: &WorkerId, reach: Reach) -> Result<()> {
        let Some(leases) = self.leases else {
            return self.store.say_reach(worker, reach).await;
        };
        if let Some(row) = leases.state().workers.get_mut(worker) {
            row.reach = reach;
        }
        Ok(())
    }

    pub(super) async fn leave(self, worker: &WorkerId) -> Result<()> {
        let Some(leases) = self.leases else {
            return self.store.leave(worker).await;
        };
        if let Some(row) = leases.state().workers.get_mut(worker) {
            row.leaves = true;
        }
        Ok(())
    }
}

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
    reach: Reach,
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

    /// How many others are there and stay.
    fn others(&self, worker: &WorkerId) -> Others {
        let now = Instant::now();
        let mut others = Others::default();
        for (other, row) in &self.state().workers {
            if other != worker && row.until > now && !row.leaves {
                *match row.reach {
                    Reach::Unsaid => &mut others.unsaid,
                    Reach::Proven => &mut others.proven,
                    Reach::Lost => &mut others.lost,
                } += 1;
            }
        }
        others
    }

    fn reach(&self, worker: &WorkerId) -> Reach {
        let state = self.state();
        let row = state.workers.get(worker);
        row.map(|row| row.reach).unwrap_or_default()
    }

    fn prolong(&self, worker: &WorkerId) {
        let until = Instant::now() + self.time;
        let mut state = self.state();
        let row = state.workers.entry(worker.clone());
        let new = Row {
            until,
            leaves: false,
            reach: Reach::Unsaid,
        };
        row.or_insert(new).until = until;
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
