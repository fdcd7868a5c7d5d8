//! The hold on the blobs of a data folder: as long as it lasts, the server deletes none.
//!
//! It is asked for again from a thread of its own: a copy of a large database, an fsync and the
//! comparison of a large blob take longer than a hold, and leave no moment to think of it. Whoever
//! copies looks at the hold all the same, and gives up when it has lapsed once: what was deleted
//! then would look like damage.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use overnight_core::time::{Clock, Timestamp};

use super::{BackupError, Result, of};
use crate::rules::HOLD_MAX;
use crate::sqlite::beside::{Beside, HOLD_RENEWAL};

/// The thread looks whether the hold is to be asked for again once in so long.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Let go of when the value is dropped.
pub(super) struct Hold {
    asker: Arc<Mutex<Asker>>,
    /// Dropped to end the thread.
    going_on: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Asker {
    database: Beside,
    holder: String,
    clock: Clock,
    asked_at: Timestamp,
    has_lapsed: bool,
}

impl Asker {
    fn ask(&mut self) -> Result<()> {
        let at = self.clock.now();
        self.database
            .hold(&self.holder, at)
            .map_err(BackupError::Database)?;
        self.asked_at = at;
        Ok(())
    }

    /// Asks again in time. A clock that was set back counts as time, too.
    fn ask_again(&mut self) -> Result<()> {
        let before = self.asked_at;
        if apart(self.clock.now(), before) < HOLD_RENEWAL {
            return Ok(());
        }
        let asked = self.ask();
        // Looked at behind the question, which may have waited for its turn to write.
        self.has_lapsed |= apart(self.clock.now(), before) >= HOLD_MAX;
        asked
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

impl Hold {
    /// Asks for a hold on the blobs of that database, and again whenever it is time; a thread looks
    /// whether it is in that interval.
    pub(super) fn begin(
        database: &Path,
        holder: &str,
        (clock, interval): (&Clock, Duration),
    ) -> Result<Self> {
        let mut asker = Asker {
            database: Beside::open(database).map_err(BackupError::Database)?,
            holder: holder.to_owned(),
            clock: clock.clone(),
            asked_at: clock.now(),
            has_lapsed: false,
        };
        asker.ask()?;
        let asker = Arc::new(Mutex::new(asker));
        let (going_on, ended) = sync_channel::<()>(1);
        let in_thread = Arc::clone(&asker);
        let work = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // What fails is tried again, and is a lapse when that takes too long.
                let _ = lock(&in_thread).ask_again();
            }
        };
        let thread = std::thread::Builder::new().name("backup-hold".to_owned());
        Ok(Self {
            asker,
            going_on: Some(going_on),
            thread: Some(thread.spawn(work).map_err(of(database))?),
        })
    }

    /// The hold has lasted so far, and lasts on.
    pub(super) fn check(&self) -> Result<()> {
        let mut asker = lock(&self.asker);
        asker.ask_again()?;
        if asker.has_lapsed {
            return Err(BackupError::Lapsed);
        }
        Ok(())
    }
}

fn lock(asker: &Mutex<Asker>) -> MutexGuard<'_, Asker> {
    // A panic while the lock was held has left the time of an answer that came.
    asker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.going_on.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let asker = lock(&self.asker);
        // Otherwise it ends by itself within a minute.
        let _ = asker.database.let_go(&asker.holder);
    }
}
