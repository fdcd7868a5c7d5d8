//! Claims batches, starts their runs, and brings them what clients and the process want.
//!
//! It takes no input: every pass asks the store what is true. A wake-up only makes the next pass
//! come sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use overnight_core::batch::{Lease, Status};
use overnight_core::id::BatchId;
use overnight_store::StoreError;
use overnight_store::store::{Claim, Held};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineError;
use crate::progress;
use crate::record::Recorder;
use crate::run::{Order, Run, live};
use crate::send;
use crate::shared::Shared;
use crate::sweep::sweep;
use crate::watch::{watch, watch_gauges};

/// So many batches are claimed at once.
const CLAIM_STEP: usize = 64;

/// After the grace, tasks that were told to end get this long to do so.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the engine until `stop`.
///
/// # Errors
///
/// [`EngineError`] when going on would put what is kept at risk.
pub(crate) async fn run(shared: &Arc<Shared>, stop: CancellationToken) -> Result<(), EngineError> {
    let newest = tokio::select! {
        biased;
        newest = shared.store.newest() => newest,
        _ = overdue(shared, &stop) => return Ok(()),
    };
    match newest {
        Ok(newest) => shared.guard.compare(newest),
        Err(error @ StoreError::Corrupt(_)) => return Err(EngineError::DatabaseCorrupt(error)),
        Err(error) => tracing::warn!(%error, "the newest stored time is not known"),
    }
    let helpers = start_helpers(shared);
    let stopped_at = tokio::select! {
        biased;
        stopped_at = dispatch(shared, &stop) => stopped_at,
        stopped_at = overdue(shared, &stop) => {
            tracing::warn!("the database does not answer, and is not waited for");
            stopped_at
        }
    };
    wind_up(shared, stopped_at).await;
    helpers.cancel();
    shared.tasks.close();
    if tokio::time::timeout(END_PATIENCE, shared.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(tasks = shared.tasks.len(), "some tasks did not end in time");
    }
    shared.take_fatal().map_or(Ok(()), Err)
}

/// Claims and renews until the engine is to stop; answers when that was said.
async fn dispatch(shared: &Arc<Shared>, stop: &CancellationToken) -> Instant {
    let mut keys = 0;
    let mut next_renewal = Instant::now();
    loop {
        claim(shared, &mut keys).await;
        if next_renewal <= Instant::now() {
            renew(shared).await;
            next_renewal = Instant::now() + shared.settings.renew_interval;
        }
        tokio::select! {
            biased;
            () = told_to_stop(shared, stop) => return Instant::now(),
            // A client created a batch or cancelled one: both are looked for at once.
            () = shared.wake.woken() => next_renewal = Instant::now(),
            () = tokio::time::sleep(shared.settings.claim_interval) => {}
        }
    }
}

async fn told_to_stop(shared: &Shared, stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = shared.fatal_signal.cancelled() => {}
    }
}

/// Waits until the engine should have stopped and has not: what it asked of the store may never be
/// answered. Answers when it was told to stop.
async fn overdue(shared: &Shared, stop: &CancellationToken) -> Instant {
    told_to_stop(shared, stop).await;
    let told = Instant::now();
    tokio::time::sleep(END_PATIENCE).await;
    told
}

/// Starts everything that goes on beside the batches; ends with the token.
fn start_helpers(shared: &Arc<Shared>) -> CancellationToken {
    let token = CancellationToken::new();
    let start = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let token = token.clone();
        shared.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                () = task => {}
            }
        });
    };
    for (place, upstream) in shared.lanes.upstreams() {
        start(Box::pin(watch(
            Arc::clone(shared),
            place,
            Arc::clone(&upstream),
        )));
        start(Box::pin(watch_gauges(Arc::clone(shared), place, upstream)));
    }
    start(Box::pin(tick(Arc::clone(shared))));
    start(Box::pin(sweep(Arc::clone(shared))));
    start(Box::pin(progress::report(Arc::clone(shared))));
    token
}

