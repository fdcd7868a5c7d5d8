//! Metadata in one SQLite file, for one process.
//!
//! Whoever opens the file holds the data folder's lock ([`crate::folder::DataFolder`]), which takes
//! the place of a lease's clock: what a former process held, it holds no more. So opening frees
//! every batch, and turns every announced blob into garbage.
//!
//! One transaction at a time writes, and takes along every verb that waits (`writer`); reads have
//! connections of their own (`readers`). The verbs themselves are functions of a connection, one
//! file for each room: `files`, `uploads`, `batches`, `once`, `segments`, `seal`, `garbage`,
//! `running`.

mod batches;
pub mod beside;
pub(crate) mod carry;
mod damage;
mod error;
mod files;
pub(crate) mod garbage;
pub mod inspect;
mod jobs;
mod migrate;
mod once;
#[cfg(any(test, feature = "conformance"))]
pub mod past;
mod quarantine;
mod readers;
mod row;
mod running;
mod seal;
mod segments;
mod steering;
#[cfg(test)]
mod tests;
mod uploads;
mod verbs;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::damage::Damage;
use self::readers::{Effort, Readers};
use self::writer::{Kept, Writer};
use crate::blocking::Blocking;
use crate::store::{Result, StoreError};

/// How long a statement waits for a lock that another process holds (a backup, say).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps: more than there are.
const STATEMENTS_MAX: usize = 256;

/// The metadata of one data folder. Cloning shares the file.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Writer>,
    /// None in memory, where a second connection would see another database.
    readers: Option<Arc<Readers>>,
    damage: Damage,
}

impl Sqlite {
    /// Opens the database in that file, which is created when it is missing; brings its schema up
    /// to date, checks it, and takes over what a former process left.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when the file is not a whole database, [`StoreError::Unavailable`]
    /// when it cannot be opened, or was written by a newer version of this program.
    pub fn open(path: &Path, blocking: Blocking) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Before anything is changed: a newer program's file is left as it is.
        migrate::refuse_newer(&connection)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        check(&connection)?;
        keep_entry(path)?;
        let damage = Damage::default();
        Ok(Self {
            writer: Writer::new(prepared(connection)?, blocking, damage.clone()),
            readers: Some(Readers::new(path, blocking)),
            damage,
        })
    }

    /// A database that lives in memory until the last clone is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when there is not enough memory.
    pub fn memory(blocking: Blocking) -> Result<Self> {
        let connection = Connection::open_in_memory()?;
        let damage = Damage::default();
        let writer = Writer::new(prepared(connection)?, blocking, damage.clone());
        Ok(Self {
            writer,
            readers: None,
            damage,
        })
    }

    /// Waits until the database turns out to be damaged, or the disk fails to keep what was
    /// written; answers what SQLite says. The process should end then: every verb that writes is
    /// refused from there on.
    pub async fn damaged(&self) -> Arc<str> {
        self.damage.raised().await
    }

    /// Runs a verb that changes rows, in one transaction with all others that wait.
    async fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.damage
            .heed(self.writer.write(Kept::ForGood, verb).await)
    }

    /// The same for changes that nobody relies on after a power failure: it does not wait for the disk.
    async fn note<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.damage
            .heed(self.writer.write(Kept::ForNow, verb).await)
    }

    /// Runs a verb that only reads, on one state of the database.
    async fn read<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_with(Effort::Any, verb).await
    }

    /// The same for a verb that looks a few rows up by their keys.
    async fn look_up<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_with(Effort::Brief, verb).await
    }

    async fn read_with<T: Send + 'static>(
        &self,
        effort: Effort,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.readers {
            Some(readers) => self.damage.heed(readers.read(effort, verb).await),
            None => self.write(verb).await,
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

/// A connection that may write, its schema up to date and nothing held by a former process.
fn prepared(mut connection: Connection) -> Result<Connection> {
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    prepare_for_verbs(&connection)?;
    migrate::migrate(&mut connection)?;
    let transaction = connection.transaction()?;
    garbage::take_over(&transaction)?;
    transaction.commit()?;
    Ok(connection)
}

/// What every connection is told that runs verbs again and again.
fn prepare_for_verbs(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // No plan depends on the values of a statement's parameters. By default a statement on a table with a
    // partial index is compiled anew whenever it gets values, in case they make that index of use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn check(connection: &Connection) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Corrupt(found.into()))
    }
}

/// SQLite keeps a new file's bytes, but not its entry in the folder.
fn keep_entry(path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::Unavailable(Box::new(source)))
}
