//! The one way to work that blocks: SQLite and plain files.
//!
//! A server runs it on the runtime's blocking pool. A simulation runs it on the spot, so that one
//! seed gives one order of events. `object_store`'s folder driver hops to the pool by itself when it
//! finds a runtime: on the spot, it is run on a thread that has none.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use futures_util::FutureExt as _;

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

    /// Awaits work of a driver that hops to the runtime's pool by itself, or does it on the spot.
    ///
    /// # Errors
    ///
    /// On the spot: the work panicked, there was no thread, or the driver waits for something.
    pub(crate) async fn drive<T: Send>(
        self,
        work: impl Future<Output = T> + Send,
    ) -> io::Result<T> {
        match self {
            Self::Pool => Ok(work.await),
            Self::Inline => self
                .apart(|| work.now_or_never())?
                .ok_or_else(|| io::Error::other("the driver waits")),
        }
    }

    /// Does work that must not find the runtime on the spot; elsewhere it is done as it is.
    ///
    /// # Errors
    ///
    /// On the spot: the work panicked, or there was no thread.
    pub(crate) fn apart<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        match self {
            Self::Pool => Ok(work()),
            Self::Inline => thread::scope(|scope| {
                let begun = thread::Builder::new().spawn_scoped(scope, work)?;
                let panicked = |panic: Box<dyn Any + Send>| io::Error::other(message(&*panic));
                begun.join().map_err(panicked)
            }),
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
