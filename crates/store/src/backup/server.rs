//! A backup or a data folder, brought into an installation whose database is on a server.
//!
//! ```text
//! hold ──► the blobs that the rows name ──► all rows in one transaction ──► let go
//! ```
//!
//! Rows come last and together, so nobody sees half an installation. One that was broken off leaves
//! blobs that nothing names; done again, it finds them and goes on behind them. Done once more after
//! its end, it finds everything there.

use std::fs;
use std::path::{Path, PathBuf};

use overnight_core::id::hex32;
use overnight_core::time::Clock;

use super::copy::{Copied, Copier};
use super::label::{Label, content, hold_still};
use super::{BackupError, Damaged, Restored, Result, of, still_held, wrong};
use crate::Postgres;
use crate::blobs::Blobs;
use crate::folder::DataFolder;
use crate::hold::{Hold, ServerHold};
use crate::sqlite::beside;
use crate::sqlite::inspect::Inspector;
use crate::store::StoreError;
use crate::transfer;

/// Where it is brought.
#[derive(Debug)]
pub struct Target<'a> {
    /// The database, which must be empty, or hold exactly what is brought.
    pub store: &'a Postgres,
    /// The blobs that belong to it.
    pub blobs: &'a Blobs,
    /// An empty folder for files that are needed meanwhile.
    pub scratch: &'a Path,
}

/// A data folder that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Blobs that belong to it.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were not there yet.
    pub new_blobs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// Whether the rows were there already.
    pub was_there: bool,
    /// Blobs that are lost or damaged in the folder, and so are not in the target.
    pub damaged: Vec<Damaged>,
}

/// Moves what a data folder holds to a server. Nobody may use the folder meanwhile; nothing in it is
/// changed. Batches that are open go on in the target, and must not go on in the folder as well.
/// `random` tells this move from others at the same time.
///
/// # Errors
///
/// Every [`BackupError`].
pub async fn migrate(
    from: &Path,
    target: &Target<'_>,
    (clock, random): (&Clock, u128),
) -> Result<Moved> {
    let folder = DataFolder::visit(from)?;
    if !folder.database().exists() {
        let why = "there is no data folder (no overnight.db in it)";
        return Err(wrong(folder.path(), why));
    }
    let rows = copied_database(&folder, target.scratch)?;
    let found = Inspector::open(&rows).and_then(|rows| rows.contradictions());
    if let Some(problem) = found.map_err(BackupError::Database)?.into_iter().next() {
        return Err(BackupError::Database(StoreError::Corrupt(problem.into())));
    }
    let blobs = Blobs::folder(&folder.blobs());
    let blobs = blobs.map_err(|error| BackupError::Blob("".into(), error))?;
    bring((&rows, &blobs), target, (clock, random)).await
}

/// Brings a backup into an installation on a server.
///
/// # Errors
///
/// Every [`BackupError`]; the backup is as it was.
pub async fn restore_to_server(
    from: &Path,
    target: &Target<'_>,
    (clock, random): (&Clock, u128),
) -> Result<Restored> {
    let _still = hold_still(from)?;
    let label = Label::read(from)?;
    let rows = target.scratch.join("overnight.db");
    fs::copy(label.snapshot(from), &rows).map_err(of(&rows))?;
    beside::update(&rows).map_err(BackupError::Database)?;
    let blobs = Blobs::folder(&content(from));
    let blobs = blobs.map_err(|error| BackupError::Blob("".into(), error))?;
    let moved = bring((&rows, &blobs), target, (clock, random)).await?;
    Ok(Restored {
        label,
        damaged: moved.damaged,
    })
}

/// A copy of a folder's database, of this program's version: the original is not even opened, since
/// SQLite may change it on that occasion.
fn copied_database(folder: &DataFolder, scratch: &Path) -> Result<PathBuf> {
    let rows = scratch.join("overnight.db");
    for (name, is_needed) in [("overnight.db", true), ("overnight.db-wal", false)] {
        let source = folder.path().join(name);
        if is_needed || source.exists() {
            let copy = scratch.join(name);
            fs::copy(&source, &copy).map_err(of(&source))?;
        }
    }
    beside::update(&rows).map_err(BackupError::Database)?;
    Ok(rows)
}

async fn bring(
    (rows, from): (&Path, &Blobs),
    target: &Target<'_>,
    (clock, random): (&Clock, u128),
) -> Result<Moved> {
    let was_there = is_there(rows, target).await?;
    let holder = hex32(clock.now(), random);
    let hold = ServerHold::begin(target.store, &holder, clock).await;
    let hold = Hold::Server(hold.map_err(BackupError::Database)?);
    let check = || still_held(&hold);
    let named = Inspector::open(rows).and_then(|rows| rows.named());
    let copier = Copier {
        from,
        to: target.blobs,
        alive: &check,
    };
    let copied = copier.copy(&named.map_err(BackupError::Database)?).await?;
    check()?;
    if !was_there {
        let filled = transfer::fill(rows, target.store).await;
        if !filled.map_err(BackupError::Database)? {
            return Err(BackupError::NotEmpty);
        }
    }
    hold.end().await;
    let Copied {
        blobs,
        bytes,
        new_blobs,
        new_bytes,
        damaged,
    } = copied;
    Ok(Moved {
        blobs,
        bytes,
        new_blobs,
        new_bytes,
        was_there,
        damaged,
    })
}

/// Whether the target holds exactly these rows; refused when it holds others.
async fn is_there(rows: &Path, target: &Target<'_>) -> Result<bool> {
    if target
        .store
        .is_empty()
        .await
        .map_err(BackupError::Database)?
    {
        return Ok(false);
    }
    let found = target.scratch.join("found.db");
    let written = transfer::snapshot(target.store, &found).await;
    written.map_err(BackupError::Database)?;
    match transfer::difference(rows, &found).map_err(BackupError::Database)? {
        None => Ok(true),
        Some(_) => Err(BackupError::NotEmpty),
    }
}
