//! Keeps the leases of the batches that run here, and brings their runs what became of them meanwhile.
//!
//! It goes on beside the claims, which may take long where a database is slow: a lease does not wait.
//! A renewal tells which batches are still this worker's, and a run's leave to send is prolonged by that
//! alone. So a worker that was stopped for longer than its lease, and was taken for dead, goes on with
//! nothing that is somebody else's.

use std::collections::HashMap;
use std::sync::Arc;

use overnight_core::batch::{Lease, Status};
use overnight_core::id::BatchId;
use overnight_store::StoreError;
use overnight_store::store::Held;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::report;
use crate::run::{Order, Run, let_go};
use crate::send;
use crate::shared::Shared;

/// More batches than the worker's share, looked at so many times in a row, are given back: a worker
/// that comes and goes moves none.
const SURPLUS_LOOKS: u32 = 2;

/// Renews at every interval, counted from before the renewal was asked for, and when it is nudged;
/// until the token is cancelled, and then not in the middle of a renewal.
pub(crate) async fn renew_until(shared: &Arc<Shared>, nudged: &Notify, ended: &CancellationToken) {
    let (mut surplus_looks, mut last_look) = (0, 0);
    while !ended.is_cancelled() {
        let began = Instant::now();
        renew(shared).await;
        let look = shared.looks();
        if surplus(shared) == 0 {
            surplus_looks = 0;
        } else if look != last_look {
            surplus_looks += 1;
            if surplus_looks >= SURPLUS_LOOKS {
                give_surplus_back(shared);
            }
        }
        last_look = look;
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = nudged.notified() => {}
            () = tokio::time::sleep_until(began + shared.settings.renew_interval) => {}
        }
    }
}

/// Prolongs the leases, and tells runs what became of their batches meanwhile.
async fn renew(shared: &Arc<Shared>) {
    let runs = shared.runs();
    let lost_answer = shared.take_lost_answer();
    // Whoever claims nothing, because it does not reach the blobs, has the others know of it by this.
    let shows_itself = shared.leases.runs() && (shared.holds_stranded() || shared.reach.is_lost());
    if runs.is_empty() && !lost_answer && !shows_itself {
        return;
    }
    let asked = Instant::now();
    let renewal = shared.store.renew(&shared.worker, shared.clock.now());
    let held = match shared.leases.in_time(renewal).await {
        Ok(held) => held,
        Err(error) => {
            if lost_answer {
                shared.lost_an_answer();
            }
            report(shared, error);
            return;
        }
    };
    let held: HashMap<BatchId, Held> = held
        .into_iter()
        .map(|held| (held.batch.clone(), held))
        .collect();
    let mut lost = Vec::new();
    for run in &runs {
        match held.get(run.batch_id()) {
            Some(held) if held.epoch == run.lease().epoch => {
                run.leave().renew(asked);
                if held.status == Status::Cancelling {
                    run.order(Order::Cancel);
                }
                if run.set_paused(held.is_paused) {
                    let (id, is_paused) = (run.batch_id(), held.is_paused);
                    tracing::info!(batch.id = %id, paused = is_paused, "batch paused or resumed");
                    send::launch(shared, shared.lanes.set_paused(run.key()));
                }
            }
            // An ended batch has no lease any more, and its run is about to end by itself.
            Some(_) | None => lost.push(run),
        }
    }
    if lost_answer {
        let_go_of_unknown(shared, &runs, &held).await;
    }
    for run in lost {
        confirm_lost(shared, run).await;
    }
}

/// Gives back what the store holds for this worker and nobody runs, so that it can be claimed: the
/// answer to a claim or to a release was lost, or a lease was over and nobody else took the batch.
async fn let_go_of_unknown(shared: &Shared, runs: &[Arc<Run>], held: &HashMap<BatchId, Held>) {
    let is_run = |held: &Held| {
        let same =
            |run: &Arc<Run>| run.batch_id() == &held.batch && run.lease().epoch == held.epoch;
        runs.iter().any(same)
    };
    let mut unknown: Vec<&Held> = held
        .values()
        .filter(|held| !is_run(held) && !shared.is_stranded(&held.batch))
        .collect();
    unknown.sort_by(|one, other| one.batch.cmp(&other.batch));
    for held in unknown {
        let lease = Lease {
            batch: held.batch.clone(),
            worker: shared.worker.clone(),
            epoch: held.epoch,
        };
        let released = shared.leases.in_time(shared.store.release(&lease)).await;
        if let Err(error) = released {
            shared.lost_an_answer();
            report(shared, error);
            return;
        }
    }
}

/// Tells a run to drop everything, unless its batch has just ended.
async fn confirm_lost(shared: &Shared, run: &Run) {
    let batch = shared.store.batch(run.project(), run.batch_id());
    match shared.leases.in_time(batch).await {
        Ok(batch) if batch.state.status().is_terminal() => {}
        Ok(_) | Err(StoreError::NotFound) => run.order(Order::Drop),
        Err(error) => report(shared, error),
    }
}

/// How many more batches run here than are this worker's share, without those that are about to be
/// given back.
fn surplus(shared: &Shared) -> usize {
    let staying = shared.runs().iter().filter(|run| run.stays()).count();
    staying.saturating_sub(shared.share())
}

/// Gives batches back so that others have their share: first those that have the least in flight, which
/// must land before, and of these the ones that have the most time.
fn give_surplus_back(shared: &Arc<Shared>) {
    let mut staying = shared.runs();
    staying.retain(|run| run.stays());
    staying.sort_by_key(|run| (run.in_flight(), std::cmp::Reverse(run.expires_at())));
    for run in staying.into_iter().take(surplus(shared)) {
        tracing::info!(batch.id = %run.batch_id(), "the batch is left to another worker");
        if shared.reach.is_lost() {
            // What lands could not be kept either.
            shared.spawn(let_go(Arc::clone(shared), run));
        } else {
            run.order(Order::Stop);
        }
    }
}
