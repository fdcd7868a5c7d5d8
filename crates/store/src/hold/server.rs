//! A hold in a database on a server, asked for again by a task.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overnight_core::time::Clock;
use tokio::task::JoinHandle;

use super::{Asked, RENEWAL};
use crate::Postgres;
use crate::store::Result;

/// A hold that could not be asked for again is tried once more after this pause.
const RETRY: Duration = Duration::from_secs(2);

/// Ends by itself within a minute after the value is dropped.
pub(crate) struct ServerHold {
    held: Arc<Held>,
    task: JoinHandle<()>,
}

struct Held {
    store: Postgres,
    holder: String,
    clock: Clock,
    asked: Mutex<Asked>,
}

impl Held {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        // A panic while the lock was held has left what was true before.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_again(&self) -> Result<()> {
        let at = self.clock.now();
        self.store.hold(&self.holder, at).await?;
        self.asked().again(at, self.clock.now());
        Ok(())
    }
}

impl ServerHold {
    /// Asks for a hold on the blobs that the database names, and again whenever it is time.
    pub(crate) async fn begin(store: &Postgres, holder: &str, clock: &Clock) -> Result<Self> {
        let at = clock.now();
        store.hold(holder, at).await?;
        let held = Arc::new(Held {
            store: store.clone(),
            holder: holder.to_owned(),
            clock: clock.clone(),
            asked: Mutex::new(Asked::new(at)),
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the value, and leaves nothing behind that anybody waits for"
        )]
        let task = tokio::spawn(go_on(Arc::clone(&held)));
        Ok(Self { held, task })
    }

    /// Whether it has lasted so far.
    pub(crate) fn has_lasted(&self) -> bool {
        let asked = self.held.asked();
        !asked.has_lapsed && !asked.is_over(self.held.clock.now())
    }

    /// Ends it now; otherwise it ends by itself.
    pub(crate) async fn end(self) {
        self.task.abort();
        if let Err(error) = self.held.store.let_go(&self.held.holder).await {
            tracing::debug!(%error, "a hold on the blobs was not ended");
        }
    }
}

async fn go_on(held: Arc<Held>) {
    let mut pause = RENEWAL;
    loop {
        tokio::time::sleep(pause).await;
        pause = match held.ask_again().await {
            Ok(()) => RENEWAL,
            Err(error) => {
                tracing::debug!(%error, "a hold on the blobs was not asked for again yet");
                RETRY
            }
        };
    }
}

impl Drop for ServerHold {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for ServerHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHold").finish_non_exhaustive()
    }
}
