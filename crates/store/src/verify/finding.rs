//! What a check found.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is lost or contradicts itself.
    Error,
    /// Nothing is lost; it is only worth knowing.
    Note,
}

/// What was checked when something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// SQLite's own checks of the database file, and references between its rows.
    Database,
    /// The version of the schema.
    Version,
    /// That a row can be read.
    Row,
    /// That a batch counts what its segments say: lines, tokens and bytes.
    Counts,
    /// That no line of a batch is in two segments, and each segment tallies its lines.
    Lines,
    /// That every line of an ended batch is in its results.
    Conservation,
    /// That the results of a batch follow each other without gaps.
    Positions,
    /// That a batch's segments, files and leases fit its state.
    State,
    /// That the plan of an open batch is readable and has its lines.
    Plan,
    /// That a file or upload is made of what its row says.
    File,
    /// That a blob is there.
    BlobMissing,
    /// That a blob is what was written.
    BlobDamaged,
    /// That result lines are result lines, as many as their segment has, each once.
    Results,
    /// That the index of a segment is there and whole.
    Index,
    /// What is in quarantine.
    Quarantine,
    /// That every blob is known.
    Orphan,
    /// That no unfinished write is left.
    Staging,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// Which batch, file, blob or row it is.
    pub about: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Finding {
    /// A finding, with the advice that belongs to its check.
    #[must_use]
    pub fn new(check: Check, about: &str, problem: impl Into<String>) -> Self {
        Self {
            check,
            about: about.to_owned(),
            problem: problem.into(),
            advice: check.advice(),
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self.check {
            Check::Index | Check::Quarantine | Check::Orphan | Check::Staging => Severity::Note,
            Check::Database
            | Check::Version
            | Check::Row
            | Check::Counts
            | Check::Lines
            | Check::Conservation
            | Check::Positions
            | Check::State
            | Check::Plan
            | Check::File
            | Check::BlobMissing
            | Check::BlobDamaged
            | Check::Results => Severity::Error,
        }
    }
}

impl Check {
    /// Each of them.
    pub const ALL: [Self; 17] = [
        Self::Database,
        Self::Version,
        Self::Row,
        Self::Counts,
        Self::Lines,
        Self::Conservation,
        Self::Positions,
        Self::State,
        Self::Plan,
        Self::File,
        Self::BlobMissing,
        Self::BlobDamaged,
        Self::Results,
        Self::Index,
        Self::Quarantine,
        Self::Orphan,
        Self::Staging,
    ];

    /// What to do about what it finds.
    const fn advice(self) -> &'static str {
        match self {
            Self::Database | Self::Row => "restore the folder from a backup",
            Self::Version => {
                "an older folder is brought up to date by the next start; for a newer one use the \
                 program that wrote it"
            }
            Self::Counts | Self::Lines | Self::Conservation | Self::Positions | Self::State => {
                "report it as a bug; restore the folder from a backup, or delete this batch's files"
            }
            Self::Plan => "the next start makes it anew from the input file",
            Self::File | Self::BlobMissing | Self::BlobDamaged | Self::Results => {
                "put the file back from a backup; without one, what it held is lost"
            }
            Self::Index => "nothing: only look-ups miss it",
            Self::Quarantine => {
                "put the file back from a backup, or delete it when you have looked into it"
            }
            Self::Orphan | Self::Staging => {
                "nothing: a start or its sweep deletes what is left over"
            }
        }
    }
}
