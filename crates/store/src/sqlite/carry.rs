//! A file whose rows are carried to another database, or came from one.

use std::path::Path;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::{STATEMENTS_MAX, migrate};
use crate::store::Result;
use crate::transfer::{Cell, HOLDER, TABLES, Table};

/// A database in a file, as rows without a meaning.
pub(crate) struct Carried(Connection);

impl Carried {
    /// A new file with every table and no rows. What a row names is not looked at: whoever checks the
    /// file afterwards shall find what is missing.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)?;
        // Nobody needs half of it: there is nothing to go back to, and nothing to keep on the way.
        db.pragma_update(None, "journal_mode", "off")?;
        db.pragma_update(None, "synchronous", "off")?;
        migrate::migrate(&mut db)?;
        db.pragma_update(None, "foreign_keys", false)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(Self(db))
    }

    /// A file that is only read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self(Connection::open_with_flags(path, flags)?))
    }

    /// The tables, with the columns that are carried.
    pub(crate) fn tables(&self) -> Result<Vec<Table>> {
        let sql = "SELECT name FROM pragma_table_info(?1) WHERE name <> ?2 ORDER BY cid";
        let mut statement = self.0.prepare(sql)?;
        let mut table = |(name, key)| -> Result<Table> {
            let columns = statement.query_map([name, HOLDER], |row| row.get(0))?;
            Ok(Table {
                name,
                key,
                columns: columns.collect::<rusqlite::Result<_>>()?,
            })
        };
        TABLES.into_iter().map(&mut table).collect()
    }

    /// Begins the one transaction in which all rows come.
    pub(crate) fn begin(&self) -> Result<()> {
        Ok(self.0.execute_batch("BEGIN")?)
    }

    /// Ends it.
    pub(crate) fn end(&self) -> Result<()> {
        Ok(self.0.execute_batch("COMMIT")?)
    }

    /// One row more.
    pub(crate) fn insert(&self, table: &Table, row: &[Cell]) -> Result<()> {
        let (name, listed) = (table.name, table.listed());
        let places = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {name} ({listed}) VALUES ({places})");
        let mut statement = self.0.prepare_cached(&sql)?;
        statement.execute(params_from_iter(row))?;
        Ok(())
    }

    /// Hands over every row, in the order of the table's key.
    pub(crate) async fn each(
        &self,
        table: &Table,
        mut take: impl AsyncFnMut(Vec<Cell>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.0.prepare(&table.select())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(cells(row, table)?).await?;
        }
        Ok(())
    }

    /// Whether the table has the same rows in another file.
    pub(crate) fn is_same(&self, other: &Self, table: &Table) -> Result<bool> {
        let sql = table.select();
        let (mut ours, mut theirs) = (self.0.prepare(&sql)?, other.0.prepare(&sql)?);
        let (mut ours, mut theirs) = (ours.query([])?, theirs.query([])?);
        loop {
            match (ours.next()?, theirs.next()?) {
                (None, None) => return Ok(true),
                (Some(one), Some(other)) if cells(one, table)? == cells(other, table)? => {}
                (Some(_) | None, Some(_) | None) => return Ok(false),
            }
        }
    }
}

/// What a row holds, as any of the databases can keep it.
fn cells(row: &Row<'_>, table: &Table) -> Result<Vec<Cell>> {
    let cell = |place| -> Result<Cell> {
        Ok(match row.get::<_, Value>(place)? {
            Value::Null => Cell::Null,
            Value::Integer(number) => Cell::Integer(number),
            // No column holds one: the tables are strict.
            Value::Real(number) => Cell::Text(number.to_string()),
            Value::Text(text) => Cell::Text(text).without_nul(),
            Value::Blob(bytes) => Cell::Bytes(bytes),
        })
    };
    (0..table.columns.len()).map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
