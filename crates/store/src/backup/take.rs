//! Takes a backup.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use overnight_core::id::hex32;
use overnight_core::segment::BlobKey;
use overnight_core::time::Clock;
use rustix::fs::{FlockOperation, flock};

use super::copy::Copier;
use super::label::{LOCK, Label, content, hash, is_backup, keep_entries};
use super::{BackupError, Damaged, Result, of, still_held, wrong};
use crate::Postgres;
use crate::blobs::{BlobError, Blobs};
use crate::hold::{BesideHold, Hold, LOOK_INTERVAL, ServerHold};
use crate::sqlite::beside::Beside;
use crate::sqlite::inspect::Inspector;
use crate::store::StoreError;
use crate::transfer;

/// What is copied.
#[derive(Clone, Debug)]
pub enum Source {
    /// A data folder.
    Folder {
        /// Its database.
        database: PathBuf,
        /// The folder of its blobs.
        blobs: PathBuf,
    },
    /// An installation whose database is on a server.
    Server {
        /// Its database.
        store: Postgres,
        /// Its blobs.
        blobs: Blobs,
    },
}

impl Source {
    fn blobs(&self) -> Result<Blobs> {
        match self {
            Self::Folder { blobs, .. } => Ok(Blobs::folder(blobs).map_err(of_blobs)?),
            Self::Server { blobs, .. } => Ok(blobs.clone()),
        }
    }

    async fn hold(&self, holder: &str, clock: &Clock) -> std::result::Result<Hold, StoreError> {
        Ok(match self {
            Self::Folder { database, .. } => {
                Hold::Beside(BesideHold::begin(database, holder, (clock, LOOK_INTERVAL))?)
            }
            Self::Server { store, .. } => {
                Hold::Server(ServerHold::begin(store, holder, clock).await?)
            }
        })
    }

    /// Writes a copy of the database, as it is at one moment, into a new file.
    async fn snapshot(&self, path: &Path) -> std::result::Result<(), StoreError> {
        match self {
            Self::Folder { database, .. } => Beside::open(database)?.copy_to(path),
            Self::Server { store, .. } => transfer::snapshot(store, path).await,
        }
    }
}

/// A backup that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it holds.
    pub label: Label,
    /// Blobs that were copied, because no earlier backup had.
    pub new_blobs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// Blobs that are lost or damaged, and so are not in it.
    pub damaged: Vec<Damaged>,
}

/// Copies an installation, whether or not servers work on it, into a folder that is empty, missing
/// or holds an earlier backup. That one is there until this one is whole. `random` tells this
/// backup from others at the same time.
///
/// # Errors
///
/// Every [`BackupError`]; what was there before is still a whole backup then.
pub async fn take(source: &Source, to: &Path, (clock, random): (&Clock, u128)) -> Result<Taken> {
    let _lock = claim(to, source)?;
    let from = source.blobs()?;
    let to_blobs = Blobs::folder(&content(to)).map_err(of_blobs)?;
    let at = clock.now();
    let holder = hex32(at, random);
    let hold = source.hold(&holder, clock).await;
    let hold = hold.map_err(BackupError::Database)?;
    let check = || still_held(&hold);

    let mut label = Label::new(at.seconds(), format!("overnight-{holder}.db"));
    let snapshot = label.snapshot(to);
    let copied = source.snapshot(&snapshot).await;
    copied.map_err(BackupError::Database)?;
    keep(&snapshot)?;
    let named = Inspector::open(&snapshot)
        .and_then(|rows| rows.named())
        .map_err(BackupError::Database)?;
    let copier = Copier {
        from: &from,
        to: &to_blobs,
        alive: &check,
    };
    let copied = copier.copy(&named).await?;
    check()?;
    label.database_xxh3 = hash(&snapshot)?;
    (label.blobs, label.bytes) = (copied.blobs, copied.bytes);
    let damaged = copied.damaged.iter();
    label.damaged = damaged.map(|(key, _)| key.to_string()).collect();
    label.write(to)?;
    let kept = named.into_iter().map(|named| named.extent.blob).collect();
    prune(to, &label, (&to_blobs, &kept)).await?;
    hold.end().await;
    Ok(Taken {
        label,
        new_blobs: copied.new_blobs,
        new_bytes: copied.new_bytes,
        damaged: copied.damaged,
    })
}

/// Takes the folder of the backup, which stays locked as long as the file is open.
fn claim(to: &Path, source: &Source) -> Result<File> {
    let data = match source {
        Source::Folder { database, blobs } => {
            if !database.exists() {
                let folder = database.parent().unwrap_or(database);
                return Err(wrong(
                    folder,
                    "there is no data folder (no overnight.db in it)",
                ));
            }
            let data = blobs.parent();
            data.and_then(|data| data.canonicalize().ok())
        }
        Source::Server { .. } => None,
    };
    let whole = std::path::absolute(to).map_err(of(to))?;
    let within = whole
        .ancestors()
        .find_map(|folder| folder.canonicalize().ok());
    if data.is_some_and(|data| within.is_some_and(|within| within.starts_with(data))) {
        return Err(wrong(
            to,
            "it is inside the data folder; choose another one",
        ));
    }
    fs::create_dir_all(to).map_err(of(to))?;
    let path = to.join(LOCK);
    let is_empty = fs::read_dir(to).map_err(of(to))?.next().is_none();
    if !is_empty && !path.exists() && !is_backup(to) {
        let why = "it is neither empty nor a backup; choose another one";
        return Err(wrong(to, why));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let lock = options.open(&path).map_err(of(&path))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        wrong(
            to,
            "somebody else takes a backup into it, or reads it, right now",
        )
    })?;
    Ok(lock)
}

/// A new file is there for good, with its name.
fn keep(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(of(path))?;
    file.sync_all().map_err(of(path))?;
    path.parent().map_or(Ok(()), keep_entries)
}

fn of_blobs(error: BlobError) -> BackupError {
    BackupError::Blob("".into(), error)
}

/// Deletes what only earlier backups named.
async fn prune(
    to: &Path,
    label: &Label,
    (blobs, kept): (&Blobs, &BTreeSet<BlobKey>),
) -> Result<()> {
    for entry in fs::read_dir(to).map_err(of(to))? {
        let path = entry.map_err(of(to))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("overnight-") && !name.starts_with(&label.database) {
            fs::remove_file(&path).map_err(of(&path))?;
        }
    }
    let mut listed = blobs.list_all();
    while let Some(key) = listed.next().await {
        let key = key.map_err(of_blobs)?;
        if !kept.contains(&key) {
            blobs.delete(&key).await.map_err(of_blobs)?;
        }
    }
    blobs.sweep_staging().await.map_err(of_blobs)?;
    Ok(())
}
