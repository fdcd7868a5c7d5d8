//! What no row names any more, and when it may be deleted.
//!
//! Rows go first, blobs after: a blob that nothing names is written down here, in the transaction
//! that let go of it, and whoever sweeps deletes it later.

use std::time::Duration;

use overnight_core::id::BatchId;
use overnight_core::segment::BlobKey;
use overnight_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::batches;
use super::quarantine;
use super::row::{self, all, change, one, text};
use crate::rows::FileRow;
use crate::rules::{HOLD_MAX, before, micros, rows, span, written_under};
use crate::store::Result;

/// True when a row names the blob `?1`.
const IS_NAMED: &str = "EXISTS (SELECT 1 FROM extents WHERE blob = ?1) \
     OR EXISTS (SELECT 1 FROM segments WHERE output_blob = ?1) \
     OR EXISTS (SELECT 1 FROM segments WHERE error_blob = ?1) \
     OR EXISTS (SELECT 1 FROM segments WHERE index_blob = ?1) \
     OR EXISTS (SELECT 1 FROM batches WHERE plan_blob = ?1) \
     OR EXISTS (SELECT 1 FROM upload_parts WHERE blob = ?1) \
     OR EXISTS (SELECT 1 FROM announcements WHERE blob = ?1)";

/// True when an open batch has the row of `files` as its input.
const IS_READ: &str =
    "EXISTS (SELECT 1 FROM batches WHERE input_file = files.id AND ended_at IS NULL)";
/// True when somebody copies blobs at the time `?1`, so that none may be deleted. A hold never
/// reaches further than [`HOLD_MAX`] from when it was asked for, which may be some time behind `?1`:
/// whoever tells that time waits for its turn. One that reaches further than twice that (`?2`) was
/// made before the clock was set back, and nobody would end it.
const IS_HELD: &str = "EXISTS (SELECT 1 FROM holds WHERE until > ?1 AND until <= ?1 + ?2)";

/// The former process is dead: what it announced and did not finish is garbage, what it held is
/// free, and what it said of itself is no longer true.
pub(super) fn take_over(db: &Connection) -> Result<()> {
    db.execute_batch(
        "INSERT OR IGNORE INTO garbage (blob, not_before) SELECT blob, 0 FROM announcements;
         DELETE FROM announcements;
         UPDATE batches SET worker = NULL WHERE worker IS NOT NULL;
         DELETE FROM batch_progress;
         DELETE FROM upstream_status;",
    )?;
    Ok(())
}

pub(super) fn is_named(db: &Connection, blob: &BlobKey) -> Result<bool> {
    let sql = format!("SELECT {IS_NAMED}");
    Ok(one(db, &sql, [blob.as_str()], |row| row.get(0))?.unwrap_or(false))
}

pub(super) fn is_garbage(db: &Connection, blob: &BlobKey) -> Result<bool> {
    let sql = "SELECT 1 FROM garbage WHERE blob = ?1";
    Ok(one(db, sql, [blob.as_str()], |_| Ok(()))?.is_some())
}

/// The blob may be deleted from then on, unless a row still names it.
pub(super) fn discard(db: &Connection, blob: &BlobKey, not_before: Timestamp) -> Result<()> {
    if !is_named(db, blob)? {
        change(
            db,
            "INSERT INTO garbage (blob, not_before) VALUES (?1, ?2) ON CONFLICT (blob) DO NOTHING",
            params![blob.as_str(), micros(not_before)],
        )?;
    }
    Ok(())
}

/// Forgets a deleted file and lets go of its bytes.
pub(super) fn forget_file(db: &Connection, row: &FileRow, at: Timestamp) -> Result<()> {
    let id = row.file.id.as_str();
    match &row.results_of {
        None => {
            change(
                db,
                "INSERT OR IGNORE INTO garbage (blob, not_before) \
                 SELECT blob, ?2 FROM extents WHERE file = ?1",
                params![id, micros(at)],
            )?;
            change(db, "DELETE FROM extents WHERE file = ?1", [id])?;
        }
        Some((batch, part)) => {
            discard_part(db, batch, part, at)?;
            let sql = "UPDATE batches SET result_files = result_files - 1 WHERE id = ?1";
            change(db, sql, [batch])?;
        }
    }
    change(db, "DELETE FROM files WHERE id = ?1", [id])?;
    Ok(())
}

