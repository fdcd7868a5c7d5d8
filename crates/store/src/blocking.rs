//! The one way to work that blocks: SQLite and plain files.
//!
//! A server runs it on the runtime's blocking pool. A simulation runs it on the spot, so that one
//! seed gives one order of events. `object_store`'s folder driver hops to the pool by itself; a
//! simulation keeps its blobs in memory.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where blocking work runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocking {
    /// On the runtime's pool of blocking threads.
    #[default]
    Pool,
    /// On the spot, holding up whoever asks: deterministic.
    Inline,
}

impl Blocking {
    /// Does the work and answers what it returns. The work goes on when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// The work panicked, or the runtime was shut down before it began.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Pool => tokio::task::spawn_blocking(work)
                .await
                .map_err(io::Error::other),
            Self::Inline => caught(work),
        }
    }

    /// Begins the work and does not wait for its end (on the spot, it has ended). What becomes of a
    /// panic is the work's own affair.
    pub fn start(self, work: impl FnOnce() + Send + 'static) {
        match self {
            Self::Pool => drop(tokio::task::spawn_blocking(work)),
            Self::Inline => drop(caught(work)),
        }
    }
}

/// Does the work, and turns a panic into an error that repeats its message.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| io::Error::other(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("a panic: {text}")
}
