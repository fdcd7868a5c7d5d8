//! Hints between processes: that a batch was inserted, cancelled or given back.
//!
//! A hint is sent with the transaction that it tells of, and names the workers that are to look: the one
//! that holds the batch, or [`NAMED_MAX`] of those that may take it. All others pass it by, so that a
//! hundred workers do not ask for every batch at once. A hint may be lost (with the connection that
//! listens, say), and whom it names may have no room: everybody looks by themselves after a while.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::future::{Either, select};
use overnight_core::id::{BatchId, WorkerId};
use tokio::time::sleep;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Connection, NoTls, Socket};

use super::Postgres;
use super::connect::first;
use super::db::{Db, Values};
use super::settings::{Tls, quoted};
use super::tls::MakeTls;
use crate::store::{Result, StoreError};
use crate::wake::Wake;

/// The pause before a connection that was lost is made anew.
const PAUSE: Duration = Duration::from_secs(1);

/// So many workers are named where any would do. With one, a batch would wait for the next look of
/// somebody else whenever that one has just died.
const NAMED_MAX: i64 = 2;

/// Tells some of the workers that are there, when the transaction is there, that a batch is to be had.
pub(super) async fn notify_some(db: &Db, channel: &str) -> Result<()> {
    notify_others(db, channel, None).await
}

/// The same, and not the worker that has just given a batch back.
pub(super) async fn notify_others(db: &Db, channel: &str, except: Option<&WorkerId>) -> Result<()> {
    let sql = format!("SELECT pg_notify($1, ({SOME}))");
    let except = except.map_or("", WorkerId::as_str);
    db.one(&sql, &[&channel, &NAMED_MAX, &except]).await?;
    Ok(())
}

/// Tells the worker that holds the batch, when the transaction is there, that something became of it; or
/// some of the workers, when nobody holds it. Asked behind the change: it holds the row, so that
/// nobody takes the batch unseen.
pub(super) async fn notify_holder(db: &Db, channel: &str, batch: &BatchId) -> Result<()> {
    let sql = format!(
        "SELECT pg_notify($1, coalesce((SELECT worker FROM batches WHERE id = $4), ({SOME})))"
    );
    let values: Values<'_> = &[&channel, &NAMED_MAX, &"", &batch.as_str()];
    db.one(&sql, values).await?;
    Ok(())
}

/// The names of up to `$2` workers that take batches, `$3` excepted: first those that hold the fewest,
/// as they have room, and blindly among those that hold as many. When there are none, nobody is named,
/// which means everybody. What somebody holds is counted up to eight: above that, one more is little.
const SOME: &str = "SELECT coalesce(string_agg(worker, ' '), '') FROM (\
         SELECT worker FROM workers WHERE until > now() AND NOT leaving AND worker <> $3 \
             AND reaches_blobs IS NOT FALSE \
         ORDER BY (SELECT count(*) FROM (\
             SELECT 1 FROM batches WHERE batches.worker = workers.worker LIMIT 8) AS held), \
         random() LIMIT $2) AS named";

/// Whether a hint is for that worker.
pub(super) fn is_for(hint: &str, worker: &WorkerId) -> bool {
    hint.is_empty() || hint.split(' ').any(|named| named == worker.as_str())
}

impl Postgres {
    /// Passes on what all processes hint at to that worker, until the caller stops waiting. It has a
    /// connection of its own; when that is lost, another one is made.
    pub async fn pass_on_hints(&self, worker: &WorkerId, wake: Wake) {
        loop {
            if let Err(error) = self.listen(worker, &wake).await {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "hints of other processes are not heard");
            }
            sleep(PAUSE).await;
        }
    }

    /// Listens until the connection ends.
    async fn listen(&self, worker: &WorkerId, wake: &Wake) -> Result<()> {
        match &self.settings.tls {
            Tls::Off => self.listen_over(NoTls, worker, wake).await,
            Tls::On { authorities } => {
                let tls = MakeTls::new(authorities.as_deref())
                    .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
                self.listen_over(tls, worker, wake).await
            }
        }
    }

    async fn listen_over<T>(&self, tls: T, worker: &WorkerId, wake: &Wake) -> Result<()>
    where
        T: MakeTlsConnect<Socket> + Clone + Send,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let hosts = self.settings.hosts();
        let connecting = hosts.into_iter().map(|host| {
            let tls = tls.clone();
            async move { host.connect(tls).await }
        });
        let (client, connection) = first(connecting).await?;
        let listening = async {
            let listen = format!("LISTEN {}", quoted(&self.settings.channel()));
            client.batch_execute(&listen).await?;
            // What was said before is found by looking.
            wake.wake();
            std::future::pending::<Result<()>>().await
        };
        let listening = std::pin::pin!(listening);
        let heard = std::pin::pin!(hear(connection, worker, wake));
        match select(heard, listening).await {
            Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
        }
    }
}

/// Wakes for every hint to that worker, until the connection ends.
async fn hear<S>(
    mut connection: Connection<Socket, S>,
    worker: &WorkerId,
    wake: &Wake,
) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(hint) = message?
            && is_for(hint.payload(), worker)
        {
            wake.wake();
        }
    }
    Ok(())
}
