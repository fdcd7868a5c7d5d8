//! A copy of an installation, taken while a server works on it, and brought back.
//!
//! ```text
//! hold ──► snapshot of the database ──► the blobs that it names ──► label ──► prune, let go
//! ```
//!
//! The label is what makes a folder a backup: it is replaced last, in one step, and names the
//! snapshot that belongs to it. So a backup that dies leaves the one before, or none. Blobs are
//! immutable, so a second backup into the same folder copies only the new ones.
//!
//! An installation whose database is on a server is copied in the same way: its rows become a snapshot
//! like that of a data folder (`transfer`). So a backup of either can become either, and a data folder is
//! moved to a server as a backup of it would be (`server`).
//!
//! A backup keeps its blobs elsewhere than a data folder does (`content`, not `blobs`): a server
//! that is started on it by mistake finds nothing to sweep.

mod copy;
mod label;
mod restore;
mod server;
mod take;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use overnight_core::segment::BlobKey;
use thiserror::Error;

pub use self::label::{Label, content, hold_still, is_backup};
pub use self::restore::{Restored, restore};
pub use self::server::{Moved, Target, migrate, restore_to_server};
pub use self::take::{Source, Taken, take};
use crate::blobs::BlobError;
use crate::folder::FolderError;
use crate::hold::Hold;
use crate::store::StoreError;

/// Why a backup was not taken or not brought back. Named by what a person does next.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder is not what it must be: name another one.
    #[error("{}: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// Somebody else uses the folder, or it cannot be used.
    #[error(transparent)]
    Busy(#[from] FolderError),
    /// The database could not be copied.
    #[error("the database could not be copied")]
    Database(#[source] StoreError),
    /// A blob could not be copied.
    #[error("{0} could not be copied")]
    Blob(BlobKey, #[source] BlobError),
    /// The server was not asked in time to delete nothing, as when the machine slept or the clock was
    /// set: what is missing may be lost or only deleted. Take the backup again.
    #[error(
        "the hold on the data folder lapsed (the machine slept, or its clock was set); run the backup again"
    )]
    Lapsed,
    /// The database on a server holds something else already: name another one.
    #[error("the database is not empty, and holds something else; name another database or schema")]
    NotEmpty,
    /// Another file could not be read or written.
    #[error("{} could not be read or written", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

type Result<T> = std::result::Result<T, BackupError>;

/// A blob that is not what was written, and what is wrong with it.
pub type Damaged = (BlobKey, String);

/// The hold has lasted so far: nothing that is missing was only deleted.
fn still_held(hold: &Hold) -> Result<()> {
    match hold.has_lasted() {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::Lapsed),
        Err(error) => Err(BackupError::Database(error)),
    }
}

fn wrong(folder: &Path, why: &'static str) -> BackupError {
    BackupError::Folder {
        folder: folder.to_owned(),
        why,
    }
}

/// Turns an error of the file system into one that names the file.
fn of(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |source| BackupError::Io(path.to_owned(), source)
}
