//! The lines of one batch that wait in one lane.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::Trial;
use tokio::sync::Notify;

use crate::line::Line;
use crate::run::Run;

/// A line whose bytes take more than this is read again for its next attempt instead of being held.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// And so are all once those that are held take that much together.
const KEPT_BYTES_ALL: usize = 1 << 20;

/// A queue has at most so many fresh lines.
const FRESH_MAX: usize = 4096;

/// What a batch waits for in a lane.
pub(super) struct Queue {
    /// The batch.
    pub(super) run: Arc<Run>,
    /// Lines that were never sent, in plan order.
    fresh: VecDeque<Line>,
    fresh_bytes: usize,
    /// Retries that may go out at once.
    due: VecDeque<Line>,
    due_bytes: usize,
    /// Retries that were sent since the last fresh line.
    retries_in_a_row: u32,
    /// Retries that wait for their time.
    waiting: BinaryHeap<Waiting>,
    /// Lines that must run alone, each with the time since when they wait.
    suspects: VecDeque<(Duration, Line)>,
    /// Notified when there are few fresh lines left.
    pub(super) hungry: Arc<Notify>,
    /// With so many bytes of fresh lines, or fewer, it is hungry.
    low: usize,
    /// Whether no more lines come.
    pub(super) is_fed: bool,
    /// Whether nothing goes out, because somebody paused the batch.
    is_paused: bool,
}

/// How many lines wait for another attempt.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// With others in flight.
    pub(super) retries: usize,
    /// Alone.
    pub(super) suspects: usize,
}

impl Counts {
    /// Those of one queue became others.
    pub(super) const fn change(&mut self, before: Self, after: Self) {
        self.retries = self.retries.saturating_sub(before.retries) + after.retries;
        self.suspects = self.suspects.saturating_sub(before.suspects) + after.suspects;
    }
}

/// Which line of a queue may go out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Retries before fresh lines.
    Any,
    /// Only retries: there are too many of them.
    Retry,
    /// A fresh line if there is one: it tells most about an upstream in doubt, and whether the retries
    /// are to blame for their failures.
    Fresh,
    /// Nothing but a fresh line.
    OnlyFresh,
    /// One that must run alone.
    Suspect,
}

