//! The end of a batch that has result files: checked, then all or nothing.

use overnight_core::batch::{Batch, Event, Lease, Results, State};
use overnight_core::file::File;
use overnight_core::id::FileId;
use overnight_core::segment::{LineSet, ResultFile};
use overnight_core::time::Timestamp;

use super::claims::fenced;
use super::db::Db;
use super::error::unreadable;
use super::row::get;
use super::{batches, files};
use crate::rows::BatchRow;
use crate::rules;
use crate::store::{Result, Sealing, StoreError};

/// So many sets of lines are read at once: one may have as many bytes as an eighth of the lines.
const SETS_MAX: i64 = 64;

pub(super) async fn seal(
    db: &Db,
    lease: &Lease,
    sealing: &Sealing,
    at: Timestamp,
) -> Result<Batch> {
    let row = fenced(db, lease).await?;
    let mut batch = row.batch.clone();
    if batch.state.status().is_terminal() {
        return Ok(batch);
    }
    conserved(db, &batch).await?;
    if batch.state == State::InProgress {
        batch.apply(Event::Drained, at)?;
    }
    let results = Results {
        output_file: insert(db, &row, ResultFile::Output, &sealing.output).await?,
        error_file: insert(db, &row, ResultFile::Error, &sealing.error).await?,
    };
    let files = [&results.output_file, &results.error_file]
        .into_iter()
        .flatten()
        .count();
    batch.apply(Event::Sealed(results), at)?;
    batches::save(db, &batch, at).await?;
    let sql = "UPDATE batches SET result_files = $2 WHERE id = $1";
    db.change(sql, &[&batch.id.as_str(), &rules::rows(files)])
        .await?;
    Ok(batch)
}

/// Every line of the batch is in exactly one recorded segment. Its row is locked, so nothing is
/// recorded or merged between the pages.
async fn conserved(db: &Db, batch: &Batch) -> Result<()> {
    let mut done = LineSet::new();
    let mut recorded = 0;
    let sql = "SELECT epoch, seq, lines FROM segments \
         WHERE batch = $1 AND (epoch, seq) > ($2, $3) ORDER BY epoch, seq LIMIT $4";
    let mut behind = (-1_i64, -1_i64);
    loop {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&batch.id.as_str(), &behind.0, &behind.1, &SETS_MAX];
        let page = db.rows(sql, &values).await?;
        let Some(last) = page.last() else { break };
        behind = (get(last, "epoch")?, get(last, "seq")?);
        for row in &page {
            let lines =
                LineSet::from_bytes(get(row, "lines")?).ok_or_else(|| unreadable("lines"))?;
            recorded += lines.len();
            done.union_with(&lines);
        }
    }
    rules::conserved(batch, recorded, done.len())
}

/// Inserts the row of a result file, if it has any bytes.
async fn insert(db: &Db, row: &BatchRow, part: ResultFile, given: &File) -> Result<Option<FileId>> {
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
    if !files::insert_row(db, &file, Some((&row.batch.id, part))).await? {
        let text = format!("{} is there, and not of {}", file.id, row.batch.id);
        return Err(rules::contradiction(text));
    }
    Ok(Some(file.id))
}
