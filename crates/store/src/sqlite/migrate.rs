//! The schema, step by step. Steps are numbered from 1 without gaps, and only ever added.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::{Result, StoreError};

const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_uploads.sql"),
];

/// Brings the schema up to date, or changes nothing. SQLite's `user_version` counts the steps that
/// were taken.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if taken > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(StoreError::Unavailable(
            format!(
                "its schema has version {taken}, and this program knows versions up to {known}: \
                 start the newer program that wrote it"
            )
            .into(),
        ));
    }
    for step in MIGRATIONS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    Ok(())
}
