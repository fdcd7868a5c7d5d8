//! What outlives a life: the disk, the clock, what clients and upstreams have seen, and the trace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overnight_core::batch::{Batch, Lease, Status};
use overnight_core::id::{BatchId, Entropy};
use overnight_core::segment::Segment;
use overnight_core::time::{Clock, Timestamp};
use overnight_store::blocking::Blocking;
use overnight_store::faulty::Fault;
use overnight_store::{Blobs, Sqlite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::story::{BEGIN, Fate, Story, Strike};

/// A bug that is planted at a seam; those that only the engine's own code can have are planted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeamPlant {
    RowBeforeBlob,
    NoEpochCheck,
    CountsAddedTwice,
    SweepOfALiveBlob,
    DoneBeforeRecord,
}

/// A line of a batch: the batch's number and the line's, from 1.
pub(crate) type LineName = (usize, u32);

pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) plant: Option<SeamPlant>,
    folder: tempfile::TempDir,
    state: Mutex<State>,
}

/// A call that the life of its caller did not see happen, to happen later all the same.
pub(crate) struct Zombie {
    pub(crate) due: Duration,
    pub(crate) lease: Lease,
    pub(crate) segment: Segment,
}

/// What is known of a batch.
#[derive(Default)]
pub(crate) struct BatchFate {
    pub(crate) created: bool,
    pub(crate) cancelled: bool,
    pub(crate) deleted: bool,
    pub(crate) status: Option<Status>,
    pub(crate) ended: u64,
    pub(crate) recorded: BTreeSet<u32>,
    pub(crate) life: BatchLife,
}

/// What is known of a batch in the present life.
#[derive(Default)]
pub(crate) struct BatchLife {
    pub(crate) in_flight: BTreeSet<u32>,
    pub(crate) in_flight_max: u64,
    /// Lines with an outcome that no segment names yet.
    pub(crate) unrecorded: BTreeSet<u32>,
    pub(crate) flushing: bool,
    /// When the last record is answered, which may be long after it was done.
    pub(crate) answered_at: Duration,
    /// How many outcomes came since the flush began.
    pub(crate) since_flush: u64,
}

pub(crate) struct State {
    pub(crate) story: Story,
    pub(crate) trace: Vec<String>,
    /// As the process of this life has them, without faults.
    pub(crate) blobs: Blobs,
    /// The path of the folder in which everything is.
    pub(crate) folder: String,
    pub(crate) batches: Vec<BatchFate>,
    /// How often each line met a failure that may have been its own.
    pub(crate) doubts: BTreeMap<LineName, u32>,
    pub(crate) zombies: Vec<Zombie>,
    pub(crate) leases: BTreeMap<usize, Lease>,
    pub(crate) violations: Vec<String>,
    /// How many calls of the seams there were in this life.
    pub(crate) calls: u64,
    /// Whether the disk did not keep something in this life.
    pub(crate) disk_failed: bool,
    /// Whether the segment that is recorded just now is not, though its writer is told so.
    pub(crate) lied: bool,
    /// Whether the strike of this life has come.
    pub(crate) struck: bool,
    fate: Fate,
    /// The verb whose end is the process's.
    dying_of: Option<&'static str>,
    dead: CancellationToken,
    /// What the world's time was when this life began.
    before: Duration,
    began: Option<Instant>,
}