/// Lets happen what no event brings: retries whose time has come, probes, the ends of pauses.
async fn tick(shared: Arc<Shared>) {
    loop {
        let (flights, next) = shared.lanes.tick();
        send::launch(&shared, flights);
        let sooner = shared.lanes.sooner();
        match next {
            Some(due) => {
                let pause = due.saturating_sub(shared.lanes.now());
                let _ = tokio::time::timeout(pause.max(Duration::from_millis(1)), sooner).await;
            }
            None => sooner.await,
        }
    }
}

/// Takes batches that nobody holds and starts their runs.
async fn claim(shared: &Arc<Shared>, keys: &mut u64) {
    loop {
        let room = shared
            .settings
            .open_batches_max
            .saturating_sub(shared.open_runs());
        let limit = room.min(CLAIM_STEP);
        if limit == 0 {
            return;
        }
        let claims = match shared
            .store
            .claim(&shared.worker, limit, shared.clock.now())
            .await
        {
            Ok(claims) => claims,
            Err(error) => {
                shared.lost_an_answer();
                report(shared, error);
                return;
            }
        };
        let count = claims.len();
        for Claim { batch, lease } in claims {
            tracing::info!(batch.id = %batch.id, lease.epoch, "batch claimed");
            let key = progress::next_key(keys);
            let run = Arc::new(Run::new(key, &batch, lease, Recorder::new()));
            shared.add_run(Arc::clone(&run));
            shared.tasks.spawn(live(Arc::clone(shared), run, batch));
        }
        if count < limit {
            return;
        }
    }
}

/// Prolongs the leases, and tells runs what became of their batches meanwhile.
async fn renew(shared: &Arc<Shared>) {
    let runs = shared.runs();
    let lost_answer = shared.take_lost_answer();
    if runs.is_empty() && !lost_answer {
        return;
    }
    let held = match shared.store.renew(&shared.worker, shared.clock.now()).await {
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
    if lost_answer {
        let_go_of_unknown(shared, &runs, &held).await;
    }
    for run in runs {
        match held.get(run.batch_id()) {
            Some(held) if held.epoch == run.lease().epoch => {
                if held.status == Status::Cancelling {
                    run.order(Order::Cancel);
                }
                if run.set_paused(held.is_paused) {
                    let id = run.batch_id();
                    tracing::info!(batch.id = %id, paused = held.is_paused, "batch paused or resumed");
                    send::launch(shared, shared.lanes.set_paused(run.key()));
                }
            }
            // An ended batch has no lease any more, and its run is about to end by itself.
            Some(_) | None => confirm_lost(shared, &run).await,
        }
    }
}

/// Gives back what the store holds for this worker and nobody runs, so that it can be claimed: the
/// answer to a claim or to a release was lost.
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
        if let Err(error) = shared.store.release(&lease).await {
            shared.lost_an_answer();
            report(shared, error);
            return;
        }
    }
}

/// Tells a run to drop everything, unless its batch has just ended.
async fn confirm_lost(shared: &Shared, run: &Run) {
    match shared.store.batch(run.project(), run.batch_id()).await {
        Ok(batch) if batch.state.status().is_terminal() => {}
        Ok(_) | Err(StoreError::NotFound) => run.order(Order::Drop),
        Err(error) => report(shared, error),
    }
}

/// Stops every run, within the grace, which began at that instant.
async fn wind_up(shared: &Arc<Shared>, stopped_at: Instant) {
    let runs = shared.runs();
    if !runs.is_empty() {
        tracing::info!(batches = runs.len(), "letting what is in flight land");
    }
    let order = if shared.fatal_signal.is_cancelled() {
        Order::Drop
    } else {
        Order::Stop
    };
    for run in &runs {
        run.order(order);
    }
    let patience = shared.settings.shutdown_grace + END_PATIENCE;
    let gone = async {
        while shared.open_runs() > 0 {
            shared.wake.woken().await;
        }
    };
    let ended = tokio::time::timeout_at(stopped_at + patience, gone).await;
    if ended.is_err() {
        tracing::warn!(
            batches = shared.open_runs(),
            "some batches were not given back in time"
        );
    }
    shared.stopping.cancel();
}

fn report(shared: &Shared, error: StoreError) {
    if let StoreError::Corrupt(_) = error {
        shared.fail(EngineError::DatabaseCorrupt(error));
    } else {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the database did not answer"
        );
    }
}
