//! Segments: recorded in order, read back, merged.

use overnight_core::batch::Lease;
use overnight_core::id::BatchId;
use overnight_core::segment::{Extent, Segment};
use overnight_core::time::Timestamp;

use super::claims::under_epoch;
use super::db::Db;
use super::row::{get, number, segment as read};
use super::{batches, garbage};
use crate::range::{Range, may_be_swept};
use crate::rows::{BatchRow, SegmentRow};
use crate::rules::{DOWNLOAD_GRACE, contradiction, counted, int, rows};
use crate::store::{Result, StoreError};

/// The batch's row is locked first: a claim of the batch waits until the segment is there, or the
/// segment waits until the claim is there and is refused.
pub(super) async fn record(db: &Db, lease: &Lease, segment: &Segment) -> Result<()> {
    let row = under_epoch(db, lease).await?;
    let (epoch, seq) = (segment.epoch, segment.seq);
    let last = newest(db, &lease.batch).await?;
    if last.is_some_and(|last| (epoch, seq) <= last) {
        return if is_recorded(db, &lease.batch, (epoch, seq)).await? {
            Ok(())
        } else {
            Err(contradiction(format!(
                "segment {epoch}/{seq} of {} comes too late",
                lease.batch
            )))
        };
    }
    if row.worker.as_ref() != Some(&lease.worker) || epoch != lease.epoch {
        return Err(StoreError::Fenced);
    }
    count(db, &row, segment).await?;
    let row = SegmentRow {
        output_at: segment.output.as_ref().map(|_| row.output_bytes),
        error_at: segment.error.as_ref().map(|_| row.error_bytes),
        last: (epoch, seq),
        segment: segment.clone(),
    };
    insert(db, &lease.batch, &row).await
}

/// The last segment that was recorded, be it merged since.
async fn newest(db: &Db, batch: &BatchId) -> Result<Option<(u64, u64)>> {
    let sql = "SELECT last_epoch, last_seq FROM segments WHERE batch = $1 \
         ORDER BY epoch DESC, seq DESC LIMIT 1";
    let last = db.one(sql, &[&batch.as_str()]).await?;
    let read = |row| Ok((number(row, "last_epoch")?, number(row, "last_seq")?));
    last.as_ref().map(read).transpose()
}

/// Whether there is such a segment, be it merged since.
async fn is_recorded(db: &Db, batch: &BatchId, (epoch, seq): (u64, u64)) -> Result<bool> {
    let sql = "SELECT (last_epoch, last_seq) >= ($2, $3) AS covered FROM segments \
         WHERE batch = $1 AND (epoch, seq) <= ($2, $3) ORDER BY epoch DESC, seq DESC LIMIT 1";
    let covered = db
        .one(sql, &[&batch.as_str(), &int(epoch), &int(seq)])
        .await?;
    let covered = covered.as_ref().map(|row| get(row, "covered"));
    Ok(covered.transpose()?.unwrap_or(false))
}

/// Adds the segment to what its batch counts.
async fn count(db: &Db, row: &BatchRow, segment: &Segment) -> Result<()> {
    let (tally, usage) = counted(&row.batch, segment)?;
    let length = |extent: &Option<Extent>| extent.as_ref().map_or(0, |extent| extent.length);
    let sql = "UPDATE batches SET completed = $2, failed = $3, unrun = $4, input_tokens = $5, \
             cached_tokens = $6, output_tokens = $7, reasoning_tokens = $8, total_tokens = $9, \
             output_bytes = $10, error_bytes = $11 \
         WHERE id = $1";
    db.change(
        sql,
        &[
            &row.batch.id.as_str(),
            &int(tally.completed),
            &int(tally.failed),
            &int(tally.unrun),
            &int(usage.input_tokens),
            &int(usage.cached_tokens),
            &int(usage.output_tokens),
            &int(usage.reasoning_tokens),
            &int(usage.total_tokens),
            &int(row.output_bytes + length(&segment.output)),
            &int(row.error_bytes + length(&segment.error)),
        ],
    )
    .await?;
    Ok(())
}

/// The values of an extent's four columns.
struct Columns<'a> {
    blob: Option<&'a str>,
    start: Option<i64>,
    length: Option<i64>,
    checksum: Option<i64>,
}

impl<'a> Columns<'a> {
    fn of(extent: Option<&'a Extent>) -> Self {
        Self {
            blob: extent.map(|extent| extent.blob.as_str()),
            start: extent.map(|extent| int(extent.offset)),
            length: extent.map(|extent| int(extent.length)),
            checksum: extent.map(|extent| extent.checksum.cast_signed()),
        }
    }
}

