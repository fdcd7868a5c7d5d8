//! Metadata in a PostgreSQL database, for any number of processes.
//!
//! Each verb is one transaction on a connection of a pool. What races with what is settled by locks
//! of rows, not by the isolation level: whatever changes a batch locks its row first, so a take-over
//! and a flush come one after the other, and the later one sees what the earlier one did. A verb of
//! which it is certain that nothing happened is tried again for a while; when the answer to its
//! commit was lost nobody knows, and its caller, for whom every verb may be repeated, is told so.
//!
//! The verbs themselves are functions of a connection, one file for each room, with the names that
//! they have in the driver of SQLite: `files`, `uploads`, `batches`, `claims`, `once`, `segments`,
//! `seal`, `garbage`, `quarantine`, `running`.

mod batches;
mod carry;
mod claims;
mod connect;
mod db;
mod error;
mod files;
mod garbage;
mod hints;
mod migrate;
mod once;
mod quarantine;
mod row;
mod running;
mod seal;
mod segments;
mod settings;
mod steering;
#[cfg(test)]
mod tests;
mod tls;
mod uploads;
mod verbs;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    ConfigConnectImpl, Hook, HookError, Manager, ManagerConfig, Pool, PoolBuilder, RecyclingMethod,
    Runtime,
};
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use self::connect::AnyHost;
use self::db::{Db, Ended, Mode};
use self::error::{Passing, passing};
use self::settings::Tls;
pub use self::settings::{BadUrl, PostgresSettings};
use self::tls::MakeTls;
pub use self::visit::{SchemaFound, Visit};
use crate::store::{Result, StoreError};

/// The pause before a verb is tried again for the first time; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// So much longer than the server lets a statement take, an answer may take to come.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// So many connections are for leases alone: a claim and a renewal go on beside each other.
const LEASE_CONNECTIONS: usize = 2;

/// The metadata in one schema of one database. Cloning shares the connections.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    /// For what leases depend on, which must not wait behind everything else.
    lease_pool: Pool,
    settings: Arc<PostgresSettings>,
}

impl Postgres {
    /// Connects to the database and brings its schema up to date. While the server is starting it is
    /// waited for, for [`PostgresSettings::patience`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database cannot be reached or used, or was written by a
    /// newer version of this program.
    pub async fn open(settings: PostgresSettings) -> Result<Self> {
        let store = Self::unopened(settings)?;
        store
            .persist(|| async {
                let mut client = store.pool.get().await?;
                migrate::migrate(&mut client, &store.settings).await
            })
            .await?;
        Ok(store)
    }

    /// The database as its settings describe it, of which nothing is known yet.
    fn unopened(settings: PostgresSettings) -> Result<Self> {
        let pool_of = |connections| {
            let builder = match &settings.tls {
                Tls::Off => pool(&settings, NoTls),
                Tls::On { authorities } => pool(&settings, MakeTls::new(authorities.as_deref())?),
            };
            let built = builder.max_size(connections).build();
            built.map_err(std::io::Error::other)
        };
        let unusable = |error| StoreError::Unavailable(Box::new(error));
        Ok(Self {
            pool: pool_of(settings.connections_max.max(1)).map_err(unusable)?,
            lease_pool: pool_of(LEASE_CONNECTIONS).map_err(unusable)?,
            settings: Arc::new(settings),
        })
    }

