//! Checks everything that must be true of what is kept, and says what is not.
//!
//! ```text
//! database (SQLite's own checks) ──► rows (sums, sets, positions) ──► blobs (there, whole, readable)
//! ```
//!
//! Nothing is changed, and one wrong thing hides no other: each finding names what it is about and
//! what to do. A folder is checked while nobody uses it; an installation on a server also while it
//! is worked on.

mod batch;
mod blob;
mod file;
mod finding;
mod lines;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::StreamExt as _;
use overnight_core::id::hex32;
use overnight_core::segment::BlobKey;
use overnight_core::time::Clock;

pub use self::finding::{Check, Finding, Severity};
use crate::blobs::Blobs;
use crate::hold::ServerHold;
use crate::sqlite::inspect::Inspector;
use crate::store::{Result, StoreError};
use crate::{Postgres, transfer};

/// What was looked at, and how much of it is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Batches.
    pub batches: u64,
    /// Files and pending uploads.
    pub files: u64,
    /// Bytes of blobs that were read and compared.
    pub bytes: u64,
    /// Findings that say that something is wrong.
    pub errors: u64,
    /// Findings that are only worth knowing.
    pub notes: u64,
}

/// What the checks work with.
struct Checks<'a> {
    /// Whether others may be working on it, so that what nothing names yet may be named soon.
    is_in_use: bool,
    rows: &'a Inspector,
    blobs: &'a Blobs,
    tell: &'a mut dyn FnMut(Finding),
    summary: Summary,
    /// Blobs of which a finding was told: one is enough.
    told: BTreeSet<BlobKey>,
}

/// Looks at a database and its blobs, which nobody uses meanwhile, and tells what is wrong, finding by
/// finding.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when something cannot be looked at; that which is wrong is a finding
/// and not an error.
pub async fn verify(
    rows: &Inspector,
    blobs: &Blobs,
    tell: &mut dyn FnMut(Finding),
) -> Result<Summary> {
    look((rows, false), blobs, tell).await
}

/// The same for an installation whose database is on a server, also while it is worked on: its rows are
/// looked at as they are at one moment, and no blob is deleted until the end. `scratch` is an empty
/// folder, for a copy of the rows; `random` tells this look from others at the same time.
///
/// # Errors
///
/// As [`verify`]; also when it could not be kept from deleting blobs.
pub async fn verify_on_server(
    (store, blobs): (&Postgres, &Blobs),
    scratch: &Path,
    (clock, random): (&Clock, u128),
    tell: &mut dyn FnMut(Finding),
) -> Result<Summary> {
    let holder = hex32(clock.now(), random);
    let hold = ServerHold::begin(store, &holder, clock).await?;
    let rows = scratch.join("rows.db");
    transfer::snapshot(store, &rows).await?;
    let summary = look((&Inspector::open(&rows)?, true), blobs, tell).await?;
    if !hold.has_lasted() {
        let text = "the hold on the blobs lapsed (the machine slept, or its clock was set): what is \
             missing may only be deleted; run it again";
        return Err(StoreError::Unavailable(text.into()));
    }
    hold.end().await;
    Ok(summary)
}

async fn look(
    (rows, is_in_use): (&Inspector, bool),
    blobs: &Blobs,
    tell: &mut dyn FnMut(Finding),
) -> Result<Summary> {
    let mut checks = Checks {
        is_in_use,
        rows,
        blobs,
        tell,
        summary: Summary::default(),
        told: BTreeSet::new(),
    };
    if checks.database()? {
        checks.batches().await?;
        checks.files().await?;
        checks.quarantine()?;
        checks.orphans().await?;
    }
    Ok(checks.summary)
}

impl Checks<'_> {
    fn tell(&mut self, finding: Finding) {
        match finding.severity() {
            Severity::Error => self.summary.errors += 1,
            Severity::Note => self.summary.notes += 1,
        }
        (self.tell)(finding);
    }

    /// Tells what is wrong in a row that cannot be read; other errors stay errors.
    fn read<T>(&mut self, about: &str, answer: Result<T>) -> Result<Option<T>> {
        self.readable(Check::Row, about, answer)
    }

    fn readable<T>(&mut self, check: Check, about: &str, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Corrupt(source) | StoreError::Contradicts(source)) => {
                self.tell(Finding::new(check, about, source.to_string()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the rows can be looked at.
    fn database(&mut self) -> Result<bool> {
        let about = "the database";
        let version = self.rows.other_version();
        match self.readable(Check::Database, about, version)? {
            None => return Ok(false),
            Some(Some(version)) => {
                let problem =
                    format!("its schema has version {version}, which is not this program's");
                self.tell(Finding::new(Check::Version, about, problem));
                return Ok(false);
            }
            Some(None) => {}
        }
        let found = self.rows.contradictions();
        let found = self.readable(Check::Database, about, found)?;
        let is_readable = found.is_some();
        for problem in found.into_iter().flatten() {
            self.tell(Finding::new(Check::Database, about, problem));
        }
        Ok(is_readable)
    }

    /// Notes what is in quarantine.
    fn quarantine(&mut self) -> Result<()> {
        let found = self.rows.quarantined();
        for blob in self.read("the quarantine", found)?.into_iter().flatten() {
            let since = blob.found_at.seconds();
            let problem = format!(
                "it is in quarantine since {since} (Unix time); it held {}: {}",
                blob.held, blob.why
            );
            let key = blob.extent.blob.as_str();
            self.tell(Finding::new(Check::Quarantine, key, problem));
        }
        Ok(())
    }

    /// Notes blobs that nothing knows of.
    async fn orphans(&mut self) -> Result<()> {
        let mut listed = self.blobs.list_all();
        while let Some(key) = listed.next().await {
            let key = key.map_err(|error| StoreError::Unavailable(error.into()))?;
            let is_orphan = if self.is_in_use {
                self.rows.is_leftover(&key)
            } else {
                self.rows.knows(&key).map(|knows| !knows)
            };
            if self.read(key.as_str(), is_orphan)? == Some(true) {
                let problem = "nothing names it";
                self.tell(Finding::new(Check::Orphan, key.as_str(), problem));
            }
        }
        let staging = self.blobs.staging().await;
        for file in staging.map_err(|error| StoreError::Unavailable(error.into()))? {
            let about = file.display().to_string();
            self.tell(Finding::new(
                Check::Staging,
                &about,
                "it is an unfinished write",
            ));
        }
        Ok(())
    }
}
