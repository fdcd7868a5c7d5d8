//! A database that another process may be working on, for whoever copies it.
//!
//! Nothing is taken over: the data folder's lock stays with whoever has it. The one thing that is
//! asked of that process is written into the database, where it looks before it deletes anything:
//! delete no blob for a minute. Whoever copies asks again in time; one that dies has asked for no
//! more than that minute.

use std::fmt;
use std::path::Path;

use overnight_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use super::{BUSY_TIMEOUT, migrate};
use crate::rules::{HOLD_MAX, micros};
use crate::store::{Result, StoreError};

/// A connection beside those of the process that works on the database.
pub struct Beside {
    db: Connection,
}

impl Beside {
    /// Opens the database in that file, which must be there and be of this program's version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when the file is no whole database, [`StoreError::Unavailable`] when
    /// it cannot be opened, or is of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let db = connect(path)?;
        let version = migrate::version(&db)?;
        if version != migrate::NEWEST {
            let text = format!(
                "its schema has version {version}, and this program's has {}: use the program that \
                 serves the folder",
                migrate::NEWEST
            );
            return Err(StoreError::Unavailable(text.into()));
        }
        Ok(Self { db })
    }

    /// No blob is deleted for a minute from that time on, unless [`Self::let_go`] comes sooner.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when that could not be written.
    pub fn hold(&self, holder: &str, at: Timestamp) -> Result<()> {
        self.db.execute(
            "INSERT INTO holds (holder, until) VALUES (?1, ?2) \
             ON CONFLICT (holder) DO UPDATE SET until = excluded.until",
            params![holder, micros(at.plus(HOLD_MAX))],
        )?;
        Ok(())
    }

    /// Ends a hold.
    ///
    /// # Errors
    ///
    /// As [`Self::hold`]; then it ends by itself.
    pub fn let_go(&self, holder: &str) -> Result<()> {
        let sql = "DELETE FROM holds WHERE holder = ?1";
        self.db.execute(sql, [holder])?;
        Ok(())
    }

    /// Writes a copy of the database, as it is at one moment, into a new file. The holds of that
    /// moment are left out of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when a page cannot be read, [`StoreError::Unavailable`] when the copy
    /// could not be written.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let path = path
            .to_str()
            .ok_or_else(|| StoreError::Unavailable("the name of the copy is not Unicode".into()))?;
        self.db.execute("VACUUM INTO ?1", [path])?;
        let copy = connect(Path::new(path))?;
        copy.pragma_update(None, "synchronous", "full")?;
        copy.execute("DELETE FROM holds", [])?;
        Ok(())
    }
}

/// Brings the schema of a copy up to date.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when a newer program wrote it, or it cannot be written.
pub fn update(path: &Path) -> Result<()> {
    migrate::migrate(&mut connect(path)?)
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "trusted_schema", false)?;
    Ok(db)
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}