impl World {
    pub(crate) fn new(story: Story, plant: Option<SeamPlant>) -> Arc<Self> {
        let folder = folder();
        let state = State {
            trace: Vec::new(),
            blobs: blobs_in(folder.path(), &story),
            folder: folder.path().to_string_lossy().into_owned(),
            batches: story.batches.iter().map(|_| BatchFate::default()).collect(),
            doubts: BTreeMap::new(),
            zombies: Vec::new(),
            leases: BTreeMap::new(),
            violations: Vec::new(),
            calls: 0,
            struck: false,
            lied: false,
            disk_failed: false,
            fate: Fate::default(),
            dying_of: None,
            dead: CancellationToken::new(),
            before: Duration::ZERO,
            began: None,
            story: story.clone(),
        };
        Arc::new(Self {
            story,
            plant,
            folder,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the store as a new process would.
    pub(crate) fn open(&self) -> Sqlite {
        Sqlite::open(&self.folder.path().join("db"), Blocking::Inline).unwrap()
    }

    /// The blobs as the process of this life has them, without faults.
    pub(crate) fn blobs(&self) -> Blobs {
        self.state().blobs.clone()
    }

    /// How long the story has been going on, over all lives and the gaps between them.
    pub(crate) fn now(&self) -> Duration {
        self.state().now()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.state().is_quiet()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the disk has room.
    pub(crate) fn has_space(&self) -> bool {
        let (from, until) = self.story.full_disk;
        !(from..until).contains(&self.now())
    }

    /// What is to happen late, and is due.
    pub(crate) fn zombies(&self) -> Vec<Zombie> {
        let mut state = self.state();
        let now = state.now();
        let (due, later) = state
            .zombies
            .drain(..)
            .partition(|zombie| zombie.due <= now);
        state.zombies = later;
        due
    }

    pub(crate) fn clock(self: &Arc<Self>) -> Clock {
        let world = Arc::clone(self);
        Clock::new(move || world.state().time_of_day())
    }

    pub(crate) fn entropy(self: &Arc<Self>) -> Entropy {
        let world = Arc::clone(self);
        Entropy::new(move || world.state().story.rng.wide())
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.state().note(what);
    }

    pub(crate) fn violated(&self, what: String) {
        self.state().violated(what);
    }

    /// Begins a life, in its runtime. The answer is cancelled when it ends suddenly.
    pub(crate) fn be_born(&self, fate: Fate) -> CancellationToken {
        let mut state = self.state();
        state.began = Some(Instant::now());
        state.calls = 0;
        state.struck = false;
        state.disk_failed = false;
        state.dying_of = None;
        state.fate = fate;
        state.dead = CancellationToken::new();
        state.blobs = blobs_in(self.folder.path(), &self.story);
        state.note(|| format!("a life begins: {fate:?}"));
        state.dead.clone()
    }

    /// Lets that much time pass without a process.
    pub(crate) fn pass(&self, time: Duration) {
        self.state().before += time;
    }

    /// Ends a life, still in its runtime, `gap` before the next.
    pub(crate) fn bury(&self, gap: Duration) {
        let mut state = self.state();
        state.note(|| "the life has ended".to_owned());
        for index in 0..state.batches.len() {
            let life = std::mem::take(&mut state.batches[index].life);
            let now = state.now();
            if let Some(violation) = life.sends_too_much_again(now) {
                state.violated(format!("batch {index}: {violation}"));
            }
        }
        let now = state.now() + gap;
        (state.before, state.began) = (now, None);
    }
}

impl BatchLife {
    /// What waits to be recorded when a life ends suddenly is sent again: no more than two flushes
    /// full, and what came while one of them was under way.
    fn sends_too_much_again(&self, now: Duration) -> Option<String> {
        let flush = self.in_flight_max.max(32);
        let is_under_way = self.flushing || now <= self.answered_at;
        let meanwhile = if is_under_way { self.since_flush } else { 0 };
        let lost = self.unrecorded.len() as u64;
        (lost > 2 * flush + meanwhile).then(|| {
            format!(
                "{lost} lines are sent again, flushes being of {flush}, and {meanwhile} during one"
            )
        })
    }
}

impl State {
    pub(crate) fn now(&self) -> Duration {
        self.before + self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// For how long this life has lasted.
    pub(crate) fn age(&self) -> Duration {
        self.now().saturating_sub(self.before)
    }

    /// The lease under which a segment of the same batch was recorded last.
    pub(crate) fn newest_lease(&self, lease: &Lease) -> Option<Lease> {
        self.leases.get(&self.batch_of(&lease.batch)?).cloned()
    }

    pub(crate) fn time_of_day(&self) -> Timestamp {
        let now = self.now();
        let moved: i64 = self
            .story
            .jumps
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, seconds)| seconds)
            .sum();
        let micros = BEGIN.plus(now).micros();
        Timestamp::from_micros(micros.saturating_add_signed(moved * 1_000_000))
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.now() >= self.story.quiet
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let line = format!("{:>12} {}", self.now().as_micros(), what());
        self.trace.push(line);
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.note(|| format!("VIOLATED: {what}"));
        self.violations.push(what);
    }

    pub(crate) fn batch_of(&self, id: &BatchId) -> Option<usize> {
        self.story.batches.iter().position(|batch| batch.id == *id)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// The process is dead.
    pub(crate) fn die(&mut self) {
        self.note(|| "death".to_owned());
        self.dead.cancel();
    }

    /// Counts a call of a seam; what the life's fate does with it, if it does anything.
    pub(crate) fn strike(&mut self, verb: &'static str) -> Option<Fault> {
        if self.is_dead() {
            return Some(Fault::Hang);
        }
        let number = self.calls;
        self.calls += 1;
        let (_, strike) = self.fate.strike.filter(|(call, _)| *call == number)?;
        self.struck = true;
        self.note(|| format!("call {number}: {strike:?}"));
        Some(match strike {
            Strike::Fail => Fault::Fail,
            Strike::Hang => Fault::Hang,
            Strike::DieBefore => {
                self.die();
                Fault::Hang
            }
            Strike::DieAfter => {
                self.dying_of = Some(verb);
                Fault::DoThenHang
            }
        })
    }

    /// A verb has happened; if it was to be the last, nobody gets its answer.
    pub(crate) fn happened(&mut self, verb: &'static str) {
        if self.dying_of == Some(verb) {
            self.die();
        }
    }

    /// The segment is recorded.
    pub(crate) fn recorded(&mut self, lease: &Lease, segment: &Segment) {
        let Some(index) = self.batch_of(&lease.batch) else {
            return;
        };
        let fate = &mut self.batches[index];
        for line in segment.lines.iter() {
            fate.recorded.insert(line);
            fate.life.unrecorded.remove(&line);
        }
    }

    /// A client has looked at a batch.
    pub(crate) fn observe(&mut self, index: usize, batch: &Batch) {
        let status = batch.state.status();
        let fate = &mut self.batches[index];
        let (before, ended) = (fate.status.replace(status), fate.ended);
        fate.ended = batch.tally.ended();
        if before.is_some_and(|before| !follows(before, status)) {
            self.violated(format!("batch {index} went from {before:?} to {status}"));
        }
        if batch.tally.ended() < ended {
            self.violated(format!("batch {index} counted {ended} lines, then fewer"));
        }
        if before != Some(status) {
            self.note(|| format!("batch {index} is {status}"));
        }
    }
}

/// Whether a client that saw `before` may see `after` at its next look.
fn follows(before: Status, after: Status) -> bool {
    use Status::{
        Cancelled, Cancelling, Completed, Expired, Failed, Finalizing, InProgress, Validating,
    };
    let next: &[Status] = match before {
        Validating => return true,
        InProgress => &[Finalizing, Cancelling, Completed, Expired, Cancelled],
        Finalizing => &[Completed, Expired],
        Cancelling => &[Cancelled],
        Completed | Failed | Expired | Cancelled => &[],
    };
    before == after || next.contains(&after)
}

/// The key of a result file that is appended to, and the file.
pub(crate) const APPENDED: [(&str, &str); 2] =
    [("output", "out.jsonl"), ("error", "out.errors.jsonl")];

/// Opens the blobs as a new process would.
fn blobs_in(folder: &Path, story: &Story) -> Blobs {
    let mut blobs = Blobs::folder_on(&folder.join("blobs"), Blocking::Inline).unwrap();
    for (key, file) in APPENDED.iter().filter(|_| story.appends) {
        blobs = blobs
            .with_appended((*key).into(), &folder.join(file))
            .unwrap();
    }
    blobs
}

/// A folder in memory where there is one: what is to be durable is written thousands of times.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(memory)
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
