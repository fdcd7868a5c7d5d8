//! A batch and its life.
//!
//! ```text
//! validating ──► in_progress ──► finalizing ──► completed | expired
//!     │  │            │
//!     │  └────────────┴──► cancelling ──► cancelled
//!     └──► failed | expired
//! ```
//!
//! The API's cancel, the clock and the run of a batch race by nature. The first to be saved wins, and
//! an event that comes too late leaves the state as it is ([`State::apply`]).

mod state;

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::state::{Ending, Event, IllegalTransition, Results, State, Status, transition_table};
use crate::endpoint::Endpoint;
use crate::id::{BatchId, FileId, ProjectId, WorkerId};
use crate::metadata::Metadata;
use crate::segment::{Extent, LineSet};
use crate::time::Timestamp;
use crate::usage::Usage;

/// What a client asked for when it created the batch. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// The file whose lines are run.
    pub input_file: FileId,
    /// The path that all lines use.
    pub endpoint: Endpoint,
    /// The promise.
    pub window: CompletionWindow,
    /// What the client attached.
    pub metadata: Option<Metadata>,
    /// How long after their creation the result files are deleted; the server's default when `None`.
    pub output_expires_after: Option<Duration>,
}

/// The time within which a batch ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionWindow {
    /// As the client wrote it: `24h`.
    pub text: Arc<str>,
    /// Its length; a batch without a deadline (`None`) never expires.
    pub length: Option<Duration>,
}

/// One run of an input file.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub project: ProjectId,
    /// What was asked for.
    pub spec: BatchSpec,
    /// The batch of whose failed lines this one was made.
    pub parent: Option<BatchId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its deadline: creation plus the completion window; the end of time without a window.
    pub expires_at: Timestamp,
    /// Where it is in its life.
    pub state: State,
    /// When it got there.
    pub history: History,
    /// Since when somebody wants nothing more of it to be sent. Its deadline does not wait.
    pub paused_at: Option<Timestamp>,
    /// What validation found; `None` before that.
    pub plan: Option<Plan>,
    /// How many of its lines ended, and how, as far as segments are recorded.
    pub tally: Tally,
    /// The tokens of those lines.
    pub usage: Usage,
    /// How often its state has changed. Counts do not move it.
    pub revision: u64,
}

impl Batch {
    /// A batch that was just created.
    #[must_use]
    pub fn new(id: BatchId, project: ProjectId, spec: BatchSpec, at: Timestamp) -> Self {
        let expires_at = spec
            .window
            .length
            .map_or(Timestamp::from_micros(u64::MAX >> 1), |length| {
                at.plus(length)
            });
        Self {
            id,
            project,
            spec,
            parent: None,
            created_at: at,
            expires_at,
            state: State::Validating,
            history: History::default(),
            paused_at: None,
            plan: None,
            tally: Tally::default(),
            usage: Usage::default(),
            revision: 0,
        }
    }

    /// Lets an event happen at that time: moves the state, notes when, and keeps the plan that came
    /// with [`Event::Validated`]. True when something changed.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when the event cannot happen in this state; the batch is unchanged.
    pub fn apply(&mut self, event: Event, at: Timestamp) -> Result<bool, IllegalTransition> {
        let before = self.state.status();
        let plan = match &event {
            Event::Validated(plan) => Some(plan.clone()),
            Event::Rejected(_)
            | Event::CancelRequested
            | Event::DeadlinePassed
            | Event::Drained
            | Event::Sealed(_) => None,
        };
        let state = self.state.clone().apply(event)?;
        let status = state.status();
        if status == before {
            return Ok(false);
        }
        self.state = state;
        self.history.note(status, at);
        if status == Status::InProgress {
            self.plan = plan;
        }
        self.revision += 1;
        Ok(true)
    }

    /// Pauses the batch at that time, or lets it go on with `None`: nothing more of it is sent while
    /// it is paused. True when something changed. Neither state nor revision move.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when nothing more of the batch is sent anyway; it is unchanged.
    pub fn set_paused(&mut self, at: Option<Timestamp>) -> Result<bool, IllegalTransition> {
        let status = self.state.status();
        if !matches!(status, Status::Validating | Status::InProgress) {
            let event = if at.is_some() { "Paused" } else { "Resumed" };
            return Err(IllegalTransition { status, event });
        }
        let changes = self.paused_at.is_some() != at.is_some();
        if changes {
            self.paused_at = at;
        }
        Ok(changes)
    }

