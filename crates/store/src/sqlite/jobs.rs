//! A verb that waits for its transaction, and whoever waits for its answer.

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::blocking::caught;
use crate::store::{Result, StoreError};

/// Whether the transaction of a verb is there for good, or why not.
pub(super) type Committed<'a> = std::result::Result<(), &'a dyn Fn() -> StoreError>;

/// A verb of any answer.
pub(super) trait Job: Send {
    /// Changes rows. False when the verb failed: what it changed is to be undone.
    fn run(&mut self, db: &Connection) -> bool;

    /// Tells whoever waits: the verb's own answer once it is there for good, or why it was undone.
    fn answer(self: Box<Self>, committed: Committed<'_>);
}

pub(super) struct Verb<F, T> {
    work: Option<F>,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<F, T> Verb<F, T> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T>>) -> Self {
        Self {
            work: Some(work),
            result: None,
            answer,
        }
    }
}

impl<F, T> Job for Verb<F, T>
where
    F: FnOnce(&Connection) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        // A verb that panics fails alone: the others of its transaction go on.
        let result = caught(|| work(db))
            .unwrap_or_else(|panic| Err(StoreError::Unavailable(Box::new(panic))));
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, committed: Committed<'_>) {
        let answer = match (self.result, committed) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(why)) => Err(why()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // Without a result it was never run, and then there is nothing to answer.
            (None, Ok(())) => return,
        };
        // Whoever asked may have stopped waiting.
        drop(self.answer.send(answer));
    }
}
