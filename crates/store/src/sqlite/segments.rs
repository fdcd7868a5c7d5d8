//! Segments: recorded in order, read back, merged.

use overnight_core::batch::Lease;
use overnight_core::id::BatchId;
use overnight_core::segment::{Extent, Segment};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::batches;
use super::garbage;
use super::row::{all, change, one, segment};
use crate::range::{Range, may_be_swept};
use crate::rows::{BatchRow, SegmentRow};
use crate::rules::{DOWNLOAD_GRACE, contradiction, counted, int, rows};
use crate::store::{Result, StoreError};

pub(super) fn record(db: &Connection, lease: &Lease, segment: &Segment) -> Result<()> {
    let row = batches::under_epoch(db, lease)?;
    let (epoch, seq) = (segment.epoch, segment.seq);
    let last = newest(db, &lease.batch)?;
    if last.is_some_and(|last| (epoch, seq) <= last) {
        return if is_recorded(db, &lease.batch, (epoch, seq))? {
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
    count(db, &row, segment)?;
    insert(
        db,
        &lease.batch,
        &SegmentRow {
            output_at: segment.output.as_ref().map(|_| row.output_bytes),
            error_at: segment.error.as_ref().map(|_| row.error_bytes),
            last: (epoch, seq),
            segment: segment.clone(),
        },
    )
}

/// The last segment that was recorded, be it merged since.
fn newest(db: &Connection, batch: &BatchId) -> Result<Option<(u64, u64)>> {
    let sql = "SELECT last_epoch, last_seq FROM segments WHERE batch = ?1 \
         ORDER BY epoch DESC, seq DESC LIMIT 1";
    one(db, sql, [batch.as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Whether there is such a segment, be it merged since.
fn is_recorded(db: &Connection, batch: &BatchId, (epoch, seq): (u64, u64)) -> Result<bool> {
    let sql = "SELECT (last_epoch, last_seq) >= (?2, ?3) FROM segments \
         WHERE batch = ?1 AND (epoch, seq) <= (?2, ?3) ORDER BY epoch DESC, seq DESC LIMIT 1";
    let covered = one(
        db,
        sql,
        params![batch.as_str(), int(epoch), int(seq)],
        |row| row.get(0),
    )?;
    Ok(covered.unwrap_or(false))
}

/// Adds the segment to what its batch counts.
fn count(db: &Connection, row: &BatchRow, segment: &Segment) -> Result<()> {
    let batch = &row.batch;
    let (tally, usage) = counted(batch, segment)?;
    let length = |extent: &Option<Extent>| extent.as_ref().map_or(0, |extent| extent.length);
    change(
        db,
        "UPDATE batches SET completed = ?2, failed = ?3, unrun = ?4, input_tokens = ?5, \
             cached_tokens = ?6, output_tokens = ?7, reasoning_tokens = ?8, total_tokens = ?9, \
             output_bytes = ?10, error_bytes = ?11 \
         WHERE id = ?1",
        params![
            batch.id.as_str(),
            int(tally.completed),
            int(tally.failed),
            int(tally.unrun),
            int(usage.input_tokens),
            int(usage.cached_tokens),
            int(usage.output_tokens),
            int(usage.reasoning_tokens),
            int(usage.total_tokens),
            int(row.output_bytes + length(&segment.output)),
            int(row.error_bytes + length(&segment.error)),
        ],
    )?;
    Ok(())
}

fn insert(db: &Connection, batch: &BatchId, row: &SegmentRow) -> Result<()> {
    let SegmentRow {
        segment,
        output_at,
        error_at,
        last,
    } = row;
    let (output, error) = (segment.output.as_ref(), segment.error.as_ref());
    let index = segment.index.as_ref();
    change(
        db,
        "INSERT INTO segments (batch, epoch, seq, last_epoch, last_seq, \
             output_blob, output_start, output_length, output_checksum, output_at, \
             error_blob, error_start, error_length, error_checksum, error_at, \
             index_blob, index_start, index_length, index_checksum, lines, \
             completed, failed, unrun, input_tokens, cached_tokens, output_tokens, \
             reasoning_tokens, total_tokens) \
         VALUES (:batch, :epoch, :seq, :last_epoch, :last_seq, \
             :output_blob, :output_start, :output_length, :output_checksum, :output_at, \
             :error_blob, :error_start, :error_length, :error_checksum, :error_at, \
             :index_blob, :index_start, :index_length, :index_checksum, :lines, \
             :completed, :failed, :unrun, :input_tokens, :cached_tokens, :output_tokens, \
             :reasoning_tokens, :total_tokens)",
        named_params! {
            ":batch": batch.as_str(),
            ":epoch": int(segment.epoch),
            ":seq": int(segment.seq),
            ":last_epoch": int(last.0),
            ":last_seq": int(last.1),
            ":output_blob": output.map(|extent| extent.blob.as_str()),
            ":output_start": output.map(|extent| int(extent.offset)),
            ":output_length": output.map(|extent| int(extent.length)),
            ":output_checksum": output.map(|extent| extent.checksum.cast_signed()),
            ":output_at": output_at.map(int),
            ":error_blob": error.map(|extent| extent.blob.as_str()),
            ":error_start": error.map(|extent| int(extent.offset)),
            ":error_length": error.map(|extent| int(extent.length)),
            ":error_checksum": error.map(|extent| extent.checksum.cast_signed()),
            ":error_at": error_at.map(int),
            ":index_blob": index.map(|extent| extent.blob.as_str()),
            ":index_start": index.map(|extent| int(extent.offset)),
            ":index_length": index.map(|extent| int(extent.length)),
            ":index_checksum": index.map(|extent| extent.checksum.cast_signed()),
            ":lines": segment.lines.to_bytes(),
            ":completed": int(segment.tally.completed),
            ":failed": int(segment.tally.failed),
            ":unrun": int(segment.tally.unrun),
            ":input_tokens": int(segment.usage.input_tokens),
            ":cached_tokens": int(segment.usage.cached_tokens),
            ":output_tokens": int(segment.usage.output_tokens),
            ":reasoning_tokens": int(segment.usage.reasoning_tokens),
            ":total_tokens": int(segment.usage.total_tokens),
        },
    )?;
    Ok(())
}

pub(super) fn list(
    db: &Connection,
    batch: &BatchId,
    after: Option<(u64, u64)>,
    limit: usize,
) -> Result<Vec<Segment>> {
    let from = match after {
        Some(after) => behind(db, batch, after)?,
        None => (0, 0),
    };
    let sql = select("batch = ?1 AND (epoch, seq) >= (?2, ?3) ORDER BY epoch, seq LIMIT ?4");
    let params = params![batch.as_str(), int(from.0), int(from.1), rows(limit)];
    all(db, &sql, params, |row| segment(row).map(|row| row.segment))
}

/// Where to go on behind a segment. One that was merged with later ones since is read again, as a
/// part of what it was merged into, so that no line of those is passed over.
fn behind(db: &Connection, batch: &BatchId, (epoch, seq): (u64, u64)) -> Result<(u64, u64)> {
    let sql = "SELECT epoch, seq, (last_epoch, last_seq) > (?2, ?3) FROM segments \
         WHERE batch = ?1 AND (epoch, seq) <= (?2, ?3) ORDER BY epoch DESC, seq DESC LIMIT 1";
    let params = params![batch.as_str(), int(epoch), int(seq)];
    let before = one(db, sql, params, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(match before {
        Some((epoch, seq, true)) => (epoch, seq),
        Some((_, _, false)) | None => (epoch, seq + 1),
    })
}

fn select(condition: &str) -> String {
    format!(
        "SELECT {} FROM segments WHERE {condition}",
        SegmentRow::COLUMNS
    )
}

pub(super) fn merge(
    db: &Connection,
    batch: &BatchId,
    last: (u64, u64),
    merged: &Segment,
    at: Timestamp,
) -> Result<()> {
    let first = (merged.epoch, merged.seq);
    let sql =
        select("batch = ?1 AND (epoch, seq) BETWEEN (?2, ?3) AND (?4, ?5) ORDER BY epoch, seq");
    let bounds = [first.0, first.1, last.0, last.1].map(int);
    let [from_epoch, from_seq, to_epoch, to_seq] = bounds;
    let params = params![batch.as_str(), from_epoch, from_seq, to_epoch, to_seq];
    let replaced = all(db, &sql, params, segment)?;
    let Some(range) = Range::over(&replaced) else {
        return Ok(());
    };
    let epoch = batches::find(db, batch)?.map_or(u64::MAX, |row| row.epoch);
    if !range.is_replaced_by(merged, last) || may_be_swept(epoch, merged, &replaced) {
        return Ok(());
    }
    change(
        db,
        "DELETE FROM segments \
         WHERE batch = ?1 AND (epoch, seq) BETWEEN (?2, ?3) AND (?4, ?5)",
        params![batch.as_str(), from_epoch, from_seq, to_epoch, to_seq],
    )?;
    insert(
        db,
        batch,
        &SegmentRow {
            segment: merged.clone(),
            output_at: range.output_at,
            error_at: range.error_at,
            last: range.last,
        },
    )?;
    for blob in replaced.iter().flat_map(|row| row.segment.blobs()) {
        garbage::discard(db, blob, at.plus(DOWNLOAD_GRACE))?;
    }
    Ok(())
}
