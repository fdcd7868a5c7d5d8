//! The state machine: one pure function, and the table that documents it.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{InputError, Plan};
use crate::id::FileId;

/// The word on the wire for where a batch is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its lines are being checked. It leaves by the result of that, by cancel, or by its deadline.
    Validating,
    /// Its lines are being run.
    InProgress,
    /// Nothing more is sent; its result files are being made.
    Finalizing,
    /// It ended: every line was run.
    Completed,
    /// It ended: its input was refused, and no line was run.
    Failed,
    /// It ended: its deadline came first.
    Expired,
    /// Nothing more is sent; what is in flight may still end.
    Cancelling,
    /// It ended: somebody cancelled it.
    Cancelled,
}

impl Status {
    /// Every status, in the order of a batch's life.
    pub const ALL: [Self; 8] = [
        Self::Validating,
        Self::InProgress,
        Self::Finalizing,
        Self::Cancelling,
        Self::Completed,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether the batch has ended: its state never changes again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Expired | Self::Cancelled => true,
            Self::Validating | Self::InProgress | Self::Finalizing | Self::Cancelling => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a batch is in its life, with the data that is true only there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// See [`Status::Validating`].
    Validating,
    /// See [`Status::InProgress`].
    InProgress,
    /// See [`Status::Cancelling`].
    Cancelling,
    /// See [`Status::Finalizing`]; how it will end is settled.
    Finalizing(Ending),
    /// See [`Status::Failed`]; why, in line order.
    Failed(Vec<InputError>),
    /// See [`Status::Completed`].
    Completed(Results),
    /// See [`Status::Expired`].
    Expired(Results),
    /// See [`Status::Cancelled`].
    Cancelled(Results),
}

/// Why a batch is finalizing, and so whether it ends completed or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every line has its outcome: it ends completed.
    Drained,
    /// Its deadline passed: it ends expired.
    DeadlinePassed,
}

/// The result files of an ended batch; a file without lines does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The file of the lines that were answered with a 2xx status.
    pub output_file: Option<FileId>,
    /// The file of all other lines.
    pub error_file: Option<FileId>,
}

/// What can happen to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its lines were checked, and its plan is written.
    Validated(Plan),
    /// Its input was refused.
    Rejected(Vec<InputError>),
    /// Somebody asked to cancel it.
    CancelRequested,
    /// Its completion window ended.
    DeadlinePassed,
    /// Every line has a recorded outcome.
    Drained,
    /// Its result files are there.
    Sealed(Results),
}

impl Event {
    /// The word in messages and in the documented table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Validated(_) => "Validated",
            Self::Rejected(_) => "Rejected",
            Self::CancelRequested => "CancelRequested",
            Self::DeadlinePassed => "DeadlinePassed",
            Self::Drained => "Drained",
            Self::Sealed(_) => "Sealed",
        }
    }
}

/// An event that cannot happen in the state that the batch is in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{event} cannot happen to a batch with status '{status}'")]
pub struct IllegalTransition {
    /// Where the batch is.
    pub status: Status,
    /// What was to happen.
    pub event: &'static str,
}

impl State {
    /// The state after an event: the only way in which a status changes.
    ///
    /// An event that lost a race (a deadline during finalizing, say) leaves the state as it is.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when the event cannot happen here: a bug of the caller, or a client
    /// that cancels what has ended.
    pub fn apply(self, event: Event) -> Result<Self, IllegalTransition> {
        use Event as E;
        match (self, event) {
            (Self::Validating, E::Validated(_)) => Ok(Self::InProgress),
            (Self::Validating, E::Rejected(errors)) => Ok(Self::Failed(errors)),
            (Self::Validating | Self::InProgress, E::CancelRequested) => Ok(Self::Cancelling),
            (Self::Validating, E::DeadlinePassed) => Ok(Self::Expired(Results::default())),
            (Self::InProgress, E::DeadlinePassed) => Ok(Self::Finalizing(Ending::DeadlinePassed)),
            (Self::InProgress, E::Drained) => Ok(Self::Finalizing(Ending::Drained)),

            (Self::Finalizing(Ending::Drained), E::Sealed(results)) => Ok(Self::Completed(results)),
            (Self::Finalizing(Ending::DeadlinePassed), E::Sealed(results)) => {
                Ok(Self::Expired(results))
            }
            (Self::Cancelling, E::Sealed(results)) => Ok(Self::Cancelled(results)),
            (state @ (Self::Finalizing(_) | Self::Cancelling | Self::Cancelled(_)), _)
            | (
                state @ (Self::Failed(_) | Self::Completed(_) | Self::Expired(_)),
                E::Validated(_) | E::Rejected(_) | E::DeadlinePassed | E::Drained | E::Sealed(_),
            ) => Ok(state),

            (state, event) => Err(IllegalTransition {
                status: state.status(),
                event: event.name(),
            }),
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Validating => Status::Validating,
            Self::InProgress => Status::InProgress,
            Self::Cancelling => Status::Cancelling,
            Self::Finalizing(_) => Status::Finalizing,
            Self::Failed(_) => Status::Failed,
            Self::Completed(_) => Status::Completed,
            Self::Expired(_) => Status::Expired,
            Self::Cancelled(_) => Status::Cancelled,
        }
    }

