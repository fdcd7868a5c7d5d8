//! Claims batches, starts their runs, and brings them what clients and the process want.
//!
//! It takes no input: every pass asks the store what is true. A wake-up only makes the next pass
//! come sooner.

use std::sync::Arc;
use std::time::Duration;

use overnight_store::StoreError;
use overnight_store::store::Claim;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counts::count;
use crate::engine::EngineError;
use crate::progress;
use crate::reach;
use crate::renewals::renew_until;
use crate::run::{Order, Run, live};
use crate::send;
use crate::shared::Shared;
use crate::sweep::sweep;
use crate::trace::RunTrace;
use crate::watch::{watch, watch_gauges};

/// So many batches are claimed at once.
const CLAIM_STEP: usize = 64;

/// Where there are many workers, one of them looks for batches about so often.
const LOOKS_APART: Duration = Duration::from_millis(30);

/// However many workers there are, each looks about so many times within a lease: whoever held a batch
/// and is gone must be found in time.
const LOOKS_PER_LEASE: u32 = 4;

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
    let (nudged, stopped) = (Notify::new(), CancellationToken::new());
    let claims = async {
        let stopped_at = claim_until_stopped(shared, stop, &nudged).await;
        stopped.cancel();
        stopped_at
    };
    let renewals = renew_until(shared, &nudged, &stopped);
    tokio::join!(claims, renewals).0
}

async fn claim_until_stopped(
    shared: &Arc<Shared>,
    stop: &CancellationToken,
    nudged: &Notify,
) -> Instant {
    let mut keys = 0;
    loop {
        claim(shared, &mut keys).await;
        tokio::select! {
            biased;
            () = told_to_stop(shared, stop) => return Instant::now(),
            // A client created a batch or cancelled one: both are looked for at once.
            () = shared.wake.woken() => nudged.notify_one(),
            () = tokio::time::sleep(claim_pause(shared)) => {}
        }
    }
}

/// How long it is until the next look for batches.
fn claim_pause(shared: &Shared) -> Duration {
    let interval = shared.settings.claim_interval;
    let Some(lease) = shared.store.lease_time() else {
        return interval;
    };
    let pause = shared_pause(interval, lease, shared.others());
    if pause == interval {
        return pause;
    }
    // Workers that were woken together must not look together from then on.
    let chance = u32::try_from(shared.entropy.draw() % 500).unwrap_or_default();
    pause * (750 + chance) / 1000
}

/// The more workers there are, the less often each looks: together they look no less often than one
/// would alone, and each shows itself well before its lease is over.
fn shared_pause(interval: Duration, lease: Duration, others: u64) -> Duration {
    let workers = u32::try_from(others.saturating_add(1)).unwrap_or(u32::MAX);
    let longest = interval.max(lease / LOOKS_PER_LEASE);
    LOOKS_APART.saturating_mul(workers).clamp(interval, longest)
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
        shared.spawn(async move {
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
    start(Box::pin(count(Arc::clone(shared))));
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

/// Takes batches that nobody holds and starts their runs, up to this worker's share.
async fn claim(shared: &Arc<Shared>, keys: &mut u64) {
    match look_out(shared).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => return report(shared, error),
    }
    loop {
        let most = shared.settings.open_batches_max.min(shared.share());
        let limit = most.saturating_sub(shared.open_runs()).min(CLAIM_STEP);
        if limit == 0 {
            return;
        }
        let asked = Instant::now();
        let claim = shared
            .store
            .claim(&shared.worker, limit, shared.clock.now());
        let claims = match shared.leases.in_time(claim).await {
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
            let trace = RunTrace::of(shared, &lease);
            let right = (lease, shared.leases.leave(asked));
            let run = Arc::new(Run::new(key, &batch, right, shared.in_flight(), trace));
            shared.add_run(Arc::clone(&run));
            shared.spawn(live(Arc::clone(shared), run, batch));
        }
        if count < limit {
            return;
        }
    }
}

/// Asks how many batches this worker should hold, where there may be others, and whether a claim is
/// worth its while.
async fn look_out(shared: &Shared) -> Result<bool, StoreError> {
    if !shared.leases.runs() {
        reach::look(shared, false).await?;
        return Ok(true);
    }
    let outlook = shared.store.outlook(&shared.worker);
    let outlook = shared.leases.in_time(outlook).await?;
    shared.set_outlook(&outlook);
    reach::look(shared, outlook.others_lost_reach).await?;
    Ok(outlook.is_worth_a_claim)
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
    let (nudged, never) = (Notify::new(), CancellationToken::new());
    let gone = async {
        tokio::select! {
            biased;
            _ = async { tokio::join!(leave(shared), gone) } => {}
            // While what is in flight lands, its leases must not end.
            () = renew_until(shared, &nudged, &never), if shared.leases.runs() => {}
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

/// Tells the other workers, where there may be some, that they may take everything.
async fn leave(shared: &Shared) {
    if shared.leases.runs() {
        let left = shared.store.leave(&shared.worker);
        if let Err(error) = shared.leases.in_time(left).await {
            report(shared, error);
        }
    }
}

/// An error of a verb that is asked again soon; a damaged database ends the engine.
pub(crate) fn report(shared: &Shared, error: StoreError) {
    if let StoreError::Corrupt(_) = error {
        shared.fail(EngineError::DatabaseCorrupt(error));
    } else {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the database did not answer"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_workers_there_are_the_less_often_each_looks() {
        let (interval, lease) = (Duration::from_millis(500), Duration::from_secs(5));
        let pause = |others| shared_pause(interval, lease, others);
        assert_eq!(pause(0), interval);
        assert_eq!(pause(15), interval);
        assert_eq!(pause(29), Duration::from_millis(900));
        assert_eq!(pause(99), lease / LOOKS_PER_LEASE);
        assert_eq!(pause(u64::MAX), lease / LOOKS_PER_LEASE);
        let short = shared_pause(interval, Duration::from_secs(1), 99);
        assert_eq!(short, interval, "never more often than alone");
    }
}
