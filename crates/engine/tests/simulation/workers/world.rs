//! What several workers share: the store, the blobs, the time, and what is known of every line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use overnight_core::id::{BatchId, Entropy, WorkerId};
use overnight_core::time::{Clock, Timestamp};
use overnight_store::blocking::Blocking;
use overnight_store::faulty::{Call, End, Fault, Leases, Plan};
use overnight_store::{Blobs, Sqlite};
use tokio::time::Instant;

use super::story::{LEASE, Story};
use crate::story::BEGIN;
use crate::world::LineName;

pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) store: Sqlite,
    pub(crate) blobs: Blobs,
    pub(crate) leases: Arc<Leases>,
    pub(crate) folder: tempfile::TempDir,
    began: OnceLock<Instant>,
    state: Mutex<State>,
}

pub(crate) struct State {
    story: Story,
    pub(crate) trace: Vec<String>,
    now: Duration,
    /// Until when each worker does not reach the store.
    cut_off: BTreeMap<usize, Duration>,
    /// Until when each worker does not reach the blobs.
    without_blobs: BTreeMap<usize, Duration>,
    recorded: BTreeSet<LineName>,
    /// The lines that went out, under which epoch.
    pub(crate) sent: BTreeSet<(LineName, u64)>,
    pub(crate) violations: Vec<String>,
}

impl World {
    pub(crate) fn new(story: Story) -> Arc<Self> {
        let folder = tempfile::tempdir_in(PathBuf::from("/dev/shm"));
        let folder = folder.or_else(|_| tempfile::tempdir()).unwrap();
        let state = State {
            story: story.clone(),
            trace: Vec::new(),
            now: Duration::ZERO,
            cut_off: BTreeMap::new(),
            without_blobs: BTreeMap::new(),
            recorded: BTreeSet::new(),
            sent: BTreeSet::new(),
            violations: Vec::new(),
        };
        Arc::new(Self {
            story,
            store: Sqlite::open(&folder.path().join("db"), Blocking::Inline).unwrap(),
            blobs: Blobs::memory(),
            leases: Arc::new(Leases::new(LEASE)),
            folder,
            began: OnceLock::new(),
            state: Mutex::new(state),
        })
    }

    /// The time since the story began, which is when it was asked first.
    pub(crate) fn now(&self) -> Duration {
        self.began.get_or_init(Instant::now).elapsed()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(began) = self.began.get() {
            state.now = began.elapsed();
        }
        state
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.state().note(&what());
    }

    pub(crate) fn violated(&self, what: &str) {
        self.state().violated(what);
    }

    /// The time of day by a clock that is so many seconds off.
    pub(crate) fn clock(self: &Arc<Self>, off_seconds: i64) -> Clock {
        let world = Arc::clone(self);
        Clock::new(move || {
            let micros = BEGIN.plus(world.now()).micros();
            Timestamp::from_micros(micros.saturating_add_signed(off_seconds * 1_000_000))
        })
    }

    pub(crate) fn entropy(self: &Arc<Self>) -> Entropy {
        let world = Arc::clone(self);
        Entropy::new(move || world.state().story.rng.wide())
    }

    /// A number below that one.
    pub(crate) fn draw(&self, below: u64) -> u64 {
        self.state().story.rng.within(0..below)
    }

    /// A worker does not reach the store until then.
    pub(crate) fn cut_off(&self, worker: usize, until: Duration) {
        self.state().cut_off.insert(worker, until);
    }

    /// A worker does not reach the blobs until then.
    pub(crate) fn without_blobs(&self, worker: usize, until: Duration) {
        self.state().without_blobs.insert(worker, until);
    }

    pub(crate) fn batch_of(&self, id: &BatchId) -> Option<usize> {
        let batches = &mut self.story.batches.iter();
        batches.position(|batch| batch.id == *id)
    }

    /// A worker sends a line: it must hold the line's batch, by the clock of the store; and a line that
    /// is done, or on its way under the same lease, is not sent.
    pub(crate) fn sends(&self, worker: (usize, &WorkerId), line: LineName) {
        let (number, id) = worker;
        let lease = self.leases.good_for(id, &self.story.batches[line.0].id);
        let mut state = self.state();
        let Some(epoch) = lease else {
            state.violated(&format!("worker {number} sends {line:?} without a lease"));
            return;
        };
        if state.recorded.contains(&line) {
            state.violated(&format!("line {line:?} is sent though it is recorded"));
        }
        if !state.sent.insert((line, epoch)) {
            state.violated(&format!("line {line:?} is sent twice under epoch {epoch}"));
        }
    }

