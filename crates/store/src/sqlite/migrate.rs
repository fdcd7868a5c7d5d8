//! The schema, step by step. Steps are numbered from 1 without gaps, and only ever added.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::{Result, StoreError};

const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_uploads.sql"),
    include_str!("migrations/0003_damage.sql"),
    include_str!("migrations/0004_steering.sql"),
];

/// How many steps this program knows: the version of the schema that it works with.
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// How many steps were taken. SQLite's `user_version` counts them.
pub(super) fn version(connection: &Connection) -> Result<usize> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the schema up to date, or changes nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    refuse_newer(connection)?;
    migrate_to(connection, NEWEST)
}

/// Brings the schema to a version, unless it is there already, or changes nothing.
pub(super) fn migrate_to(connection: &mut Connection, wanted: usize) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = version(&transaction)?;
    if taken >= wanted {
        return Ok(());
    }
    for step in MIGRATIONS.iter().take(wanted).skip(taken) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", wanted)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses a schema that a newer program wrote: what its rows mean is not known here.
pub(super) fn refuse_newer(connection: &Connection) -> Result<()> {
    let taken = version(connection)?;
    if taken <= NEWEST {
        return Ok(());
    }
    Err(StoreError::Unavailable(
        format!(
            "its schema has version {taken}, and this program knows versions up to {NEWEST}: \
             start the newer program that wrote it"
        )
        .into(),
    ))
}
