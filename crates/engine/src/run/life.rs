//! The life of a run, from claim to end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use overnight_core::batch::{Batch, Event, Status};
use overnight_store::blobs::BlobError;
use overnight_store::status::{BatchProgress, Pace};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::resume::resume;
use super::{Order, Run};
use crate::engine::ResultTarget;
use crate::feed::{Feed, feed};
use crate::merge::merge_small;
use crate::record::flush_all;
use crate::seal;
use crate::shared::Shared;
use crate::validate::{Checked, validate};

/// A batch that was given up for a passing reason is claimed again after this pause.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A deadline that must not act is looked at again so often.
const DEADLINE_RECHECK: Duration = Duration::from_secs(5);

/// A batch whose files are lost is given back after this pause, and looked at anew.
const FILES_RECHECK: Duration = Duration::from_mins(1);

/// A batch that could not go on is given back after this pause, and looked at anew.
const STRANDED_RECHECK: Duration = Duration::from_mins(1);

/// Why a run ends before its batch does.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody else holds the batch.
    Fenced,
    /// The process stops; the batch may be given back.
    Released,
    /// A rule was broken, or the process must not go on.
    Broken,
    /// A blob that the batch needs is lost or damaged: it is claimed again, and what can be made
    /// anew is.
    Damaged(BlobError),
    /// Something that the batch needs is gone for good.
    Lost(BlobError),
}

/// Runs a batch until it has ended or the run has to stop, and gives it back then.
pub(crate) async fn live(shared: Arc<Shared>, run: Arc<Run>, batch: Batch) {
    let stop = tokio::select! {
        biased;
        // First, so that a process that was stopped does nothing before it has looked.
        never = end_with_the_lease(&shared, &run) => match never {},
        stop = drive(&shared, &run, batch) => stop,
    };
    shared.lanes.close(run.key());
    run.abort.cancel();
    run.recorder.close();
    let was_fenced = matches!(stop, Err(Stop::Fenced));
    tell_end(&run, &stop);
    match stop {
        Ok(batch) => {
            let status = batch.state.status();
            tracing::info!(batch.id = %run.batch_id(), batch.status = %status, "batch ended");
        }
        Err(Stop::Released) => give_back(&shared, &run).await,
        Err(Stop::Fenced) => {
            tracing::info!(batch.id = %run.batch_id(), "batch is let go of; another worker may have it");
        }
        Err(Stop::Broken) => {
            tracing::error!(batch.id = %run.batch_id(), "batch is left as it is");
            stranded(&shared, &run, "a fault of the server; see its log").await;
        }
        Err(Stop::Damaged(error)) => {
            log_damage(&run, &error);
            give_back(&shared, &run).await;
        }
        Err(Stop::Lost(error)) => {
            log_damage(&run, &error);
            stranded(
                &shared,
                &run,
                "a file that it needs is lost or damaged; see the log",
            )
            .await;
        }
    }
    shared.remove_run(&run);
    if was_fenced && shared.leases.runs() {
        // The lease was over, but it may be that nobody took the batch.
        shared.lost_an_answer();
    }
    // There is room for another batch.
    shared.wake.wake();
}

/// Drops everything as soon as the lease is over: from then on the batch may be somebody else's.
async fn end_with_the_lease(shared: &Shared, run: &Run) -> Infallible {
    run.leave().over().await;
    tracing::warn!(batch.id = %run.batch_id(), "the lease of a batch was not renewed in time");
    run.order(Order::Drop);
    shared.lanes.close(run.key());
    run.abort.cancel();
    std::future::pending().await
}

/// Gives the batch back without waiting for what is being written, which does not count from then on.
pub(crate) async fn let_go(shared: Arc<Shared>, run: Arc<Run>) {
    run.order(Order::Drop);
    shared.lanes.close(run.key());
    run.abort.cancel();
    // Nothing is sent any more.
    run.idle().await;
    release(&shared, &run).await;
}

fn log_damage(run: &Run, error: &BlobError) {
    let error: &dyn std::error::Error = error;
    tracing::error!(batch.id = %run.batch_id(), error, "a blob that the batch needs is damaged");
}