/// Lets go of one kind of a batch's segment blobs: `output`, `error` or `index`.
fn discard_part(db: &Connection, batch: &str, part: &str, at: Timestamp) -> Result<()> {
    change(
        db,
        &format!(
            "INSERT OR IGNORE INTO garbage (blob, not_before) \
             SELECT {part}_blob, ?2 FROM segments \
             WHERE batch = ?1 AND {part}_blob IS NOT NULL"
        ),
        params![batch, micros(at)],
    )?;
    let place = if part == "index" {
        String::new()
    } else {
        format!(", {part}_at = NULL")
    };
    change(
        db,
        &format!(
            "UPDATE segments SET {part}_blob = NULL, {part}_start = NULL, {part}_length = NULL, \
                 {part}_checksum = NULL {place} \
             WHERE batch = ?1 AND {part}_blob IS NOT NULL"
        ),
        [batch],
    )?;
    Ok(())
}

pub(super) fn due(db: &Connection, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>> {
    let sql = format!(
        "SELECT {} FROM files WHERE forget_at <= ?1 AND NOT {IS_READ} \
         ORDER BY forget_at LIMIT ?2",
        FileRow::COLUMNS
    );
    for row in all(db, &sql, params![micros(at), rows(limit)], row::file)? {
        forget_file(db, &row, at)?;
    }
    if is_held(db, at)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT blob FROM garbage \
         WHERE not_before <= ?1 AND blob NOT IN (SELECT blob FROM quarantine) \
         ORDER BY not_before LIMIT ?2";
    let mut blobs: Vec<BlobKey> = all(db, sql, params![micros(at), rows(limit)], |row| {
        text(row, "blob")
    })?;
    let mut kept = Vec::with_capacity(blobs.len());
    for blob in blobs.drain(..) {
        // A blob of many segments (a file that a run appends to) lives as long as the last of them.
        if !is_named(db, &blob)? {
            kept.push(blob);
        }
    }
    Ok(kept)
}

/// Whether no blob may be deleted at that time.
fn is_held(db: &Connection, at: Timestamp) -> Result<bool> {
    let sql = format!("SELECT {IS_HELD}");
    let longest = span(2 * HOLD_MAX);
    Ok(one(db, &sql, params![micros(at), longest], |row| row.get(0))?.unwrap_or(false))
}

pub(super) fn forget(db: &Connection, blobs: &[BlobKey]) -> Result<()> {
    for blob in blobs {
        change(db, "DELETE FROM garbage WHERE blob = ?1", [blob.as_str()])?;
    }
    Ok(())
}

/// A hold does not matter here: a blob that some row named before is garbage first.
pub(super) fn unnamed(db: &Connection, blobs: &[BlobKey]) -> Result<Vec<BlobKey>> {
    let mut unnamed = Vec::new();
    for blob in blobs {
        let is_kept = is_named(db, blob)? || quarantine::is_in(db, blob)?;
        if is_past(db, blob)? && !is_kept && !is_garbage(db, blob)? {
            unnamed.push(blob.clone());
        }
    }
    Ok(unnamed)
}

/// Whether nobody can name the blob any more, by the batch and the epoch that its key tells.
fn is_past(db: &Connection, blob: &BlobKey) -> Result<bool> {
    let Some((batch, epoch)) = written_under(blob) else {
        return Ok(false);
    };
    Ok(match batches::find(db, &BatchId::from(batch))? {
        Some(row) => epoch < row.epoch || row.batch.state.status().is_terminal(),
        None => true,
    })
}

pub(super) fn forget_batches(
    db: &Connection,
    retention: Duration,
    limit: usize,
    at: Timestamp,
) -> Result<u64> {
    // Before there was time, nothing ended that long ago.
    let until = before(at, retention).unwrap_or(0);
    let sql = "SELECT id FROM (\
             SELECT id FROM batches \
             WHERE ended_at < ?1 AND result_files = 0 AND deleted_at IS NULL \
             UNION ALL \
             SELECT id FROM batches WHERE deleted_at IS NOT NULL AND result_files = 0) \
         LIMIT ?2";
    let ended: Vec<String> = all(db, sql, params![until, rows(limit)], |row| row.get(0))?;
    for batch in &ended {
        for part in ["output", "error", "index"] {
            discard_part(db, batch, part, at)?;
        }
        change(db, "DELETE FROM segments WHERE batch = ?1", [batch])?;
        change(db, "DELETE FROM batches WHERE id = ?1", [batch])?;
    }
    Ok(ended.len() as u64)
}