    /// The result files, once there may be any.
    #[must_use]
    pub const fn results(&self) -> Option<&Results> {
        match self {
            Self::Completed(results) | Self::Expired(results) | Self::Cancelled(results) => {
                Some(results)
            }
            Self::Validating
            | Self::InProgress
            | Self::Cancelling
            | Self::Finalizing(_)
            | Self::Failed(_) => None,
        }
    }
}

/// The transition table as Markdown, computed by asking [`State::apply`] for every pair.
#[must_use]
pub fn transition_table() -> String {
    let events = sample_events();
    let mut table = String::from("| status |");
    for event in &events {
        let _ = write!(table, " {} |", event.name());
    }
    table.push_str("\n| --- |");
    table.push_str(&" --- |".repeat(events.len()));
    for (label, state) in sample_states() {
        let _ = write!(table, "\n| {label} |");
        for event in &events {
            let cell = match state.clone().apply(event.clone()) {
                Ok(after) if after == state => "same".to_owned(),
                Ok(after) => after.status().to_string(),
                Err(_) => "illegal".to_owned(),
            };
            let _ = write!(table, " {cell} |");
        }
    }
    table.push('\n');
    table
}

fn sample_events() -> [Event; 6] {
    use crate::segment::Extent;
    let entries = Extent {
        blob: "plan".into(),
        offset: 0,
        length: 0,
        checksum: 0,
    };
    [
        Event::Validated(Plan {
            entries,
            total: 1,
            model: None,
        }),
        Event::Rejected(Vec::new()),
        Event::CancelRequested,
        Event::DeadlinePassed,
        Event::Drained,
        Event::Sealed(Results {
            output_file: Some("file-output".into()),
            error_file: None,
        }),
    ]
}

fn sample_states() -> [(&'static str, State); 9] {
    [
        ("validating", State::Validating),
        ("in_progress", State::InProgress),
        ("finalizing (drained)", State::Finalizing(Ending::Drained)),
        (
            "finalizing (deadline passed)",
            State::Finalizing(Ending::DeadlinePassed),
        ),
        ("cancelling", State::Cancelling),
        ("cancelled", State::Cancelled(Results::default())),
        ("failed", State::Failed(Vec::new())),
        ("completed", State::Completed(Results::default())),
        ("expired", State::Expired(Results::default())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_meets_every_event_as_documented() {
        insta::assert_snapshot!(transition_table(), @r"
        | status | Validated | Rejected | CancelRequested | DeadlinePassed | Drained | Sealed |
        | --- | --- | --- | --- | --- | --- | --- |
        | validating | in_progress | failed | cancelling | expired | illegal | illegal |
        | in_progress | illegal | illegal | cancelling | finalizing | finalizing | illegal |
        | finalizing (drained) | same | same | same | same | same | completed |
        | finalizing (deadline passed) | same | same | same | same | same | expired |
        | cancelling | same | same | same | same | same | cancelled |
        | cancelled | same | same | same | same | same | same |
        | failed | same | same | illegal | same | same | same |
        | completed | same | same | illegal | same | same | same |
        | expired | same | same | illegal | same | same | same |
        ");
    }

    #[test]
    fn a_batch_has_results_exactly_when_it_may_have_run() {
        let results = Results {
            output_file: Some("file-1".into()),
            error_file: None,
        };
        for ended in [State::Completed, State::Expired, State::Cancelled] {
            assert_eq!(ended(results.clone()).results(), Some(&results));
        }
        for (_, state) in sample_states() {
            let has_run = [Status::Completed, Status::Expired, Status::Cancelled];
            assert_eq!(state.results().is_some(), has_run.contains(&state.status()));
        }
    }

    #[test]
    fn four_statuses_are_ends() {
        let ends = Status::ALL
            .into_iter()
            .filter(|status| status.is_terminal());
        let words: Vec<_> = ends.map(Status::as_str).collect();
        assert_eq!(words, ["completed", "expired", "cancelled", "failed"]);
    }

    #[test]
    fn an_ended_batch_never_moves() {
        for (_, state) in sample_states() {
            if !state.status().is_terminal() {
                continue;
            }
            for event in sample_events() {
                if let Ok(after) = state.clone().apply(event) {
                    assert_eq!(after, state);
                }
            }
        }
    }

    #[test]
    fn every_status_word_is_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("done"), None);
    }
}
