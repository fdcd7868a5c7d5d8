//! Hints between processes: that a batch was inserted, cancelled or given back.
//!
//! A hint is sent with the transaction that it tells of, and carries no data. It may be lost (with
//! the connection that listens, say): who waits for one looks by itself after a while.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::sleep;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Connection, NoTls, Socket};

use super::Postgres;
use super::db::Db;
use super::settings::{Tls, quoted};
use super::tls::MakeTls;
use crate::store::{Result, StoreError};
use crate::wake::Wake;

/// The pause before a connection that was lost is made anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells whoever listens, when the transaction is there.
pub(super) async fn notify(db: &Db, channel: &str) -> Result<()> {
    db.one("SELECT pg_notify($1, '')", &[&channel]).await?;
    Ok(())
}

impl Postgres {
    /// Passes the hints of all processes on, until the caller stops waiting. It has a connection of
    /// its own; when that is lost, another one is made.
    pub async fn pass_on_hints(&self, wake: Wake) {
        loop {
            if let Err(error) = self.listen(&wake).await {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "hints of other processes are not heard");
            }
            sleep(PAUSE).await;
        }
    }

    /// Listens until the connection ends.
    async fn listen(&self, wake: &Wake) -> Result<()> {
        match &self.settings.tls {
            Tls::Off => self.listen_over(NoTls, wake).await,
            Tls::On { authorities } => {
                let tls = MakeTls::new(authorities.as_deref())
                    .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
                self.listen_over(tls, wake).await
            }
        }
    }

    async fn listen_over<T>(&self, tls: T, wake: &Wake) -> Result<()>
    where
        T: MakeTlsConnect<Socket> + Send,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let mut config = self.settings.config.clone();
        config.connect_timeout(self.settings.connect_timeout);
        let (client, connection) = config.connect(tls).await?;
        let listening = async {
            let listen = format!("LISTEN {}", quoted(&self.settings.channel()));
            client.batch_execute(&listen).await?;
            // What was said before is found by looking.
            wake.wake();
            std::future::pending::<Result<()>>().await
        };
        let listening = std::pin::pin!(listening);
        let heard = std::pin::pin!(hear(connection, wake));
        match select(heard, listening).await {
            Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
        }
    }
}

/// Wakes for every hint, until the connection ends.
async fn hear<S>(mut connection: Connection<Socket, S>, wake: &Wake) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message? {
            wake.wake();
        }
    }
    Ok(())
}
