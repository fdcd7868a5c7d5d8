//! The schema, step by step. Steps are numbered from 1 without gaps, and only ever added.
//!
//! Several processes may start at once: whoever comes first holds a lock of the database until the
//! schema is up to date, and the others wait and find it so. A process that started before a newer
//! one took a step goes on working: steps only add.

use deadpool_postgres::Object;

use super::settings::{PostgresSettings, quoted};
use crate::store::{Result, StoreError};

const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_leaving_workers.sql"),
    include_str!("migrations/0003_steering.sql"),
    include_str!("migrations/0004_reach_of_blobs.sql"),
];

/// How many steps this program knows: the version of the schema that it works with.
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// The first half of the lock's number; the other tells the schema. ("over", in ASCII.)
const LOCK: i32 = 0x6f76_6572;

/// The oldest server that the SQL was tried on.
const SERVER_MIN: i32 = 150_000;

/// Brings the schema up to date, or changes nothing.
pub(super) async fn migrate(client: &mut Object, settings: &PostgresSettings) -> Result<()> {
    check_server(client).await?;
    // Where nothing is to be done no right to do it is needed, and nobody is waited for.
    if taken(client, settings).await? == Some(NEWEST) {
        return Ok(());
    }
    let schema = quoted(&settings.schema);
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await?;
    transaction
        .execute(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))",
            &[&LOCK, &settings.schema],
        )
        .await?;
    let taken = taken_in(&transaction, settings).await?;
    if taken.is_none() {
        let begin = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             CREATE TABLE {schema}.migrations (
                 step BIGINT NOT NULL PRIMARY KEY,
                 taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
             )"
        );
        transaction.batch_execute(&begin).await?;
    }
    for (step, sql) in (1_i64..).zip(MIGRATIONS).skip(taken.unwrap_or(0)) {
        transaction.batch_execute(sql).await?;
        let sql = "INSERT INTO migrations (step) VALUES ($1)";
        transaction.execute(sql, &[&step]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Refuses a server that is too old, and a database that cannot hold every text.
pub(super) async fn check_server(client: &Object) -> Result<()> {
    let sql = "SELECT current_setting('server_version_num')::INT, \
         current_setting('server_encoding')";
    let row = client.query_one(sql, &[]).await?;
    let (version, encoding): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if version < SERVER_MIN {
        return Err(unusable(format!(
            "the server is PostgreSQL {}, and {} or newer is needed",
            version / 10_000,
            SERVER_MIN / 10_000
        )));
    }
    if encoding != "UTF8" {
        return Err(unusable(format!(
            "the database has the encoding {encoding}, and must have UTF8"
        )));
    }
    Ok(())
}

pub(super) async fn taken(
    client: &mut Object,
    settings: &PostgresSettings,
) -> Result<Option<usize>> {
    let transaction = client.transaction().await?;
    taken_in(&transaction, settings).await
}

/// How many steps were taken; `None` when there is no schema yet. Refuses a schema that a newer
/// program wrote: what its rows mean is not known here.
async fn taken_in(
    transaction: &deadpool_postgres::Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<Option<usize>> {
    // Read as a row: `to_regclass` would answer from what the connection knew before it waited.
    let sql = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations'";
    let found = transaction.query_opt(sql, &[&settings.schema]).await?;
    if found.is_none() {
        return Ok(None);
    }
    let schema = quoted(&settings.schema);
    let sql = format!("SELECT coalesce(max(step), 0) FROM {schema}.migrations");
    let row = transaction.query_one(&sql, &[]).await?;
    let taken: i64 = row.try_get(0)?;
    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
    if taken <= NEWEST {
        return Ok(Some(taken));
    }
    Err(unusable(format!(
        "its schema has version {taken}, and this program knows versions up to {NEWEST}: start the \
         newer program that wrote it"
    )))
}

fn unusable(text: String) -> StoreError {
    StoreError::Unavailable(text.into())
}
