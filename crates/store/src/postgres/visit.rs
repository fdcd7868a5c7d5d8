//! A look at a database that changes nothing in it.

use std::time::Duration;

use tokio::time::Instant;

use super::migrate::{NEWEST, check_server, taken};
use super::row::{get, number, text};
use super::{Postgres, PostgresSettings};
use crate::store::Result;

/// What is in the schema of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFound {
    /// There is none, and it can be made.
    Missing,
    /// There is none, and this user may not make it.
    Forbidden,
    /// The next start brings it up to date.
    Older,
    /// It is up to date.
    Current,
}

/// What a database looks like.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The server's version, as it says it.
    pub version: String,
    /// The most connections of all who use the server.
    pub connections_max: u64,
    /// What is in the schema.
    pub schema: SchemaFound,
    /// How long a statement and its answer take.
    pub round_trip: Duration,
}

impl Postgres {
    /// Looks at a database.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError::Unavailable`] when it cannot be reached, or not be used by this program.
    pub async fn visit(settings: PostgresSettings) -> Result<Visit> {
        let store = Self::unopened(settings)?;
        let connecting = || async { Ok(store.pool.get().await?) };
        let mut client = store.persist(connecting).await?;
        check_server(&client).await?;
        let sql = "SELECT current_setting('server_version') AS version, \
                 current_setting('max_connections')::BIGINT AS connections_max, \
                 has_database_privilege(current_database(), 'CREATE') AS may_create";
        let row = client.query_one(sql, &[]).await?;
        let began = Instant::now();
        client.batch_execute("SELECT 1").await?;
        let round_trip = began.elapsed();
        let schema = match taken(&mut client, &store.settings).await? {
            None if get(&row, "may_create")? => SchemaFound::Missing,
            None => SchemaFound::Forbidden,
            Some(NEWEST) => SchemaFound::Current,
            Some(_) => SchemaFound::Older,
        };
        Ok(Visit {
            version: text(&row, "version")?,
            connections_max: number(&row, "connections_max")?,
            schema,
            round_trip,
        })
    }
}