async fn insert(db: &Db, batch: &BatchId, row: &SegmentRow) -> Result<()> {
    let SegmentRow {
        segment,
        output_at,
        error_at,
        last,
    } = row;
    let output = Columns::of(segment.output.as_ref());
    let error = Columns::of(segment.error.as_ref());
    let index = Columns::of(segment.index.as_ref());
    let sql = "INSERT INTO segments (batch, epoch, seq, last_epoch, last_seq, \
             output_blob, output_start, output_length, output_checksum, output_at, \
             error_blob, error_start, error_length, error_checksum, error_at, \
             index_blob, index_start, index_length, index_checksum, lines, \
             completed, failed, unrun, input_tokens, cached_tokens, output_tokens, \
             reasoning_tokens, total_tokens) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)";
    db.change(
        sql,
        &[
            &batch.as_str(),
            &int(segment.epoch),
            &int(segment.seq),
            &int(last.0),
            &int(last.1),
            &output.blob,
            &output.start,
            &output.length,
            &output.checksum,
            &output_at.map(int),
            &error.blob,
            &error.start,
            &error.length,
            &error.checksum,
            &error_at.map(int),
            &index.blob,
            &index.start,
            &index.length,
            &index.checksum,
            &segment.lines.to_bytes(),
            &int(segment.tally.completed),
            &int(segment.tally.failed),
            &int(segment.tally.unrun),
            &int(segment.usage.input_tokens),
            &int(segment.usage.cached_tokens),
            &int(segment.usage.output_tokens),
            &int(segment.usage.reasoning_tokens),
            &int(segment.usage.total_tokens),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn list(
    db: &Db,
    batch: &BatchId,
    after: Option<(u64, u64)>,
    limit: usize,
) -> Result<Vec<Segment>> {
    let from = match after {
        Some(after) => behind(db, batch, after).await?,
        None => (0, 0),
    };
    let sql = select("batch = $1 AND (epoch, seq) >= ($2, $3) ORDER BY epoch, seq LIMIT $4");
    let values: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
        &[&batch.as_str(), &int(from.0), &int(from.1), &rows(limit)];
    db.all(&sql, values, |row| read(row).map(|row| row.segment))
        .await
}

/// Where to go on behind a segment. One that was merged with later ones since is read again, as a
/// part of what it was merged into, so that no line of those is passed over.
async fn behind(db: &Db, batch: &BatchId, (epoch, seq): (u64, u64)) -> Result<(u64, u64)> {
    let sql = "SELECT epoch, seq, (last_epoch, last_seq) > ($2, $3) AS holds_more FROM segments \
         WHERE batch = $1 AND (epoch, seq) <= ($2, $3) ORDER BY epoch DESC, seq DESC LIMIT 1";
    let before = db
        .one(sql, &[&batch.as_str(), &int(epoch), &int(seq)])
        .await?;
    match before {
        Some(row) if get(&row, "holds_more")? => Ok((number(&row, "epoch")?, number(&row, "seq")?)),
        Some(_) | None => Ok((epoch, seq + 1)),
    }
}

fn select(condition: &str) -> String {
    format!(
        "SELECT {} FROM segments WHERE {condition}",
        SegmentRow::COLUMNS
    )
}

pub(super) async fn merge(
    db: &Db,
    batch: &BatchId,
    last: (u64, u64),
    merged: &Segment,
    at: Timestamp,
) -> Result<()> {
    let Some(row) = batches::locked(db, batch).await? else {
        return Ok(());
    };
    let sql =
        select("batch = $1 AND (epoch, seq) BETWEEN ($2, $3) AND ($4, $5) ORDER BY epoch, seq");
    let [from_epoch, from_seq, to_epoch, to_seq] =
        [merged.epoch, merged.seq, last.0, last.1].map(int);
    let range: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&batch.as_str(), &from_epoch, &from_seq, &to_epoch, &to_seq];
    let replaced = db.all(&sql, &range, read).await?;
    let Some(sum) = Range::over(&replaced) else {
        return Ok(());
    };
    if !sum.is_replaced_by(merged, last) || may_be_swept(row.epoch, merged, &replaced) {
        return Ok(());
    }
    let sql = "DELETE FROM segments \
         WHERE batch = $1 AND (epoch, seq) BETWEEN ($2, $3) AND ($4, $5)";
    db.change(sql, &range).await?;
    let row = SegmentRow {
        segment: merged.clone(),
        output_at: sum.output_at,
        error_at: sum.error_at,
        last: sum.last,
    };
    insert(db, batch, &row).await?;
    for blob in replaced.iter().flat_map(|row| row.segment.blobs()) {
        garbage::discard(db, blob, at.plus(DOWNLOAD_GRACE)).await?;
    }
    Ok(())
}
