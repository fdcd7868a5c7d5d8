//! The end of a batch that has result files: checked, then all or nothing.

use overnight_core::batch::{Batch, Event, Lease, Results, State};
use overnight_core::file::File;
use overnight_core::id::FileId;
use overnight_core::segment::{LineSet, ResultFile};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::row::change;
use super::{batches, files};
use crate::rows::BatchRow;
use crate::rules::{self, contradiction};
use crate::store::{Result, Sealing, StoreError};

pub(super) fn seal(
    db: &Connection,
    lease: &Lease,
    sealing: &Sealing,
    at: Timestamp,
) -> Result<Batch> {
    let row = batches::fenced(db, lease)?;
    let mut batch = row.batch.clone();
    if batch.state.status().is_terminal() {
        return Ok(batch);
    }
    conserved(db, &batch)?;
    if batch.state == State::InProgress {
        batch.apply(Event::Drained, at)?;
    }
    let results = Results {
        output_file: insert(db, &row, ResultFile::Output, &sealing.output)?,
        error_file: insert(db, &row, ResultFile::Error, &sealing.error)?,
    };
    let files = [&results.output_file, &results.error_file]
        .into_iter()
        .flatten()
        .count();
    batch.apply(Event::Sealed(results), at)?;
    batches::save(db, &batch, at)?;
    let sql = "UPDATE batches SET result_files = ?2 WHERE id = ?1";
    change(db, sql, params![batch.id.as_str(), files])?;
    Ok(batch)
}

/// Every line of the batch is in exactly one recorded segment.
fn conserved(db: &Connection, batch: &Batch) -> Result<()> {
    let mut done = LineSet::new();
    let mut recorded = 0;
    let mut statement = db.prepare_cached("SELECT lines FROM segments WHERE batch = ?1")?;
    let mut rows = statement.query([batch.id.as_str()])?;
    while let Some(row) = rows.next()? {
        let bytes = row
            .get_ref("lines")?
            .as_blob()
            .map_err(rusqlite::Error::from)?;
        let lines = LineSet::from_bytes(bytes).ok_or_else(|| contradiction("a set of lines"))?;
        recorded += lines.len();
        done.union_with(&lines);
    }
    rules::conserved(batch, recorded, done.len())
}

/// Inserts the row of a result file, if it has any bytes.
fn insert(
    db: &Connection,
    row: &BatchRow,
    part: ResultFile,
    given: &File,
) -> Result<Option<FileId>> {
    let bytes = match part {
        ResultFile::Output => row.output_bytes,
        ResultFile::Error => row.error_bytes,
    };
    if bytes == 0 {
        return Ok(None);
    }
    if given.project != row.batch.project {
        return Err(StoreError::NotFound);
    }
    let file = File {
        bytes,
        ..given.clone()
    };
    files::insert_row(db, &file, Some((&row.batch.id, part)))?;
    Ok(Some(file.id))
}
