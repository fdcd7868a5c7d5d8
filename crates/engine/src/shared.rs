//! What every room of the engine works with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use overnight_core::id::{BatchId, Entropy, WorkerId};
use overnight_core::segment::BlobKey;
use overnight_core::time::{Clock, Timestamp};
use overnight_store::status::{BLOBS_NOT_REACHED, DISK_NEARLY_FULL, PAUSED};
use overnight_store::store::Outlook;
use overnight_store::{Blobs, Store, Wake};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::{EngineError, EngineParts, ResultTarget};
use crate::halt::Halt;
use crate::lanes::Lanes;
use crate::lease::LeaseClock;
use crate::metrics::{EngineMetrics, LineMetrics, UpstreamMetrics};
use crate::reach::OwnReach;
use crate::run::Run;
use crate::seal;
use crate::settings::EngineSettings;
use crate::trace::Tracing;

/// A full disk is looked at again so often.
const SPACE_RECHECK: Duration = Duration::from_secs(1);

/// A jump of the clock by more than this holds expiry back.
const CLOCK_JUMP_MAX: Duration = Duration::from_mins(1);

/// For so long.
const CLOCK_HOLD: Duration = Duration::from_mins(10);

/// So many inputs are checked at a time: each takes a processor, and memory for its longest line.
const CHECKS_MAX: usize = 2;

/// The engine's common ground.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) wake: Wake,
    pub(crate) settings: EngineSettings,
    pub(crate) target: ResultTarget,
    pub(crate) metrics: EngineMetrics,
    pub(crate) worker: WorkerId,
    /// The time of this worker's leases.
    pub(crate) leases: LeaseClock,
    /// How many batches this worker should hold.
    share: AtomicUsize,
    /// How many other workers there are.
    others: AtomicU64,
    /// How many times it was looked.
    looks: AtomicU64,
    /// Whether what has to be kept can be written.
    pub(crate) reach: OwnReach,
    pub(crate) halt: Halt,
    pub(crate) lanes: Lanes,
    pub(crate) guard: ClockGuard,
    /// Permits to check an input.
    pub(crate) checks: Semaphore,
    /// Permits to have a segment of unrun lines in memory.
    pub(crate) unrun_segments: Semaphore,
    /// Every task of the engine.
    pub(crate) tasks: TaskTracker,
    /// The batches that run here, in an order that does not differ from run to run.
    runs: Mutex<BTreeMap<BatchId, Arc<Run>>>,
    /// The lines in flight of all of them.
    in_flight: Arc<AtomicU64>,
    /// Batches that stay held here although nothing runs them, until they are looked at again.
    stranded: Mutex<BTreeSet<BatchId>>,
    /// Blobs that are known to be in quarantine.
    pub(crate) damaged: Mutex<BTreeSet<BlobKey>>,
    /// Whether the store may hold batches for this worker that it does not know of.
    holds_unknown: AtomicBool,
    /// Set once something happened after which the engine must not go on.
    fatal: Mutex<Option<EngineError>>,
    /// Cancelled together with it.
    pub(crate) fatal_signal: CancellationToken,
    /// Whether feeding waits for room on the disk.
    is_full: AtomicBool,
    /// Cancelled once nothing more may be kept trying.
    pub(crate) stopping: CancellationToken,
    /// The counters of each upstream, in the order of the lanes' places.
    pub(crate) upstream_metrics: Vec<UpstreamMetrics>,
    pub(crate) line_metrics: LineMetrics,
    /// Who is told of the course of batches, if anybody.
    pub(crate) tracing: Option<Tracing>,
}

