//! One batch that this worker holds: what its rooms share, and its life from claim to end.
//!
//! ```text
//! validating ──► work (feed, send, record) ──► seal ──► ended
//!      │                │
//!      └── an order ────┴──► close ──► grace ──► flush ──► seal, or give the batch back
//! ```

mod life;
mod plan;
mod resume;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use overnight_core::batch::{Batch, Lease};
use overnight_core::id::{BatchId, ProjectId};
use overnight_core::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::LiveBatch;
use crate::input::InputReader;
use crate::lease::Leave;
use crate::record::{Recorder, Traffic};
use crate::shared::lock;
use crate::trace::RunTrace;

pub(crate) use self::life::{Stop, let_go, live};

/// Names a run inside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunKey(pub(crate) u64);

/// What a run is told from outside. A later order replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Go,
    /// Somebody cancelled the batch.
    Cancel,
    /// The process stops, or another worker is to have the batch: let what is in flight land, and give
    /// the batch back.
    Stop,
    /// Somebody else runs the batch: do nothing more.
    Drop,
}

impl Order {
    /// What holds when another order comes. A cancel does not keep a run from stopping: it is in the
    /// batch's row, for whoever runs it next.
    const fn followed_by(self, next: Self) -> Self {
        match (self, next) {
            (Self::Drop, _) | (Self::Stop, Self::Cancel) => self,
            _ => next,
        }
    }
}

/// What the rooms of one batch share.
pub(crate) struct Run {
    key: RunKey,
    lease: Lease,
    leave: Leave,
    project: ProjectId,
    path: Arc<str>,
    expires_at: Timestamp,
    results_expire_after: Option<Duration>,
    input: OnceLock<InputReader>,
    total: AtomicU64,
    in_flight: AtomicU64,
    /// The lines in flight of all batches that run here.
    all_in_flight: Arc<AtomicU64>,
    /// Notified when nothing is in flight any more.
    idle: Notify,
    order: watch::Sender<Order>,
    /// Whether a client wants nothing more of it to be sent.
    is_paused: AtomicBool,
    /// Set once its plan and its input turned out to be lost, so that nobody knows its lines.
    is_lost: AtomicBool,
    /// Why a part of the run cannot go on, once that is so.
    broken: Mutex<Option<Stop>>,
    /// Ends every flight at once.
    pub(crate) abort: CancellationToken,
    pub(crate) recorder: Recorder,
    /// What is told of its course, if anything.
    pub(crate) trace: Option<RunTrace>,
}

impl Run {
    pub(crate) fn new(
        key: RunKey,
        batch: &Batch,
        (lease, leave): (Lease, Leave),
        all_in_flight: Arc<AtomicU64>,
        trace: Option<RunTrace>,
    ) -> Self {
        Self {
            key,
            lease,
            leave,
            project: batch.project.clone(),
            path: batch.spec.endpoint.as_str().into(),
            expires_at: batch.expires_at,
            results_expire_after: batch.spec.output_expires_after,
            input: OnceLock::new(),
            total: AtomicU64::new(batch.total()),
            in_flight: AtomicU64::new(0),
            all_in_flight,
            idle: Notify::new(),
            order: watch::Sender::new(Order::Go),
            is_paused: AtomicBool::new(batch.is_paused()),
            is_lost: AtomicBool::new(false),
            broken: Mutex::default(),
            abort: CancellationToken::new(),
            recorder: Recorder::new(),
            trace,
        }
    }

    pub(crate) const fn key(&self) -> RunKey {
        self.key
    }

    pub(crate) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Until when its lines may be sent.
    pub(crate) const fn leave(&self) -> &Leave {
        &self.leave
    }

    pub(crate) const fn batch_id(&self) -> &BatchId {
        &self.lease.batch
    }

    pub(crate) const fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The path that its lines are sent to.
    pub(crate) const fn path(&self) -> &Arc<str> {
        &self.path
    }

    pub(crate) const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How long its client wants its result files to be kept, if that was said.
    pub(crate) const fn results_expire_after(&self) -> Option<Duration> {
        self.results_expire_after
    }

    /// Its input file, once that is known.
    pub(crate) fn input(&self) -> Option<&InputReader> {
        self.input.get()
    }

    pub(crate) fn set_input(&self, input: InputReader) {
        // A second call brings the same file.
        let _ = self.input.set(input);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Whether nobody knows its lines any more, because its plan and its input are lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lost(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// Whether a client wants nothing more of it to be sent.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// Notes that a client paused the batch, or let it go on; true when that is new.
    pub(crate) fn set_paused(&self, paused: bool) -> bool {
        self.is_paused.swap(paused, Ordering::Relaxed) != paused
    }

    /// Gives an order, unless the run was told to drop everything before.
    pub(crate) fn order(&self, order: Order) {
        self.order.send_if_modified(|present| {
            let next = present.followed_by(order);
            std::mem::replace(present, next) != next
        });
    }

    /// Whether it was not told to give its batch back or to let go of it.
    pub(crate) fn stays(&self) -> bool {
        matches!(*self.order.borrow(), Order::Go | Order::Cancel)
    }

    /// A part of the run cannot go on, so the whole must not; the first reason counts.
    pub(crate) fn break_off(&self, stop: Stop) {
        lock(&self.broken).get_or_insert(stop);
        self.order(Order::Drop);
    }

    /// Why the run was broken off, if a part of it did that.
    fn take_broken(&self) -> Option<Stop> {
        lock(&self.broken).take()
    }

    /// Waits for an order that counts.
    pub(crate) async fn told(&self, counts: impl FnMut(&Order) -> bool) -> Order {
        // The sender lives as long as the run, so there always comes an answer.
        self.order
            .subscribe()
            .wait_for(counts)
            .await
            .map_or(Order::Drop, |order| *order)
    }

    /// A line of the batch goes out.
    pub(crate) fn departed(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.all_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A line of the batch came back, and what became of it is noted.
    pub(crate) fn landed(&self) {
        self.all_in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
            self.recorder.landed(self.traffic());
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// What is in flight, here and in all.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            own: self.in_flight(),
            all: self.all_in_flight.load(Ordering::Relaxed),
        }
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// How it is getting on, as far as it knows itself.
    pub(crate) fn live(&self) -> LiveBatch {
        let tally = self.recorder.tally();
        LiveBatch {
            total: self.total(),
            completed: tally.completed,
            failed: tally.failed,
            in_flight: self.in_flight(),
            ..LiveBatch::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Order::{Cancel, Drop, Go, Stop};

    #[test]
    fn a_later_order_replaces_an_earlier_one_but_what_was_dropped_stays_dropped() {
        for next in [Go, Cancel, Stop, Drop] {
            assert_eq!(Go.followed_by(next), next);
            assert_eq!(Cancel.followed_by(next), next);
            assert_eq!(Drop.followed_by(next), Drop);
        }
        assert_eq!(
            Stop.followed_by(Cancel),
            Stop,
            "who runs it next cancels it"
        );
        assert_eq!(Stop.followed_by(Drop), Drop);
    }
}
