//! A hold in a file of SQLite, asked for again from a thread of its own: a copy of a large database,
//! an fsync and the comparison of a large blob take longer than a hold, and leave no moment to think
//! of it.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use overnight_core::time::Clock;

use super::Asked;
use crate::sqlite::beside::Beside;
use crate::store::{Result, StoreError};

/// The thread looks whether the hold is to be asked for again once in so long.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Let go of when the value is dropped.
pub(crate) struct BesideHold {
    asker: Arc<Mutex<Asker>>,
    /// Dropped to end the thread.
    going_on: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Asker {
    database: Beside,
    holder: String,
    clock: Clock,
    asked: Asked,
}

impl Asker {
    fn ask_again(&mut self) -> Result<()> {
        let at = self.clock.now();
        if !self.asked.is_due(at) {
            return Ok(());
        }
        let answer = self.database.hold(&self.holder, at);
        if answer.is_ok() {
            self.asked.again(at, self.clock.now());
        }
        answer
    }
}

impl BesideHold {
    /// Asks for a hold on the blobs of that database, and again whenever it is time; a thread looks
    /// whether it is in that interval.
    pub(crate) fn begin(
        database: &Path,
        holder: &str,
        (clock, interval): (&Clock, Duration),
    ) -> Result<Self> {
        let (database, at) = (Beside::open(database)?, clock.now());
        database.hold(holder, at)?;
        let asker = Arc::new(Mutex::new(Asker {
            database,
            holder: holder.to_owned(),
            clock: clock.clone(),
            asked: Asked::new(at),
        }));
        let (going_on, ended) = sync_channel::<()>(1);
        let in_thread = Arc::clone(&asker);
        let work = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // What fails is tried again, and is a lapse when that takes too long.
                let _ = lock(&in_thread).ask_again();
            }
        };
        let thread = std::thread::Builder::new().name("hold".to_owned());
        let thread = thread.spawn(work);
        Ok(Self {
            asker,
            going_on: Some(going_on),
            thread: Some(thread.map_err(|error| StoreError::Unavailable(error.into()))?),
        })
    }

    /// Whether the hold has lasted so far; it lasts on.
    pub(crate) fn has_lasted(&self) -> Result<bool> {
        let mut asker = lock(&self.asker);
        asker.ask_again()?;
        Ok(!asker.asked.has_lapsed)
    }
}

fn lock(asker: &Mutex<Asker>) -> MutexGuard<'_, Asker> {
    // A panic while the lock was held has left the time of an answer that came.
    asker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for BesideHold {
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

impl fmt::Debug for BesideHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BesideHold").finish_non_exhaustive()
    }
}