    /// Whether nothing more of it is sent because somebody paused it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let is_sent = matches!(self.state, State::Validating | State::InProgress);
        self.paused_at.is_some() && is_sent
    }

    /// The lines of the input file; 0 until validation has finished.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.plan.as_ref().map_or(0, |plan| plan.total)
    }

    /// The one model of all lines; `None` when they name several, or before validation has finished.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.plan.as_ref().and_then(|plan| plan.model.as_deref())
    }
}

/// When a batch reached each status that it has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Validation had finished.
    pub in_progress_at: Option<Timestamp>,
    /// Every line had its outcome, or the deadline had passed.
    pub finalizing_at: Option<Timestamp>,
    /// Its result files were there.
    pub completed_at: Option<Timestamp>,
    /// Its input was refused.
    pub failed_at: Option<Timestamp>,
    /// Its result files were there, some lines unrun for want of time.
    pub expired_at: Option<Timestamp>,
    /// Somebody asked to cancel it.
    pub cancelling_at: Option<Timestamp>,
    /// Its result files were there, some lines unrun.
    pub cancelled_at: Option<Timestamp>,
}

impl History {
    fn note(&mut self, status: Status, at: Timestamp) {
        let slot = match status {
            Status::Validating => return,
            Status::InProgress => &mut self.in_progress_at,
            Status::Finalizing => &mut self.finalizing_at,
            Status::Completed => &mut self.completed_at,
            Status::Failed => &mut self.failed_at,
            Status::Expired => &mut self.expired_at,
            Status::Cancelling => &mut self.cancelling_at,
            Status::Cancelled => &mut self.cancelled_at,
        };
        *slot = Some(at);
    }
}

/// What validation found, and where it wrote the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The plan entries, one a line.
    pub entries: Extent,
    /// How many lines the batch has.
    pub total: u64,
    /// The one model of all lines; `None` when they name several.
    pub model: Option<Arc<str>>,
}

/// How many lines ended in each way. A line is in exactly one of the three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Answered with a 2xx status.
    pub completed: u64,
    /// Run, and ended with an error.
    pub failed: u64,
    /// Ended by cancel or expiry before they had an outcome; the wire counts them nowhere.
    pub unrun: u64,
}

impl Tally {
    /// The lines that have ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.completed + self.failed + self.unrun
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.unrun += other.unrun;
    }
}

/// The right to run a batch until it is released or taken over.
///
/// The epoch is the fencing token: it grows with every claim, and the store refuses whatever comes
/// under an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The batch.
    pub batch: BatchId,
    /// Who holds it.
    pub worker: WorkerId,
    /// Which claim of the batch this is, from 1.
    pub epoch: u64,
}

/// One reason for which a batch failed validation, as the wire shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputError {
    /// The kind of error.
    pub code: InputErrorCode,
    /// What is wrong and what to do, for a person.
    pub message: String,
    /// The key that it is about.
    pub param: Option<String>,
    /// The physical line of the input file, from 1; `None` when it is about the whole file.
    pub line: Option<u64>,
}

/// The kinds of [`InputError`]; the words are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputErrorCode {
    /// The file is missing or too large, or a line lacks something its endpoint needs.
    InvalidRequest,
    /// The file has no request.
    EmptyFile,
    /// The file has too many requests or too many embedding inputs.
    TooManyTasks,
    /// A line is not a JSON object.
    InvalidJsonLine,
    /// A line lacks a key.
    MissingRequiredParameter,
    /// A key has a value of the wrong type.
    InvalidType,
    /// The method is not POST.
    InvalidMethod,
    /// The url is not the endpoint of the batch.
    InvalidUrl,
    /// An earlier line has the same `custom_id`.
    DuplicateCustomId,
    /// No upstream serves the model.
    ModelNotFound,
    /// The model is not that of the lines before, and one model a batch is the setting.
    MismatchedModel,
    /// The line asks for a streamed answer.
    StreamingUnsupported,
}

/// The lines of a batch that have ended, for a run that goes on where another stopped.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The lines that recorded segments name.
    pub lines: LineSet,
    /// The largest sequence number used in the present epoch, plus one.
    pub next_seq: u64,
}

#[cfg(test)]
mod tests;
