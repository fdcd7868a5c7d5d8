//! Databases as former versions of this program left them, for tests of what becomes of them.

use std::path::Path;

use rusqlite::Connection;

use super::migrate;
use crate::store::Result;

/// Writes a database whose schema has that version, with rows that SQL statements insert.
///
/// # Errors
///
/// The statements are wrong, or the file cannot be written.
pub fn write(path: &Path, version: usize, rows: &str) -> Result<()> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    migrate::migrate_to(&mut db, version)?;
    db.execute_batch(rows)?;
    Ok(())
}
