//! A row of the wire reference: one thing that the recorded service does, and the check that holds
//! ours to it. There is no row without a check.

use crate::scene::Scene;
use crate::stage::{PLAIN, Stage};

/// What a check finds: nothing, or the first difference.
pub(crate) type Outcome = Result<(), String>;

/// A check: what a client does, and what it must see.
pub(crate) type Check = fn(&mut Scene<'_>) -> Outcome;

/// Where the knowledge about the service comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Recorded live traffic, or the service's published specification and clients.
    Recorded,
    /// Its documentation alone.
    Documented,
    /// Somebody's report of a live call.
    Reported,
    /// Nobody has seen it from outside: the choice is ours.
    Unknown,
}

impl Known {
    /// The word in the document.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Documented => "documented",
            Self::Reported => "reported",
            Self::Unknown => "unknown",
        }
    }
}

/// How ours compares.
#[derive(Clone, Copy)]
pub(crate) enum Standing {
    /// The same.
    Same,
    /// Otherwise on purpose, for this reason.
    Differs(&'static str),
    /// What the service does cannot be known from outside; this is the choice.
    Chosen(&'static str),
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// The section and a name: `1.1/unknown-purpose`.
    pub(crate) id: &'static str,
    /// What the service does, as a sentence.
    pub(crate) says: &'static str,
    /// How that is known.
    pub(crate) known: Known,
    /// How ours compares.
    pub(crate) standing: Standing,
    /// The server that it is checked on.
    pub(crate) stage: &'static Stage,
    /// The check.
    pub(crate) check: Check,
}

impl Row {
    const fn new(id: &'static str, known: Known, says: &'static str, check: Check) -> Self {
        Self {
            id,
            says,
            known,
            standing: Standing::Same,
            stage: &PLAIN,
            check,
        }
    }

    /// The same on another stage.
    pub(crate) const fn on(mut self, stage: &'static Stage) -> Self {
        self.stage = stage;
        self
    }

    /// The same, but ours does otherwise.
    pub(crate) const fn differs(mut self, why: &'static str) -> Self {
        self.standing = Standing::Differs(why);
        self
    }
}

/// A row that recorded traffic, the specification or the clients' code confirm.
pub(crate) const fn recorded(id: &'static str, says: &'static str, check: Check) -> Row {
    Row::new(id, Known::Recorded, says, check)
}

/// A row that only the documentation has.
pub(crate) const fn documented(id: &'static str, says: &'static str, check: Check) -> Row {
    Row::new(id, Known::Documented, says, check)
}

/// A row that somebody saw in a live call.
pub(crate) const fn reported(id: &'static str, says: &'static str, check: Check) -> Row {
    Row::new(id, Known::Reported, says, check)
}

/// A row about which nothing can be known from outside, and the choice made.
pub(crate) const fn chosen(
    id: &'static str,
    question: &'static str,
    choice: &'static str,
    check: Check,
) -> Row {
    let mut row = Row::new(id, Known::Unknown, question, check);
    row.standing = Standing::Chosen(choice);
    row
}