impl Shared {
    pub(crate) fn new(parts: EngineParts) -> Self {
        let now = parts.clock.now();
        let upstreams = parts.upstreams.iter();
        let upstream_metrics = upstreams
            .map(|upstream| parts.metrics.upstream(&upstream.name))
            .collect();
        Self {
            upstream_metrics,
            line_metrics: parts.metrics.lines(),
            tracing: parts.tracing,
            worker: WorkerId::new(now, parts.entropy.draw()),
            lanes: Lanes::new(parts.upstreams, parts.settings.attempts),
            guard: ClockGuard::new(parts.clock.clone()),
            leases: LeaseClock::new(parts.store.lease_time()),
            share: AtomicUsize::new(usize::MAX),
            others: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            reach: OwnReach::default(),
            halt: Halt::default(),
            checks: Semaphore::new(CHECKS_MAX),
            unrun_segments: Semaphore::new(seal::UNRUN_SEGMENTS_MAX),
            store: parts.store,
            blobs: parts.blobs,
            clock: parts.clock,
            entropy: parts.entropy,
            wake: parts.wake,
            settings: parts.settings,
            target: parts.target,
            metrics: parts.metrics,
            tasks: TaskTracker::new(),
            runs: Mutex::default(),
            in_flight: Arc::default(),
            stranded: Mutex::default(),
            damaged: Mutex::default(),
            holds_unknown: AtomicBool::new(false),
            fatal: Mutex::default(),
            fatal_signal: CancellationToken::new(),
            is_full: AtomicBool::new(false),
            stopping: CancellationToken::new(),
        }
    }

    /// Spawns a task of the engine.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn(self.halt.clone().heeded(task))
    }

    /// The most batches that this worker should hold, so that others have as many.
    pub(crate) fn share(&self) -> usize {
        self.share.load(Ordering::Relaxed)
    }

    /// How many other workers there were when it was last looked.
    pub(crate) fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }

    /// How many times it was looked how many workers and batches there are.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Without others there is no bound to the share.
    pub(crate) fn set_outlook(&self, outlook: &Outlook) {
        self.others.store(outlook.others, Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
        let share = outlook.share.map_or(usize::MAX, |share| {
            usize::try_from(share).unwrap_or(usize::MAX)
        });
        self.share.store(share, Ordering::Relaxed);
    }

    pub(crate) fn run_of(&self, batch: &BatchId) -> Option<Arc<Run>> {
        lock(&self.runs).get(batch).cloned()
    }

    pub(crate) fn runs(&self) -> Vec<Arc<Run>> {
        lock(&self.runs).values().cloned().collect()
    }

    pub(crate) fn add_run(&self, run: Arc<Run>) {
        lock(&self.runs).insert(run.batch_id().clone(), run);
    }

    pub(crate) fn remove_run(&self, run: &Run) {
        let mut runs = lock(&self.runs);
        if runs
            .get(run.batch_id())
            .is_some_and(|held| held.key() == run.key())
        {
            runs.remove(run.batch_id());
        }
    }

    /// The count of the lines in flight of all batches that run here.
    pub(crate) fn in_flight(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.in_flight)
    }

    pub(crate) fn open_runs(&self) -> usize {
        lock(&self.runs).len()
    }

    /// A batch is left as it is for a while.
    pub(crate) fn strand(&self, batch: &BatchId) {
        lock(&self.stranded).insert(batch.clone());
    }

    /// A batch that was left as it is may be claimed again.
    pub(crate) fn unstrand(&self, batch: &BatchId) {
        lock(&self.stranded).remove(batch);
    }

    /// Whether there are batches that stay held here although nothing runs them.
    pub(crate) fn holds_stranded(&self) -> bool {
        !lock(&self.stranded).is_empty()
    }

    pub(crate) fn is_stranded(&self, batch: &BatchId) -> bool {
        lock(&self.stranded).contains(batch)
    }

    /// The answer to a claim or a release was lost: what the store holds for this worker has to be
    /// compared with what it runs.
    pub(crate) fn lost_an_answer(&self) {
        self.holds_unknown.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since it was asked last: whoever asks compares the two.
    pub(crate) fn take_lost_answer(&self) -> bool {
        self.holds_unknown.swap(false, Ordering::Relaxed)
    }

    /// Waits until the disk has room for results; false when the run sends nothing more anyway.
    pub(crate) async fn room_on_disk(&self, run: &Run) -> bool {
        while !self.settings.space.is_there() {
            if !self.lanes.is_open(run.key()) {
                return false;
            }
            if !self.is_full.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "the disk is nearly full: no more lines are sent until there is room"
                );
            }
            tokio::time::sleep(SPACE_RECHECK).await;
        }
        if self.is_full.swap(false, Ordering::Relaxed) {
            tracing::info!("there is room on the disk again");
        }
        true
    }

    /// Whether nothing is sent because the disk is nearly full.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Why a batch waits, as a sentence; `None` while it moves.
    pub(crate) fn reason(&self, run: &Run) -> Option<String> {
        if run.is_lost() {
            let why = "its plan and its input are lost or damaged; put the files back from a backup \
                       (the log names them), or cancel it";
            return Some(why.into());
        }
        if run.is_paused() {
            return Some(PAUSED.to_owned());
        }
        if self.is_full() {
            return Some(DISK_NEARLY_FULL.to_owned());
        }
        if self.reach.is_lost() {
            return Some(BLOBS_NOT_REACHED.to_owned());
        }
        self.lanes.reason(run.key())
    }

    /// Ends the engine, for the first reason that is given.
    pub(crate) fn fail(&self, error: EngineError) {
        lock(&self.fatal).get_or_insert(error);
        self.fatal_signal.cancel();
    }

    pub(crate) fn take_fatal(&self) -> Option<EngineError> {
        lock(&self.fatal).take()
    }
}

