//! What no row names any more, and when it may be deleted.
//!
//! Rows go first, blobs after: a blob that nothing names is written down here, in the transaction
//! that let go of it, and whoever sweeps deletes it later. Several processes may sweep at once: they
//! share out the rows that are to be forgotten by locking them, and deleting a blob twice does no
//! harm.

use std::time::Duration;

use overnight_core::id::BatchId;
use overnight_core::segment::BlobKey;
use overnight_core::time::Timestamp;

use super::db::Db;
use super::row::{self, text};
use super::{batches, quarantine};
use crate::rows::FileRow;
use crate::rules::{HOLD_MAX, before, micros, rows, span, written_under};
use crate::store::Result;

/// For how long a blob that a client sends may be without a row that names it. Its process may have
/// died: nobody but the clock can tell.
const ANNOUNCED_MAX: Duration = Duration::from_hours(24);

/// How long it is remembered that a worker was there, once it holds nothing.
const WORKER_KEPT: &str = "1 hour";

/// True when a row names the blob `{blob}`.
fn is_named_sql(blob: &str) -> String {
    let named = |table: &str, column: &str| {
        format!("EXISTS (SELECT 1 FROM {table} named WHERE named.{column} = {blob})")
    };
    [
        named("extents", "blob"),
        named("segments", "output_blob"),
        named("segments", "error_blob"),
        named("segments", "index_blob"),
        named("batches", "plan_blob"),
        named("upload_parts", "blob"),
        named("announcements", "blob"),
    ]
    .join(" OR ")
}

pub(super) async fn is_named(db: &Db, blob: &BlobKey) -> Result<bool> {
    let sql = format!("SELECT 1 WHERE {}", is_named_sql("$1"));
    Ok(db.one(&sql, &[&blob.as_str()]).await?.is_some())
}

pub(super) async fn is_garbage(db: &Db, blob: &BlobKey) -> Result<bool> {
    let sql = "SELECT 1 FROM garbage WHERE blob = $1";
    Ok(db.one(sql, &[&blob.as_str()]).await?.is_some())
}

/// The blob may be deleted from then on, unless a row still names it.
pub(super) async fn discard(db: &Db, blob: &BlobKey, not_before: Timestamp) -> Result<()> {
    let sql = format!(
        "INSERT INTO garbage (blob, not_before) SELECT $1::TEXT, $2::BIGINT WHERE NOT ({}) \
         ON CONFLICT (blob) DO NOTHING",
        is_named_sql("$1")
    );
    db.change(&sql, &[&blob.as_str(), &micros(not_before)])
        .await?;
    Ok(())
}