    /// The bytes of a batch's input file, and the ids of its lines.
    pub(crate) fn input(&self, index: usize) -> (String, Vec<String>) {
        let (mut input, mut ids) = (String::new(), Vec::new());
        for line in 1..=self.story.batches[index].lines {
            let id = format!("b{index}-{line}");
            let _ = writeln!(
                input,
                r#"{{"custom_id":"{id}","method":"POST","url":"/v1/chat/completions","body":{{"model":"m0","messages":[{{"role":"user","content":"<{index}-{line}>"}}]}}}}"#
            );
            ids.push(id);
        }
        (input, ids)
    }
}

impl State {
    pub(crate) fn note(&mut self, what: &str) {
        let line = format!("{:>12} {what}", self.now.as_micros());
        self.trace.push(line);
    }

    pub(crate) fn violated(&mut self, what: &str) {
        self.note(&format!("VIOLATED: {what}"));
        self.violations.push(what.to_owned());
    }
}

/// What goes wrong between a worker and the store.
#[derive(Clone)]
pub(crate) struct Seam {
    pub(crate) world: Arc<World>,
    pub(crate) worker: usize,
}

impl Plan for Seam {
    fn fault(&self, call: &Call<'_>) -> Fault {
        let mut state = self.world.state();
        let now = state.now;
        let cut_off = state.cut_off.get(&self.worker).copied().unwrap_or_default();
        let (faults, is_quiet) = (state.story.store_faults, now >= state.story.quiet);
        let rng = &mut state.story.rng;
        let fault = if now < cut_off {
            let rest = cut_off.saturating_sub(now) + rng.millis(0..50);
            match rng.within(0..10) {
                0..5 => Fault::Fail,
                // It was on its way, and comes through when the way is free; or its answer does.
                5..8 => Fault::Late(rest),
                8 => Fault::Slow(rest),
                _ => Fault::DoThenFail,
            }
        } else if !is_quiet && rng.per_mille(faults) {
            match rng.within(0..6) {
                0 => Fault::Fail,
                1 => Fault::DoThenFail,
                2 => Fault::Late(rng.millis(1..8_000)),
                3 => Fault::Slow(rng.millis(1..8_000)),
                4 => Fault::Late(rng.millis(1..50)),
                _ => Fault::Slow(rng.millis(1..50)),
            }
        } else {
            Fault::None
        };
        if !matches!(call.verb, "outlook" | "count_batches" | "quarantined") {
            let worker = self.worker;
            state.note(&format!("worker {worker}: {} {fault:?}", call.verb));
        }
        fault
    }

    fn ended(&self, call: &Call<'_>, end: &End) {
        if *end != End::Done {
            let worker = self.worker;
            self.world
                .note(|| format!("worker {worker}: {} {end:?}", call.verb));
        }
        let Some((lease, segment)) = call.segment.filter(|_| *end == End::Done) else {
            return;
        };
        if let Some(batch) = self.world.batch_of(&lease.batch) {
            let lines = segment.lines.iter().map(|line| (batch, line));
            self.world.state().recorded.extend(lines);
        }
    }
}

/// What goes wrong between a worker and the blobs.
pub(crate) struct BlobSeam(pub(crate) Seam);

impl Plan for BlobSeam {
    fn fault(&self, call: &Call<'_>) -> Fault {
        let Self(Seam { world, worker }) = self;
        let mut state = world.state();
        let without = state.without_blobs.get(worker).copied();
        let until = without.unwrap_or_default();
        if state.now >= until {
            return Fault::None;
        }
        let rest = until.saturating_sub(state.now);
        let rng = &mut state.story.rng;
        let fault = match rng.within(0..10) {
            0..6 => Fault::Fail,
            // It is on its way for long, or its answer is.
            6 => Fault::Late(rest),
            7 => Fault::Slow(rest),
            _ => Fault::DoThenFail,
        };
        state.note(&format!(
            "worker {worker}: {} of a blob {fault:?}",
            call.verb
        ));
        fault
    }
}
