//! A connection for the time of one verb.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::{TimedOut, is_undone};
use crate::store::{Result, StoreError};

/// The values of a statement's `$1`, `$2` and so on.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How a verb sees the database, and what its changes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One statement that reads: a transaction by itself.
    Glance,
    /// Several statements that read one state of the database.
    Snapshot,
    /// Changes, all or nothing.
    Change,
}

impl Mode {
    const fn begin(self) -> Option<&'static str> {
        match self {
            Self::Glance => None,
            Self::Snapshot => Some("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            // Said, so that the default of a server or of a role does not matter.
            Self::Change => Some("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"),
        }
    }

    const fn commit(self) -> Option<&'static str> {
        match self {
            Self::Glance => None,
            Self::Snapshot => Some("COMMIT"),
            // A commit that waits for a standby must not be ended by the timeout of statements:
            // PostgreSQL would then say that all is well, with a warning that the standby may not
            // have it.
            Self::Change => Some("SET LOCAL statement_timeout = 0; COMMIT"),
        }
    }
}

/// How a verb's transaction ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// What was changed is there for good.
    Well,
    /// Nothing was changed.
    Undone(StoreError),
    /// Nobody knows.
    Unknown(StoreError),
}

/// A connection that a verb works on. Cloning shares it.
#[derive(Clone)]
pub(super) struct Db(Arc<Connection>);

struct Connection {
    /// None when the connection cannot be trusted any more, and goes not back to the pool.
    client: Option<Object>,
    /// How long an answer may take: longer than the server lets a statement take.
    patience: Duration,
    /// Whether a transaction is open.
    is_open: AtomicBool,
    /// Whether a statement failed: such a transaction is never committed.
    has_failed: AtomicBool,
    /// Whether an answer is still to come.
    is_waiting: AtomicBool,
    /// When the verb began.
    began: Instant,
}

/// A verb whose answer is not waited for any more, so long after it began, tells that nothing may come
/// over the other connections either: they may lead to a machine that is gone.
const SILENCE: Duration = Duration::from_secs(1);

impl Db {
    /// Begins a verb's work.
    pub(super) async fn begin(client: Object, mode: Mode, patience: Duration) -> Result<Self> {
        let db = Self(Arc::new(Connection {
            client: Some(client),
            patience,
            is_open: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            began: Instant::now(),
        }));
        if let Some(begin) = mode.begin() {
            db.0.is_open.store(true, Ordering::Relaxed);
            db.answer(db.client()?.batch_execute(begin)).await?;
        }
        Ok(db)
    }

    /// Makes what the verb changed last.
    pub(super) async fn commit(&self, mode: Mode) -> Ended {
        let Some(commit) = mode.commit() else {
            return Ended::Well;
        };
        // PostgreSQL answers the commit of a transaction that failed with a rollback, and no error.
        if self.0.has_failed.load(Ordering::Relaxed) {
            let text = "a verb went on behind a statement that failed";
            return Ended::Undone(StoreError::Unavailable(text.into()));
        }
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return Ended::Undone(error),
        };
        self.0.is_waiting.store(true, Ordering::Relaxed);
        let ended = match timeout(self.0.patience, client.batch_execute(commit)).await {
            Ok(Ok(())) => Ended::Well,
            Ok(Err(error)) if is_undone(&error) => Ended::Undone(error.into()),
            Ok(Err(error)) => Ended::Unknown(error.into()),
            Err(_) => return Ended::Unknown(StoreError::Unavailable(Box::new(TimedOut))),
        };
        self.0.is_waiting.store(false, Ordering::Relaxed);
        self.0.is_open.store(false, Ordering::Relaxed);
        ended
    }

    /// The first row of a query, if there is one.
    pub(super) async fn one(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>> {
        let client = self.client()?;
        let query = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, values).await
        };
        Ok(self.answer(query).await?.into_iter().next())
    }

    /// Every row of a query, read.
    pub(super) async fn all<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self.rows(sql, values).await?;
        rows.iter().map(read).collect()
    }

    /// Every row of a query.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let client = self.client()?;
        self.answer(async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, values).await
        })
        .await
    }

    /// Runs a change, and answers how many rows it changed.
    pub(super) async fn change(&self, sql: &str, values: Values<'_>) -> Result<u64> {
        let client = self.client()?;
        self.answer(async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, values).await
        })
        .await
    }

    fn client(&self) -> Result<&Object> {
        let gone = || StoreError::Unavailable("the connection was given back".into());
        self.0.client.as_ref().ok_or_else(gone)
    }

    /// Waits for an answer no longer than there can be one.
    async fn answer<T>(
        &self,
        asked: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.0.is_waiting.store(true, Ordering::Relaxed);
        let Ok(answer) = timeout(self.0.patience, asked).await else {
            self.0.has_failed.store(true, Ordering::Relaxed);
            return Err(StoreError::Unavailable(Box::new(TimedOut)));
        };
        self.0.is_waiting.store(false, Ordering::Relaxed);
        answer.map_err(|error| {
            self.0.has_failed.store(true, Ordering::Relaxed);
            error.into()
        })
    }
}

impl Drop for Connection {
    /// A verb that failed, or whose caller stopped waiting, leaves a transaction open. It is rolled
    /// back before anyone else's statement; a connection that owes an answer is closed, so that
    /// nobody waits behind it.
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if *self.is_waiting.get_mut() {
            if self.began.elapsed() >= SILENCE
                && let Some(pool) = Object::pool(&client)
            {
                pool.retain(|_, _| false);
            }
            drop(Object::take(client));
        } else if *self.is_open.get_mut() {
            // Polled once, the statement is sent; its answer is nobody's.
            let _ = client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