/// Forgets a deleted file and lets go of its bytes.
async fn forget_file(db: &Db, row: &FileRow, at: Timestamp) -> Result<()> {
    let id = row.file.id.as_str();
    match &row.results_of {
        None => {
            let sql = "INSERT INTO garbage (blob, not_before) \
                 SELECT DISTINCT blob, $2::BIGINT FROM extents WHERE file = $1 \
                 ON CONFLICT (blob) DO NOTHING";
            db.change(sql, &[&id, &micros(at)]).await?;
            let sql = "DELETE FROM extents WHERE file = $1";
            db.change(sql, &[&id]).await?;
        }
        Some((batch, part)) => {
            let sql = "UPDATE batches SET result_files = result_files - 1 WHERE id = $1";
            db.change(sql, &[batch]).await?;
            discard_part(db, batch, part, at).await?;
        }
    }
    db.change("DELETE FROM files WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// Lets go of one kind of a batch's segment blobs: `output`, `error` or `index`.
async fn discard_part(db: &Db, batch: &str, part: &str, at: Timestamp) -> Result<()> {
    let sql = format!(
        "INSERT INTO garbage (blob, not_before) \
         SELECT DISTINCT {part}_blob, $2::BIGINT FROM segments \
         WHERE batch = $1 AND {part}_blob IS NOT NULL \
         ON CONFLICT (blob) DO NOTHING"
    );
    db.change(&sql, &[&batch, &micros(at)]).await?;
    let place = if part == "index" {
        String::new()
    } else {
        format!(", {part}_at = NULL")
    };
    let sql = format!(
        "UPDATE segments SET {part}_blob = NULL, {part}_start = NULL, {part}_length = NULL, \
             {part}_checksum = NULL {place} \
         WHERE batch = $1 AND {part}_blob IS NOT NULL"
    );
    db.change(&sql, &[&batch]).await?;
    Ok(())
}

pub(super) async fn due(db: &Db, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>> {
    let sql = format!(
        "SELECT {} FROM files WHERE forget_at <= $1 AND NOT EXISTS (\
             SELECT 1 FROM batches WHERE input_file = files.id AND ended_at IS NULL) \
         ORDER BY forget_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        FileRow::COLUMNS
    );
    let (now, limit) = (micros(at), rows(limit));
    for row in db.all(&sql, &[&now, &limit], row::file).await? {
        forget_file(db, &row, at).await?;
    }
    give_up_announcements(db, limit, at).await?;
    forget_workers(db).await?;
    if is_held(db, at).await? {
        return Ok(Vec::new());
    }
    // A blob of many segments lives as long as the last of them.
    let sql = format!(
        "SELECT blob FROM garbage \
         WHERE not_before <= $1 AND NOT ({}) \
             AND NOT EXISTS (SELECT 1 FROM quarantine kept WHERE kept.blob = garbage.blob) \
         ORDER BY not_before, blob LIMIT $2",
        is_named_sql("garbage.blob")
    );
    db.all(&sql, &[&now, &limit], |row| text(row, "blob")).await
}

/// What was announced long ago and named by nobody is garbage: a restart of one process tells
/// nothing about the blobs that others receive.
async fn give_up_announcements(db: &Db, limit: i64, at: Timestamp) -> Result<()> {
    let Some(until) = before(at, ANNOUNCED_MAX) else {
        return Ok(());
    };
    let sql = "DELETE FROM announcements WHERE blob IN (\
         SELECT blob FROM announcements WHERE announced_at <= $1 \
         ORDER BY announced_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING blob";
    let blobs: Vec<BlobKey> = db
        .all(sql, &[&until, &limit], |row| text(row, "blob"))
        .await?;
    for blob in &blobs {
        discard(db, blob, at).await?;
    }
    Ok(())
}

/// Forgets the workers that are gone, with what they said of their upstreams.
async fn forget_workers(db: &Db) -> Result<()> {
    let sql = format!(
        "DELETE FROM workers WHERE worker IN (\
         SELECT worker FROM workers WHERE until < now() - INTERVAL '{WORKER_KEPT}' \
             AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.worker = workers.worker) \
         FOR UPDATE SKIP LOCKED)"
    );
    db.change(&sql, &[]).await?;
    Ok(())
}

/// No blob is deleted for a minute from that time on.
pub(super) async fn hold(db: &Db, holder: &str, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO holds (holder, until) VALUES ($1, $2) \
         ON CONFLICT (holder) DO UPDATE SET until = excluded.until";
    db.change(sql, &[&holder, &micros(at.plus(HOLD_MAX))])
        .await?;
    Ok(())
}

/// Ends a hold.
pub(super) async fn let_go(db: &Db, holder: &str) -> Result<()> {
    let sql = "DELETE FROM holds WHERE holder = $1";
    db.change(sql, &[&holder]).await?;
    Ok(())
}

/// Whether somebody copies blobs at that time, so that none may be deleted. A hold reaches no
/// further than [`HOLD_MAX`] from when it was asked for, which may be some time behind: one that
/// reaches further than twice that was made before a clock was set back, and nobody would end it.
async fn is_held(db: &Db, at: Timestamp) -> Result<bool> {
    let sql = "SELECT 1 FROM holds WHERE until > $1 AND until - $2 <= $1 LIMIT 1";
    let longest = span(2 * HOLD_MAX);
    Ok(db.one(sql, &[&micros(at), &longest]).await?.is_some())
}

pub(super) async fn forget(db: &Db, blobs: &[BlobKey]) -> Result<()> {
    let blobs: Vec<&str> = blobs.iter().map(BlobKey::as_str).collect();
    let sql = "DELETE FROM garbage WHERE blob = ANY ($1)";
    db.change(sql, &[&blobs]).await?;
    Ok(())
}

/// The questions are asked of one state of the database. In it, a batch whose epoch is past the
/// blob's shows every segment of that epoch that there will ever be.
pub(super) async fn unnamed(db: &Db, blobs: &[BlobKey]) -> Result<Vec<BlobKey>> {
    let mut unnamed = Vec::new();
    for blob in blobs {
        if is_past(db, blob).await?
            && !is_named(db, blob).await?
            && !quarantine::is_in(db, blob).await?
            && !is_garbage(db, blob).await?
        {
            unnamed.push(blob.clone());
        }
    }
    Ok(unnamed)
}

/// Whether nobody can name the blob any more, by the batch and the epoch that its key tells.
async fn is_past(db: &Db, blob: &BlobKey) -> Result<bool> {
    let Some((batch, epoch)) = written_under(blob) else {
        return Ok(false);
    };
    Ok(match batches::find(db, &BatchId::from(batch)).await? {
        Some(row) => epoch < row.epoch || row.batch.state.status().is_terminal(),
        None => true,
    })
}

pub(super) async fn forget_batches(
    db: &Db,
    retention: Duration,
    limit: usize,
    at: Timestamp,
) -> Result<u64> {
    // Before there was time, nothing ended that long ago.
    let until = before(at, retention).unwrap_or(0);
    let sql = "SELECT id FROM batches \
         WHERE (ended_at < $1 OR deleted_at IS NOT NULL) AND result_files = 0 \
         ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED";
    let ended: Vec<String> = db
        .all(sql, &[&until, &rows(limit)], |row| text(row, "id"))
        .await?;
    for batch in &ended {
        for part in ["output", "error", "index"] {
            discard_part(db, batch, part, at).await?;
        }
        let sql = "DELETE FROM segments WHERE batch = $1";
        db.change(sql, &[batch]).await?;
        db.change("DELETE FROM batches WHERE id = $1", &[batch])
            .await?;
    }
    Ok(ended.len() as u64)
}