impl Queue {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self {
            is_paused: run.is_paused(),
            run,
            fresh: VecDeque::new(),
            fresh_bytes: 0,
            due: VecDeque::new(),
            due_bytes: 0,
            retries_in_a_row: 0,
            waiting: BinaryHeap::new(),
            suspects: VecDeque::new(),
            hungry: Arc::default(),
            low: 0,
            is_fed: false,
        }
    }

    /// Takes more fresh lines.
    pub(super) fn feed(&mut self, lines: Vec<Line>) {
        self.fresh_bytes += lines.iter().map(Line::held_bytes).sum::<usize>();
        self.fresh.extend(lines);
        self.low = self.fresh_bytes / 2;
    }

    /// Whether there is room for another piece of that many bytes.
    pub(super) fn is_low(&self, bytes: usize) -> bool {
        self.fresh.is_empty() || (self.fresh_bytes < bytes && self.fresh.len() < FRESH_MAX)
    }

    pub(super) fn is_ready(&self) -> bool {
        let has_lines = !self.fresh.is_empty() || !self.due.is_empty() || !self.suspects.is_empty();
        has_lines && !self.is_paused
    }

    /// Brings the queue in line with what its batch was told.
    pub(super) fn update_pause(&mut self) {
        self.is_paused = self.run.is_paused();
    }

    /// What counts in the lane: those of a paused batch would keep the lines of others waiting.
    pub(super) fn counts(&self) -> Counts {
        if self.is_paused {
            return Counts::default();
        }
        Counts {
            retries: self.due.len() + self.waiting.len(),
            suspects: self.suspects.len(),
        }
    }

    /// Whether lines that never failed wait here, or are still to be fed.
    pub(super) fn has_fresh_or_more(&self) -> bool {
        !self.is_paused && (!self.is_fed || !self.fresh.is_empty())
    }

    /// Whether any line waits here to be sent.
    pub(super) fn waits(&self) -> bool {
        !self.fresh.is_empty() || self.retries() > 0
    }

    /// Lines that wait for another attempt.
    pub(super) fn retries(&self) -> usize {
        self.due.len() + self.waiting.len() + self.suspects.len()
    }

    /// How many of them were sent since the last fresh line.
    pub(super) const fn retries_in_a_row(&self) -> u32 {
        self.retries_in_a_row
    }

    /// Since when the first of the lines that must run alone has waited.
    pub(super) fn suspect_since(&self) -> Option<Duration> {
        let front = self.suspects.front().filter(|_| !self.is_paused);
        front.map(|(since, _)| *since)
    }

    /// Takes the line that may go out, if there is one of the wanted kind. A retry goes only once `settle`
    /// has settled what it went through.
    pub(super) fn take(
        &mut self,
        want: Want,
        now: Duration,
        settle: &impl Fn(&mut Trial),
    ) -> Option<Line> {
        if self.is_paused {
            return None;
        }
        match want {
            Want::Any => self.take_due(now, settle).or_else(|| self.take_fresh()),
            Want::Retry => self.take_due(now, settle),
            Want::Fresh => self.take_fresh().or_else(|| self.take_due(now, settle)),
            Want::OnlyFresh => self.take_fresh(),
            Want::Suspect => self.suspects.pop_front().map(|(_, line)| line),
        }
    }

    /// Lets the lines that had to run alone go with the others again, but for those that have taken an
    /// upstream down alone.
    pub(super) fn acquit(&mut self) {
        for (since, mut line) in std::mem::take(&mut self.suspects) {
            line.trial_mut().acquit();
            if line.is_suspect() {
                self.suspects.push_back((since, line));
            } else {
                self.push_due(line);
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_vec();
        for Waiting { line, .. } in &mut waiting {
            line.trial_mut().acquit();
        }
        self.waiting = waiting.into();
    }

    /// Puts a line back that is to be sent again at once.
    pub(super) fn again(&mut self, mut line: Line, now: Duration) {
        if line.is_suspect() {
            line.bytes = None;
            self.suspects.push_back((now, line));
        } else {
            self.push_due(line);
        }
    }

    /// Puts a line back that is to be sent again, but not before that time.
    pub(super) fn later(&mut self, mut line: Line, due: Duration) {
        line.bytes = None;
        self.waiting.push(Waiting { due, line });
    }

    /// Lets the retries out whose time has come, each once `settle` has settled what it went through; true
    /// when there were any.
    pub(super) fn promote(&mut self, now: Duration, settle: &impl Fn(&mut Trial)) -> bool {
        let before = self.waiting.len();
        while self
            .waiting
            .peek()
            .is_some_and(|waiting| waiting.due <= now)
        {
            if let Some(Waiting { mut line, .. }) = self.waiting.pop() {
                settle(line.trial_mut());
                self.again(line, now);
            }
        }
        self.waiting.len() < before
    }

    /// When the next retry is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.peek().map(|waiting| waiting.due)
    }

    /// Takes every line that waits.
    pub(super) fn take_all(&mut self) -> Vec<Line> {
        (self.fresh_bytes, self.due_bytes) = (0, 0);
        self.hungry.notify_one();
        let fresh = self.fresh.drain(..);
        let due = self.due.drain(..);
        let waiting = self.waiting.drain().map(|waiting| waiting.line);
        let suspects = self.suspects.drain(..).map(|(_, line)| line);
        fresh.chain(due).chain(waiting).chain(suspects).collect()
    }

    fn push_due(&mut self, mut line: Line) {
        let bytes = line.held_bytes();
        if bytes > KEPT_BYTES_MAX || self.due_bytes + bytes > KEPT_BYTES_ALL {
            line.bytes = None;
        }
        self.due_bytes += line.held_bytes();
        self.due.push_back(line);
    }

    fn take_due(&mut self, now: Duration, settle: &impl Fn(&mut Trial)) -> Option<Line> {
        while let Some(mut line) = self.due.pop_front() {
            self.due_bytes -= line.held_bytes();
            // What it went through may have turned out since it became due.
            settle(line.trial_mut());
            if !line.is_suspect() {
                self.retries_in_a_row = self.retries_in_a_row.saturating_add(1);
                return Some(line);
            }
            self.again(line, now);
        }
        None
    }

    fn take_fresh(&mut self) -> Option<Line> {
        let line = self.fresh.pop_front()?;
        self.fresh_bytes -= line.held_bytes();
        self.retries_in_a_row = 0;
        if self.fresh_bytes <= self.low && !self.is_fed {
            self.hungry.notify_one();
        }
        Some(line)
    }
}

/// A retry that waits for its time; the soonest is the greatest, as a heap has it.
struct Waiting {
    due: Duration,
    line: Line,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |waiting: &Self| (waiting.due, waiting.line.entry.line);
        key(other).cmp(&key(self))
    }
}