/// Locks, also after a holder panicked: what the engine's locks guard is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches that the time of day moves as time passes. A deadline acts only while it does: a clock
/// that jumps a day ahead must not expire every batch.
pub(crate) struct ClockGuard {
    clock: Clock,
    state: Mutex<GuardState>,
}

struct GuardState {
    /// What the time of day was at an instant of the clock that never jumps.
    anchor: (Instant, Timestamp),
    held_until: Option<(Instant, String)>,
}

impl ClockGuard {
    fn new(clock: Clock) -> Self {
        let anchor = (Instant::now(), clock.now());
        Self {
            clock,
            state: Mutex::new(GuardState {
                anchor,
                held_until: None,
            }),
        }
    }

    /// Nothing expires while the time of day is before the newest time that is stored.
    pub(crate) fn compare(&self, newest: Option<Timestamp>) {
        let now = self.clock.now();
        if let Some(newest) = newest
            && now.plus(CLOCK_JUMP_MAX) < newest
        {
            let why = "the clock is behind the newest time that is stored; nothing expires until it \
                       was checked and the server restarted, or for ten minutes";
            lock(&self.state).held_until = Some((Instant::now() + CLOCK_HOLD, why.to_owned()));
        }
    }

    /// Whether deadlines may act; notices a jump.
    pub(crate) fn is_steady(&self) -> bool {
        let (instant, now) = (Instant::now(), self.clock.now());
        let mut state = lock(&self.state);
        let expected = state.anchor.1.plus(instant.duration_since(state.anchor.0));
        let jump = now.since(expected).max(expected.since(now));
        if jump > CLOCK_JUMP_MAX {
            let why = format!(
                "the clock jumped by {} seconds; nothing expires for ten minutes",
                jump.as_secs()
            );
            tracing::warn!(jump_seconds = jump.as_secs(), "the clock jumped");
            state.held_until = Some((instant + CLOCK_HOLD, why));
        }
        state.anchor = (instant, now);
        if state
            .held_until
            .as_ref()
            .is_some_and(|(until, _)| *until <= instant)
        {
            state.held_until = None;
        }
        state.held_until.is_none()
    }

    /// Why nothing expires, while that is so.
    pub(crate) fn concern(&self) -> Option<String> {
        self.is_steady();
        lock(&self.state)
            .held_until
            .as_ref()
            .map(|(_, why)| why.clone())
    }
}
