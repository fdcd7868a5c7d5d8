//! Group commit: one fsync for all verbs that wait.
//!
//! ```text
//! write() ──► queue ──► leader: BEGIN, a savepoint a verb, COMMIT ──► answers
//!                 ▲                      │
//!                 └── queued meanwhile ──┘
//! ```
//!
//! Whoever finds no leader starts one; it commits until the queue is empty. No thread is kept and
//! no timer runs: a lone verb is committed at once, and what comes during an fsync shares the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};
use tokio::sync::oneshot;

use super::damage::Damage;
use super::jobs::{Job, Verb};
use crate::blocking::Blocking;
use crate::store::{Result, StoreError};

/// How many verbs share a transaction at most, so that the first of them does not wait long.
const GROUP_MAX: usize = 256;

pub(super) struct Writer {
    queue: Mutex<Queue>,
    connection: Mutex<Keeping>,
    blocking: Blocking,
    damage: Damage,
}

/// What has to be true of a verb's changes when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// They are there after a power failure.
    ForGood,
    /// Nobody relies on them after a power failure. They are there for good with the next that are.
    ForNow,
}

/// The connection that writes, and what it promises of a commit.
struct Keeping {
    connection: Connection,
    kept: Kept,
}

impl Keeping {
    /// Lets the next commits wait for the disk, or not.
    fn promise(&mut self, kept: Kept) -> rusqlite::Result<()> {
        if self.kept != kept {
            let level = match kept {
                Kept::ForGood => "full",
                Kept::ForNow => "normal",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.kept = kept;
        }
        Ok(())
    }
}

/// Each waiting verb has a caller, so there are never more than requests and runs under way.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Box<dyn Job>, Kept)>,
    led: bool,
}

impl Writer {
    /// A writer on a connection whose commits wait for the disk.
    pub(super) fn new(connection: Connection, blocking: Blocking, damage: Damage) -> Arc<Self> {
        let queue = Mutex::default();
        Arc::new(Self {
            queue,
            connection: Mutex::new(Keeping {
                connection,
                kept: Kept::ForGood,
            }),
            blocking,
            damage,
        })
    }

    /// Runs the verb in the next transaction, and answers when that is kept. The verb is run also when the
    /// caller stops waiting.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        kept: Kept,
        verb: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        if self.enqueue(Box::new(Verb::new(verb, answer)), kept) {
            let leader = Leader {
                writer: Arc::clone(self),
                done: false,
            };
            self.blocking.start(move || leader.lead());
        }
        let gone = "the database's writer has stopped";
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable(gone.into())))
    }

    /// True when the caller is to start a leader.
    fn enqueue(&self, job: Box<dyn Job>, kept: Kept) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back((job, kept));
        !std::mem::replace(&mut queue.led, true)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is whole, so a panic elsewhere has not left it in between.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, mut jobs: Vec<Box<dyn Job>>, kept: Kept) {
        let committed = {
            // A transaction that a panic interrupted was rolled back when it was dropped.
            let mut keeping = self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.damage.refuse().and_then(|()| {
                let promised = keeping.promise(kept);
                let done = promised.and_then(|()| transact(&mut keeping.connection, &mut jobs));
                done.map_err(|failure| {
                    self.damage.note(&failure);
                    StoreError::from(failure)
                })
            })
        };
        let why = committed.as_ref().err().map(|error| || again(error));
        for job in jobs {
            match &why {
                Some(why) => job.answer(Err(why)),
                None => job.answer(Ok(())),
            }
        }
    }
}

/// Whoever commits, until nobody waits.
struct Leader {
    writer: Arc<Writer>,
    done: bool,
}

impl Leader {
    fn lead(mut self) {
        while let Some((jobs, kept)) = self.next() {
            self.writer.commit(jobs, kept);
        }
    }

    /// The verbs of the next transaction, and how it is to be kept; `None` when nobody waits, and whoever
    /// comes next leads.
    fn next(&mut self) -> Option<(Vec<Box<dyn Job>>, Kept)> {
        let mut queue = self.writer.queue();
        if queue.waiting.is_empty() {
            queue.led = false;
            self.done = true;
            return None;
        }
        let group = queue.waiting.len().min(GROUP_MAX);
        let (jobs, each): (Vec<_>, Vec<_>) = queue.waiting.drain(..group).unzip();
        let kept = if each.contains(&Kept::ForGood) {
            Kept::ForGood
        } else {
            Kept::ForNow
        };
        Some((jobs, kept))
    }
}

impl Drop for Leader {
    /// A leader that was stopped (a runtime that is shut down never begins it) leaves nobody
    /// waiting for ever.
    fn drop(&mut self) {
        if !self.done {
            let mut queue = self.writer.queue();
            queue.led = false;
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(waiting);
        }
    }
}

fn transact(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in jobs {
        let savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
        // A full disk makes SQLite roll the whole transaction back on its own.
        if transaction.is_autocommit() {
            let aborted = ffi::Error {
                code: ErrorCode::OperationAborted,
                extended_code: 4,
            };
            return Err(rusqlite::Error::SqliteFailure(aborted, None));
        }
    }
    transaction.commit()
}

/// The same error once more, for everyone whose verb was in the transaction.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Contradicts(source) => StoreError::Contradicts(source.to_string().into()),
        StoreError::Corrupt(source) => StoreError::Corrupt(source.to_string().into()),
        StoreError::Unavailable(source) => StoreError::Unavailable(source.to_string().into()),
        StoreError::NotFound
        | StoreError::Fenced
        | StoreError::Illegal(_)
        | StoreError::Refused(_) => StoreError::Unavailable(error.to_string().into()),
    }
}
