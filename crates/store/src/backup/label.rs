//! What makes a folder a backup.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{BackupError, Result, of, wrong};

/// Held by whoever takes a backup into the folder, and shared by those who read it; it also tells a
/// backup that was begun from a folder of somebody else.
pub(super) const LOCK: &str = "backup.lock";

const FILE: &str = "backup.json";

/// The version of a backup's layout.
const FORMAT: u32 = 1;

/// How many bytes of the snapshot are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A whole backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The version of the layout.
    pub format: u32,
    /// When the snapshot was taken, in Unix seconds.
    pub taken_at: u64,
    /// The file of the snapshot, in the backup's folder.
    pub database: String,
    /// The xxh3 hash of that file, in hexadecimal digits.
    pub database_xxh3: String,
    /// How many blobs belong to it.
    pub blobs: u64,
    /// How many bytes those have.
    pub bytes: u64,
    /// Blobs that were lost or damaged when it was taken, and are not in it.
    pub damaged: Vec<String>,
}

/// The folder of a backup's blobs.
#[must_use]
pub fn content(backup: &Path) -> PathBuf {
    backup.join("content")
}

/// Keeps others from taking a backup into the folder as long as the answer lives: that deletes what
/// an earlier one named. A copy of a backup may come without its lock, and then nobody takes one there.
///
/// # Errors
///
/// [`BackupError::Folder`] when a backup is being taken into it.
pub fn hold_still(backup: &Path) -> Result<Option<File>> {
    let path = backup.join(LOCK);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::Io(path, error)),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(lock)),
        Err(Errno::WOULDBLOCK) => {
            let why = "a backup is being taken into it right now; wait for its end";
            Err(wrong(backup, why))
        }
        Err(error) => Err(BackupError::Io(path, error.into())),
    }
}

/// Whether there is a whole backup in the folder.
#[must_use]
pub fn is_backup(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

impl Label {
    /// A label of this version of the layout.
    pub(super) fn new(taken_at: u64, database: String) -> Self {
        Self {
            format: FORMAT,
            taken_at,
            database,
            database_xxh3: String::new(),
            blobs: 0,
            bytes: 0,
            damaged: Vec::new(),
        }
    }

    /// Reads the label of a backup, and compares the snapshot with it.
    ///
    /// # Errors
    ///
    /// [`BackupError::Folder`] when the folder holds no whole backup, or one that a newer program
    /// took; [`BackupError::Io`] when it cannot be read.
    pub fn read(backup: &Path) -> Result<Self> {
        let path = backup.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(wrong(
                    backup,
                    "there is no whole backup in it (no backup.json)",
                ));
            }
            Err(error) => return Err(BackupError::Io(path, error)),
        };
        let label: Self = serde_json::from_slice(&bytes)
            .map_err(|_| wrong(backup, "its backup.json is damaged; use another backup"))?;
        if label.format > FORMAT {
            let why = "a newer program took this backup; restore it with that one";
            return Err(wrong(backup, why));
        }
        let snapshot = label.snapshot(backup);
        if hash(&snapshot)? != label.database_xxh3 {
            let why = "its copy of the database is damaged; use another backup";
            return Err(wrong(backup, why));
        }
        Ok(label)
    }

    /// The file of the snapshot.
    #[must_use]
    pub fn snapshot(&self, backup: &Path) -> PathBuf {
        backup.join(&self.database)
    }

    /// Replaces the label of a backup in one step, for good.
    pub(super) fn write(&self, backup: &Path) -> Result<()> {
        let (path, staged) = (backup.join(FILE), backup.join("backup.json.new"));
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| of(&path)(error.into()))?;
        let mut file = File::create(&staged).map_err(of(&staged))?;
        file.write_all(&bytes).map_err(of(&staged))?;
        file.sync_all().map_err(of(&staged))?;
        fs::rename(&staged, &path).map_err(of(&path))?;
        keep_entries(backup)
    }
}

/// The names in a folder are there for good.
pub(super) fn keep_entries(folder: &Path) -> Result<()> {
    let open = File::open(folder).map_err(of(folder))?;
    open.sync_all().map_err(of(folder))
}

/// The xxh3 hash of a file.
pub(super) fn hash(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(of(path))?;
    let (mut hash, mut piece) = (Xxh3::new(), vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece).map_err(of(path))?;
        if read == 0 {
            return Ok(format!("{:016x}", hash.digest()));
        }
        hash.update(piece.get(..read).unwrap_or_default());
    }
}