    /// The name of this installation, which was drawn when its schema was made: the blobs that its rows
    /// name must be nobody else's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn installation(&self) -> Result<String> {
        self.glance(|db| async move {
            let row = db.one("SELECT id FROM installation", &[]).await?;
            let missing = || StoreError::Corrupt("the installation has no name".into());
            row::text(&row.ok_or_else(missing)?, "id")
        })
        .await
    }

    /// The same database over the connections that are for leases alone.
    fn for_leases(&self) -> Self {
        Self {
            pool: self.lease_pool.clone(),
            ..self.clone()
        }
    }

    /// Runs a verb that changes rows. Its caller is told when nobody knows whether it did.
    async fn change<T, F: Future<Output = Result<T>>>(&self, verb: impl Fn(Db) -> F) -> Result<T> {
        self.transact(Mode::Change, verb).await
    }

    /// Runs a verb that changes rows and, run twice, does and answers what it does once: a commit whose
    /// answer was lost is made again, as if nothing had happened.
    async fn settle<T, F: Future<Output = Result<T>>>(&self, verb: impl Fn(Db) -> F) -> Result<T> {
        self.persist(|| async { self.attempt(Mode::Change, &verb).await? })
            .await
    }

    /// The same for a verb that deletes: when it finds nothing the second time, the first one did it.
    async fn settle_deletion<F: Future<Output = Result<()>>>(
        &self,
        verb: impl Fn(Db) -> F,
    ) -> Result<()> {
        let is_in_doubt = AtomicBool::new(false);
        let attempt = || async {
            match self.attempt(Mode::Change, &verb).await {
                Ok(Err(unknown)) => {
                    is_in_doubt.store(true, Ordering::Relaxed);
                    Err(unknown)
                }
                Err(StoreError::NotFound) if is_in_doubt.load(Ordering::Relaxed) => Ok(()),
                certain => certain?,
            }
        };
        self.persist(attempt).await
    }

    /// Runs a verb whose statements all read one state of the database.
    async fn read<T, F: Future<Output = Result<T>>>(&self, verb: impl Fn(Db) -> F) -> Result<T> {
        self.transact(Mode::Snapshot, verb).await
    }

    /// Runs a verb that reads with one statement.
    async fn glance<T, F: Future<Output = Result<T>>>(&self, verb: impl Fn(Db) -> F) -> Result<T> {
        self.transact(Mode::Glance, verb).await
    }

    async fn transact<T, F>(&self, mode: Mode, verb: impl Fn(Db) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        // What is certain may be tried again; what is not goes around it.
        let answer = self.persist(|| async { self.attempt(mode, &verb).await });
        answer.await?
    }

    /// Runs a verb once. The outer error says that nothing has happened.
    async fn attempt<T, F>(&self, mode: Mode, verb: impl Fn(Db) -> F) -> Result<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let client = self.pool.get().await?;
        let patience = self.settings.statement_timeout + ANSWER_SLACK;
        let db = Db::begin(client, mode, patience).await?;
        let answer = verb(db.clone()).await?;
        match db.commit(mode).await {
            Ended::Well => Ok(Ok(answer)),
            Ended::Undone(error) => Err(error),
            Ended::Unknown(error) => Ok(Err(error)),
        }
    }

    /// Tries something that may be tried again until it does not fail for a passing reason, for as long
    /// as there is patience.
    async fn persist<T, F: Future<Output = Result<T>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T> {
        let until = Instant::now() + self.settings.patience;
        let mut pause = PAUSE_MIN;
        loop {
            let (error, why) = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => match passing(&error) {
                    Some(why) => (error, why),
                    None => return Err(error),
                },
            };
            if why == Passing::Connection {
                // What broke one connection broke the others, or they lead to a former primary.
                self.pool.retain(|_, _| false);
            }
            if Instant::now() + pause >= until {
                return Err(error);
            }
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the database is asked again"
            );
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn pool<T>(settings: &PostgresSettings, tls: T) -> PoolBuilder
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<tokio_postgres::Socket>>::Future: Send,
{
    let manager = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let connect = AnyHost {
        hosts: settings.hosts(),
        driver: ConfigConnectImpl { tls },
    };
    let session: Arc<str> = settings.session().into();
    let manager = Manager::from_connect(settings.config.clone(), connect, manager);
    Pool::builder(manager)
        .wait_timeout(Some(settings.wait))
        // A host that is looked up and asked, and the first statements.
        .create_timeout(Some(settings.connect_timeout * 2))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| {
            let session = Arc::clone(&session);
            Box::pin(async move {
                let begun = client.batch_execute(&session).await;
                begun.map_err(HookError::Backend)
            })
        }))
}
