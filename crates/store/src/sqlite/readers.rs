//! Connections that only read: in WAL mode they neither wait for the writer nor hold it up.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{BUSY_TIMEOUT, prepare_for_verbs};
use crate::blocking::Blocking;
use crate::store::{Result, StoreError};

/// How many reads run at once. A read takes microseconds, so a few serve thousands a second.
const READERS_MAX: usize = 4;

/// How long a verb that reads may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// It looks a few rows up by their keys.
    Brief,
    /// As many rows as there are.
    Any,
}

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    blocking: Blocking,
}

impl Readers {
    pub(super) fn new(path: &Path, blocking: Blocking) -> Arc<Self> {
        let permits = Semaphore::new(READERS_MAX);
        Arc::new(Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            permits,
            blocking,
        })
    }

    /// Runs the verb on one state of the database: that of its first statement. A brief one, which
    /// looks a few rows up by their keys, runs on the spot: its pages are in memory as a rule, and to
    /// wake another thread takes several times as long as it does.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        effort: Effort,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let unavailable = |error| StoreError::Unavailable(error);
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|gone| unavailable(Box::new(gone)))?;
        // Opening a connection reads the schema, which is not brief.
        let place = match effort {
            Effort::Brief if !self.idle().is_empty() => Blocking::Inline,
            Effort::Brief | Effort::Any => self.blocking,
        };
        let readers = Arc::clone(self);
        let work = move || {
            let connection = readers.take()?;
            let answer = {
                let _state = OneState::of(&connection)?;
                verb(&connection)
            };
            readers.give(connection);
            answer
        };
        let answer = place
            .run(work)
            .await
            .map_err(|gone| unavailable(Box::new(gone)))?;
        drop(permit);
        answer
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Connection> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    /// A caller that stops waiting returns its permit before its connection: keep no more than the
    /// pool has.
    fn give(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < READERS_MAX {
            idle.push(connection);
        }
    }

    fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        prepare_for_verbs(&connection)?;
        Ok(connection)
    }
}

/// One state of the database for every statement until it is dropped. What begins and ends it is kept
/// prepared, unlike that of [`rusqlite::Transaction`]: compiling it takes about as long as a look-up.
struct OneState<'a>(&'a Connection);

impl<'a> OneState<'a> {
    fn of(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for OneState<'_> {
    fn drop(&mut self) {
        // Nothing was changed. If it cannot be ended, the connection's next verb cannot begin, and says why.
        let ended = self.0.prepare_cached("ROLLBACK");
        let _ = ended.and_then(|mut end| end.execute([]));
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
