//! Rows without a meaning, out of this database and into it.

use std::error::Error;
use std::pin::Pin;

use bytes::BytesMut;
use deadpool_postgres::Object;
use futures_util::TryStreamExt as _;
use overnight_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Postgres, garbage};
use crate::store::{Result, StoreError};
use crate::transfer::{Cell, Table};

/// However many rows there are, a statement may take until all are carried.
const PATIENT: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Where the rows of a table go.
pub(crate) struct Sink(Pin<Box<BinaryCopyInWriter>>);

impl Sink {
    /// One row more, with a cell for each column.
    pub(crate) async fn write(&mut self, row: Vec<Cell>) -> Result<()> {
        Ok(self.0.as_mut().write_raw(&row).await?)
    }

    /// All rows of the table were written.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.0.as_mut().finish().await?;
        Ok(())
    }
}

impl Postgres {
    /// No process deletes a blob for a minute from that time on, unless [`Self::let_go`] comes sooner.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when that could not be written.
    pub(crate) async fn hold(&self, holder: &str, at: Timestamp) -> Result<()> {
        self.change(|db| async move { garbage::hold(&db, holder, at).await })
            .await
    }

    /// Ends a hold.
    ///
    /// # Errors
    ///
    /// As [`Self::hold`]; then it ends by itself.
    pub(crate) async fn let_go(&self, holder: &str) -> Result<()> {
        self.change(|db| async move { garbage::let_go(&db, holder).await })
            .await
    }

    /// Hands over every row of the tables, as they are at one moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer any more; the error of `take`.
    pub(crate) async fn carry_out(
        &self,
        tables: &[Table],
        mut take: impl FnMut(&Table, Vec<Cell>) -> Result<()>,
    ) -> Result<()> {
        let mut client = self
            .persist(|| async { Ok(self.pool.get().await?) })
            .await?;
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        transaction.batch_execute(PATIENT).await?;
        for table in tables {
            let rows = transaction
                .query_raw(&table.select(), std::iter::empty::<&str>())
                .await?;
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = rows.try_next().await? {
                take(table, cells(&row)?)?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes in the rows of the tables, all or none, unless there are some already; answers whether
    /// it did. `give` writes the rows of a table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer any more (when that was the answer
    /// to the end of it, all may be there); the error of `give`.
    pub(crate) async fn carry_in(
        &self,
        tables: &[Table],
        mut give: impl AsyncFnMut(&Table, Sink) -> Result<()>,
    ) -> Result<bool> {
        let mut client = self
            .persist(|| async { Ok(self.pool.get().await?) })
            .await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(PATIENT).await?;
        // Whatever a client makes waits, and then nothing may be carried in any more.
        let lock = "LOCK TABLE batches, files, uploads IN SHARE ROW EXCLUSIVE MODE";
        transaction.batch_execute(lock).await?;
        if !is_empty(&transaction).await? {
            return Ok(false);
        }
        for table in tables {
            let (name, listed) = (table.name, table.listed());
            let columns = format!("SELECT {listed} FROM {name} LIMIT 0");
            let columns = transaction.prepare(&columns).await?;
            let types: Vec<Type> = columns
                .columns()
                .iter()
                .map(|c| c.type_().clone())
                .collect();
            let copy = format!("COPY {name} ({listed}) FROM STDIN BINARY");
            let sink = transaction.copy_in(&copy).await?;
            let sink = Sink(Box::pin(BinaryCopyInWriter::new(sink, &types)));
            give(table, sink).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether no client has made anything yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn is_empty(&self) -> Result<bool> {
        let client: Object = self
            .persist(|| async { Ok(self.pool.get().await?) })
            .await?;
        is_empty(&client).await
    }
}

async fn is_empty(client: &impl deadpool_postgres::GenericClient) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM batches) AND NOT EXISTS (SELECT 1 FROM files) \
         AND NOT EXISTS (SELECT 1 FROM uploads)";
    Ok(client.query_one(sql, &[]).await?.try_get(0)?)
}

fn cells(row: &Row) -> Result<Vec<Cell>> {
    let columns = row.columns().iter().enumerate();
    let cell = |(place, column): (usize, &tokio_postgres::Column)| -> Result<Cell> {
        let kind = column.type_();
        let cell = if *kind == Type::INT8 {
            row.try_get::<_, Option<i64>>(place)?.map(Cell::Integer)
        } else if *kind == Type::BYTEA {
            row.try_get::<_, Option<Vec<u8>>>(place)?.map(Cell::Bytes)
        } else if *kind == Type::TEXT {
            row.try_get::<_, Option<String>>(place)?.map(Cell::Text)
        } else {
            let text = format!("the column {} holds a {kind}", column.name());
            return Err(StoreError::Corrupt(text.into()));
        };
        Ok(cell.unwrap_or(Cell::Null))
    };
    columns.map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}