/// Lets anyone claim the batch; at once when the process stops, else after a pause, since what made it
/// stop may last.
async fn give_back(shared: &Shared, run: &Run) {
    if *run.order.borrow() == Order::Go {
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    release(shared, run).await;
}

async fn release(shared: &Shared, run: &Run) {
    if let Err(error) = shared.store.release(run.lease()).await {
        tracing::warn!(batch.id = %run.batch_id(), %error, "a batch was not given back");
        shared.lost_an_answer();
    }
}

/// Leaves a batch as it is for a while, and says why. It is given back then: what kept it from going
/// on may have been put right, and a cancel or its deadline may end it where nothing else can.
async fn stranded(shared: &Arc<Shared>, run: &Arc<Run>, why: &str) {
    shared.strand(run.batch_id());
    let (waiting, held) = (Arc::clone(shared), Arc::clone(run));
    shared.spawn(async move {
        tokio::select! {
            biased;
            () = waiting.stopping.cancelled() => return,
            () = waiting.fatal_signal.cancelled() => return,
            () = tokio::time::sleep(STRANDED_RECHECK) => {}
        }
        waiting.unstrand(held.batch_id());
        release(&waiting, &held).await;
        waiting.wake.wake();
    });
    let progress = BatchProgress {
        batch: run.batch_id().clone(),
        in_flight: 0,
        retrying: 0,
        lines_per_second: 0.0,
        eta_seconds: None,
        reason: Some(format!("it cannot go on: {why}")),
        pace: Pace::default(),
        updated_at: shared.clock.now(),
    };
    if let Err(error) = shared.store.save_progress(&[progress]).await {
        tracing::warn!(batch.id = %run.batch_id(), %error, "why a batch stands still was not saved");
    }
}

/// Tells whoever draws traces of the end of the run, and of the batch if that has ended.
fn tell_end(run: &Run, ended: &Result<Batch, Stop>) {
    let Some(trace) = &run.trace else {
        return;
    };
    let (why, fault) = match ended {
        Ok(batch) => {
            trace.batch_ended(batch);
            ("ended", None)
        }
        Err(Stop::Released) => ("released", None),
        Err(Stop::Fenced) => (
            "fenced",
            Some("another worker may have the batch".to_owned()),
        ),
        Err(Stop::Broken) => (
            "broken",
            Some("a fault of the server; see its log".to_owned()),
        ),
        Err(Stop::Damaged(error)) => ("damaged", Some(error.to_string())),
        Err(Stop::Lost(error)) => ("lost", Some(error.to_string())),
    };
    trace.run_ended(why, fault);
}

async fn drive(shared: &Arc<Shared>, run: &Arc<Run>, mut batch: Batch) -> Result<Batch, Stop> {
    if batch.state.status() == Status::Validating {
        batch = check(shared, run, batch).await?;
    }
    if batch.state.status() == Status::InProgress {
        batch = work(shared, run, batch).await?;
    } else if !batch.state.status().is_terminal() && batch.plan.is_some() {
        resume(shared, run, &mut batch).await?;
    }
    match batch.state.status() {
        Status::InProgress | Status::Finalizing | Status::Cancelling => {
            seal::seal(shared, run, &batch).await
        }
        Status::Validating
        | Status::Completed
        | Status::Failed
        | Status::Expired
        | Status::Cancelled => Ok(batch),
    }
}

/// Validates the input, or learns that it does not matter any more.
async fn check(shared: &Arc<Shared>, run: &Arc<Run>, batch: Batch) -> Result<Batch, Stop> {
    let began = shared.clock.now();
    let event = tokio::select! {
        biased;
        order = run.told(|order| *order != Order::Go) => match order {
            Order::Stop => return Err(Stop::Released),
            Order::Drop | Order::Go => return Err(Stop::Fenced),
            Order::Cancel => return reread(shared, run).await,
        },
        () = deadline(shared, run) => Event::DeadlinePassed,
        checked = validate(shared, run, &batch) => match checked? {
            Checked::Plan(plan) => Event::Validated(plan),
            Checked::Refused(errors) => Event::Rejected(errors),
        },
    };
    if let Some(trace) = &run.trace {
        let first = match &event {
            Event::Rejected(errors) => errors.first(),
            Event::Validated(_)
            | Event::CancelRequested
            | Event::DeadlinePassed
            | Event::Drained
            | Event::Sealed(_) => None,
        };
        trace.stage("validate", began, first.map(|error| error.message.clone()));
    }
    advance(shared, run, event).await
}

/// Applies an event. A client's cancel may have come before it.
async fn advance(shared: &Shared, run: &Run, event: Event) -> Result<Batch, Stop> {
    let at = shared.clock.now();
    shared
        .persist(run, || shared.store.advance(run.lease(), event.clone(), at))
        .await
}

async fn reread(shared: &Shared, run: &Run) -> Result<Batch, Stop> {
    shared
        .persist(run, || shared.store.batch(run.project(), run.batch_id()))
        .await
}

/// Sends and records lines until every line is done, or nothing more may be sent. The batch is then
/// ready to be sealed.
async fn work(shared: &Arc<Shared>, run: &Arc<Run>, mut batch: Batch) -> Result<Batch, Stop> {
    let footer = resume(shared, run, &mut batch).await?;
    let (Some(footer), Some(plan)) = (footer, &batch.plan) else {
        return wait_for_files(shared, run, batch).await;
    };
    let feeds = TaskTracker::new();
    let done = Arc::new(run.recorder.done());
    for (number, model) in (0..).zip(&footer.models) {
        let runs = footer.runs_of(number).collect();
        let blob = plan.entries.blob.clone();
        // Opened here, not by the feed: an order that comes now must find the queue to close it.
        let hungry = shared.lanes.open(run, model);
        let lines = Feed {
            hungry,
            model: Arc::clone(model),
            runs,
            blob,
            done: Arc::clone(&done),
        };
        let feeding = feed(Arc::clone(shared), Arc::clone(run), lines);
        feeds.spawn(shared.halt.clone().heeded(feeding));
    }
    feeds.close();
    let merging = merge_small(Arc::clone(shared), Arc::clone(run));
    let merging = AbortOnDropHandle::new(shared.spawn(merging));
    // A task of its own, since a flush must never be dropped half-way: whether its segment counts
    // would not be known.
    let mut recording = shared.spawn(flush_all(Arc::clone(shared), Arc::clone(run)));
    let ended = tokio::select! {
        biased;
        order = run.told(|order| *order != Order::Go) => {
            wind_up(shared, run, order, &mut recording).await
        }
        // All lines are recorded, or recording cannot go on.
        recorded = &mut recording => joined(recorded),
        () = deadline(shared, run) => {
            expire(shared, run, &mut recording).await
        }
    };
    shared.lanes.close(run.key());
    drop(merging);
    feeds.wait().await;
    match ended? {
        Some(batch) => Ok(batch),
        None if run.recorder.is_complete() => Ok(batch),
        None => reread(shared, run).await,
    }
}

/// Ends the sending at the deadline.
async fn expire(shared: &Shared, run: &Run, recording: &mut Recording) -> Recorded {
    let advanced = advance(shared, run, Event::DeadlinePassed).await;
    let grace = if advanced.is_ok() {
        shared.settings.expiry_grace
    } else {
        Duration::ZERO
    };
    let ended = stop_sending(shared, run, grace, recording).await?;
    ended.map_or(advanced, Ok).map(Some)
}

/// What came of recording: the batch, when it has ended with that.
type Recorded = Result<Option<Batch>, Stop>;
type Recording = JoinHandle<Recorded>;

fn joined(recorded: Result<Recorded, JoinError>) -> Recorded {
    recorded.unwrap_or_else(|panic| {
        tracing::error!(error = %panic, "recording broke down");
        Err(Stop::Broken)
    })
}

/// Brings an order about. Answers the batch when it has ended meanwhile.
async fn wind_up(shared: &Shared, run: &Run, order: Order, recording: &mut Recording) -> Recorded {
    let grace = match order {
        Order::Cancel => shared.settings.cancel_grace,
        Order::Stop => shared.settings.shutdown_grace,
        Order::Go | Order::Drop => Duration::ZERO,
    };
    let stopped = stop_sending(shared, run, grace, recording).await;
    match (order, stopped) {
        (_, Ok(Some(ended))) => Ok(Some(ended)),
        (Order::Cancel, stopped) => stopped,
        (Order::Stop, stopped) => stopped.and(Err(Stop::Released)),
        (Order::Go | Order::Drop, stopped) => Err(run
            .take_broken()
            .or_else(|| stopped.err())
            .unwrap_or(Stop::Fenced)),
    }
}

/// Sends nothing more, lets what is in flight land within the grace, and records it.
async fn stop_sending(
    shared: &Shared,
    run: &Run,
    grace: Duration,
    recording: &mut Recording,
) -> Recorded {
    shared.lanes.close(run.key());
    let landed = async {
        let _ = tokio::time::timeout(grace, run.idle()).await;
    };
    tokio::select! {
        biased;
        () = landed => {}
        // A grace is not longer than what the process has left.
        order = run.told(|order| matches!(order, Order::Stop | Order::Drop)) => {
            let left = match order {
                Order::Stop => grace.min(shared.settings.shutdown_grace),
                Order::Go | Order::Cancel | Order::Drop => Duration::ZERO,
            };
            let _ = tokio::time::timeout(left, run.idle()).await;
        }
    }
    run.abort.cancel();
    run.idle().await;
    run.recorder.close();
    joined(recording.await)
}

/// Waits for the batch's deadline, and until it may act.
async fn deadline(shared: &Shared, run: &Run) {
    loop {
        let left = run.expires_at().since(shared.clock.now());
        if left.is_zero() && shared.guard.is_steady() {
            return;
        }
        tokio::time::sleep(left.clamp(Duration::from_millis(1), DEADLINE_RECHECK)).await;
    }
}

/// Waits with a batch whose lines nobody knows any more, until it ends like any other. After a while
/// it is given back, so that the next run looks for its files again.
async fn wait_for_files(shared: &Shared, run: &Run, batch: Batch) -> Result<Batch, Stop> {
    if run.recorder.is_complete() {
        return Ok(batch);
    }
    if let ResultTarget::Append { .. } = shared.target {
        let text = "the plan is lost, and the input is not what was validated";
        return Err(Stop::Lost(BlobError::Corrupt(text.into())));
    }
    tokio::select! {
        biased;
        order = run.told(|order| *order != Order::Go) => match order {
            Order::Cancel => reread(shared, run).await,
            Order::Stop => Err(Stop::Released),
            Order::Drop | Order::Go => Err(Stop::Fenced),
        },
        () = deadline(shared, run) => advance(shared, run, Event::DeadlinePassed).await,
        () = tokio::time::sleep(FILES_RECHECK) => Err(Stop::Released),
    }
}

pub(super) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Stop {
    Stop::Damaged(BlobError::Corrupt(Box::new(error)))
}
