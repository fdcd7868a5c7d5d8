//! Gathers the outcomes of a batch, and flushes them as segments.
//!
//! A line is done when its segment is recorded, not before. What finishes while a flush is under way
//! waits for the next one, which begins as soon as that is over if the flush rule says so: group commit
//! without a timer.

mod buffer;
mod flush;
mod last;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use overnight_core::batch::Tally;
use overnight_core::segment::{LineSet, ResultFile, Segment};
use overnight_core::usage::Usage;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::buffer::{Buffer, LineResult, Outcome};
pub(crate) use self::flush::{flush_all, record_now};
pub(crate) use self::last::sealing;
use crate::shared::lock;

/// Beyond so many bytes that wait, those who bring more have to wait for a flush.
const WAITING_BYTES_MAX: u64 = 16 << 20;

/// Of so many lines it is known how long they took, for people who ask.
const RECENT_LINES: usize = 512;

/// How many lines are in flight.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    /// Of the batch itself.
    pub(crate) own: u64,
    /// Of all batches that run here.
    pub(crate) all: u64,
}

/// What a recorder does next.
enum Step {
    /// Write this.
    Flush(Box<Buffer>),
    /// Look again then, or when nudged.
    Until(Instant),
    /// Look again when nudged.
    Idle,
    /// Every outcome that came was recorded, and no more come.
    Done,
}

/// The outcomes of one batch that are not recorded yet, and the numbers of those that are.
pub(crate) struct Recorder {
    state: Mutex<State>,
    nudge: Notify,
    /// Notified after each flush.
    flushed: Notify,
}

#[derive(Default)]
struct State {
    buffer: Buffer,
    done: LineSet,
    tally: Tally,
    next_seq: u64,
    /// How long the two result files are, as recorded.
    lengths: (u64, u64),
    total: Option<u64>,
    is_closed: bool,
    /// The tokens of what was recorded since the run began.
    usage: Usage,
    /// How long the lines took that were recorded last, in milliseconds.
    took: VecDeque<u32>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            nudge: Notify::new(),
            flushed: Notify::new(),
        }
    }

    /// Goes on from what is recorded already.
    pub(crate) fn resume(&self, done: LineSet, tally: Tally, lengths: (u64, u64), total: u64) {
        let mut state = lock(&self.state);
        state.done = done;
        state.tally = tally;
        state.lengths = lengths;
        state.total = Some(total);
    }

    /// Takes an outcome, with so many lines in flight. Only the buffer's memory is written; nothing
    /// waits.
    pub(crate) fn push(&self, line: &LineResult<'_>, outcome: Outcome, traffic: Traffic) {
        let mut state = lock(&self.state);
        if state.is_closed {
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.push(line, outcome);
        // The recorder's task must learn of a first outcome, to note its age, and of a full buffer.
        if was_empty || state.buffer.is_full(traffic.all) {
            self.nudge.notify_one();
        }
    }

    /// Waits while too much waits to be written.
    pub(crate) async fn room(&self) {
        loop {
            let flushed = self.flushed.notified();
            {
                let state = lock(&self.state);
                if state.buffer.bytes() < WAITING_BYTES_MAX || state.is_closed {
                    return;
                }
            }
            flushed.await;
        }
    }

    /// Nothing of the batch is in flight any more.
    pub(crate) fn landed(&self, traffic: Traffic) {
        if lock(&self.state).is_still(traffic) {
            self.nudge.notify_one();
        }
    }

    /// Waits until so many more segments were recorded.
    pub(crate) async fn many_recorded(&self, count: u64) {
        let target = lock(&self.state).next_seq.saturating_add(count);
        loop {
            let flushed = self.flushed.notified();
            if lock(&self.state).next_seq >= target {
                return;
            }
            flushed.await;
        }
    }

    /// No more outcomes come: what waits is flushed, then [`flush_all`] ends.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.nudge.notify_one();
        self.flushed.notify_waiters();
    }

    /// How the recorded lines ended.
    pub(crate) fn tally(&self) -> Tally {
        lock(&self.state).tally
    }

    /// The tokens of what was recorded since the run began.
    pub(crate) fn usage(&self) -> Usage {
        lock(&self.state).usage
    }

    /// How long the lines took that were recorded last, in milliseconds, in no order.
    pub(crate) fn took(&self) -> Vec<u32> {
        lock(&self.state).took.iter().copied().collect()
    }

    /// The recorded lines.
    pub(crate) fn done(&self) -> LineSet {
        lock(&self.state).done.clone()
    }

    /// Whether every line of the batch is recorded.
    pub(crate) fn is_complete(&self) -> bool {
        let state = lock(&self.state);
        state.total.is_some_and(|total| state.done.len() == total)
    }

    /// Whether every line of the batch is recorded with this segment, which is not recorded yet.
    fn is_completed_by(&self, segment: &Segment) -> bool {
        let state = lock(&self.state);
        state.total == Some(state.done.len() + segment.lines.len())
    }

    /// How long the two result files are, as recorded.
    fn lengths(&self) -> (u64, u64) {
        lock(&self.state).lengths
    }

    /// Notes a recorded segment, and how long some of its lines took.
    fn recorded(&self, segment: &Segment, took: &[u32]) {
        let mut state = lock(&self.state);
        debug_assert!(state.done.is_disjoint(&segment.lines), "a line ended twice");
        state.done.union_with(&segment.lines);
        state.tally += segment.tally;
        state.usage += segment.usage;
        state.took.extend(took);
        let old = state.took.len().saturating_sub(RECENT_LINES);
        state.took.drain(..old);
        let length = |file| segment.extent(file).map_or(0, |extent| extent.length);
        state.lengths.0 += length(ResultFile::Output);
        state.lengths.1 += length(ResultFile::Error);
        drop(state);
        self.flushed.notify_waiters();
    }

    fn take_seq(&self) -> u64 {
        let mut state = lock(&self.state);
        let seq = state.next_seq;
        state.next_seq += 1;
        seq
    }

    /// What the flush rule says. No flush is under way.
    fn step(&self, traffic: Traffic, age_max: Duration) -> Step {
        let mut state = lock(&self.state);
        let Some(oldest) = state.buffer.oldest() else {
            let complete = state.total.is_some_and(|total| state.done.len() == total);
            return if complete || state.is_closed {
                Step::Done
            } else {
                Step::Idle
            };
        };
        let due = oldest + age_max;
        let is_time = state.is_still(traffic)
            || state.is_closed
            || state.buffer.is_full(traffic.all)
            || due <= Instant::now();
        if is_time {
            let next = Buffer::like(&state.buffer);
            Step::Flush(Box::new(std::mem::replace(&mut state.buffer, next)))
        } else {
            Step::Until(due)
        }
    }
}

impl State {
    /// Whether nothing comes by itself that a flush could wait for. While lines of other batches are in
    /// flight, those that are left of this one have their turn soon.
    fn is_still(&self, traffic: Traffic) -> bool {
        let ended = self.done.len() + self.buffer.lines();
        let is_last = self.total.is_some_and(|total| total <= ended);
        traffic.own == 0 && (traffic.all == 0 || is_last)
    }
}
