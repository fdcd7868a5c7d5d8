//! Rows, carried as they are between a database in a file and one on a server.
//!
//! ```text
//! PostgreSQL ── snapshot ──► a file of SQLite ── fill ──► PostgreSQL
//! ```
//!
//! Both have the same tables, with columns of the same names, and a column holds a text, a whole
//! number or bytes. So a row is carried without anybody knowing what it means, and is read on the
//! other side as it was. A snapshot is a database like that of a data folder: whoever checks or copies
//! one can do so with an installation on a server as well.
//!
//! Left behind is what is true of one place and one moment alone: who holds a batch, what workers say
//! of their upstreams, until when no blob may be deleted, and the name of the installation.

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::Postgres;
use crate::sqlite::carry::Carried;
use crate::store::Result;

/// A table that is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its key: rows are carried in its order.
    pub(crate) key: &'static str,
    pub(crate) columns: Vec<String>,
}

impl Table {
    /// The columns, as a statement names them.
    pub(crate) fn listed(&self) -> String {
        self.columns.join(", ")
    }

    /// The statement that reads every row.
    pub(crate) fn select(&self) -> String {
        let (listed, Self { name, key, .. }) = (self.listed(), self);
        format!("SELECT {listed} FROM {name} ORDER BY {key}")
    }
}

/// The tables and their keys, each behind those that its rows name.
pub(crate) const TABLES: [(&str, &str); 11] = [
    ("batches", "id"),
    ("files", "id"),
    ("extents", "file, at, place"),
    ("announcements", "blob"),
    ("uploads", "id"),
    ("upload_parts", "id"),
    ("first_answers", "project, key"),
    ("segments", "batch, epoch, seq"),
    ("batch_progress", "batch"),
    ("garbage", "blob"),
    ("quarantine", "blob"),
];

/// The column that is left behind: who holds a batch.
pub(crate) const HOLDER: &str = "worker";

/// What a column holds in one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// A text as PostgreSQL keeps it, in which no NUL can be.
    pub(crate) fn without_nul(self) -> Self {
        match self {
            Self::Text(text) if text.contains('\0') => Self::Text(text.replace('\0', "\u{fffd}")),
            cell @ (Self::Null | Self::Integer(_) | Self::Text(_) | Self::Bytes(_)) => cell,
        }
    }
}

/// Writes the rows of a database on a server, as they are at one moment, into a new file. Nothing waits
/// until the disk has kept it.
///
/// # Errors
///
/// [`crate::StoreError::Unavailable`] when the database does not answer, or the file cannot be written;
/// [`crate::StoreError::Contradicts`] when a row contradicts itself.
pub async fn snapshot(from: &Postgres, to: &Path) -> Result<()> {
    let to = Carried::create(to)?;
    let tables = to.tables()?;
    to.begin()?;
    from.carry_out(&tables, |table, row| to.insert(table, &row))
        .await?;
    to.end()
}

/// Fills a database on a server, which must be empty, with the rows of a file: all of them or none.
/// Answers whether it was empty.
///
/// # Errors
///
/// [`crate::StoreError::Unavailable`] when the database does not answer (it may be filled all the
/// same), or the file cannot be read.
pub async fn fill(from: &Path, to: &Postgres) -> Result<bool> {
    let from = Carried::open(from)?;
    let tables = from.tables()?;
    to.carry_in(&tables, async |table, mut sink| {
        from.each(table, async |row| sink.write(row).await).await?;
        sink.finish().await
    })
    .await
}

/// The first table in which two files do not hold the same rows, as a database on a server can keep them.
///
/// # Errors
///
/// As [`crate::sqlite::inspect::Inspector::other_version`].
pub fn difference(one: &Path, other: &Path) -> Result<Option<&'static str>> {
    let (one, other) = (Carried::open(one)?, Carried::open(other)?);
    for table in one.tables()? {
        if !one.is_same(&other, &table)? {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}
