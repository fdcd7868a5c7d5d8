//! Blobs that are not what was written.
//!
//! Nothing is moved: the blob stays under its key, so that putting the whole one back in its place
//! repairs everything that names it, and every sweep passes it by.

use overnight_core::segment::{BlobKey, Extent};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::garbage;
use super::row::{all, change, extent_if_any, one, time};
use crate::rows::OWN;
use crate::rules::{int, micros, rows};
use crate::store::{Quarantined, Result};

/// What names the blob `?1`, as a sentence's end.
const HELD: &str = "SELECT coalesce(\
     (SELECT 'the file ' || file FROM extents WHERE blob = ?1 LIMIT 1), \
     (SELECT 'a part of the upload ' || upload FROM upload_parts WHERE blob = ?1 LIMIT 1), \
     (SELECT 'the plan of ' || id FROM batches WHERE plan_blob = ?1 LIMIT 1), \
     (SELECT 'output lines of ' || batch FROM segments WHERE output_blob = ?1 LIMIT 1), \
     (SELECT 'error lines of ' || batch FROM segments WHERE error_blob = ?1 LIMIT 1), \
     (SELECT 'the index of ' || batch FROM segments WHERE index_blob = ?1 LIMIT 1), \
     'an upload that is being received')";

pub(super) fn is_in(db: &Connection, blob: &BlobKey) -> Result<bool> {
    let sql = "SELECT 1 FROM quarantine WHERE blob = ?1";
    Ok(one(db, sql, [blob.as_str()], |_| Ok(()))?.is_some())
}

pub(super) fn insert(
    db: &Connection,
    extent: Extent,
    why: String,
    at: Timestamp,
) -> Result<Option<Quarantined>> {
    if is_in(db, &extent.blob)? || !garbage::is_named(db, &extent.blob)? {
        return Ok(None);
    }
    let held: Option<String> = one(db, HELD, [extent.blob.as_str()], |row| row.get(0))?;
    let found = Quarantined {
        is_named: true,
        extent,
        held: held.unwrap_or_default(),
        why,
        found_at: at,
    };
    change(
        db,
        "INSERT INTO quarantine (blob, start, length, checksum, held, why, found_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            found.extent.blob.as_str(),
            int(found.extent.offset),
            int(found.extent.length),
            found.extent.checksum.cast_signed(),
            found.held,
            found.why,
            micros(at),
        ],
    )?;
    Ok(Some(found))
}

pub(super) fn list(db: &Connection, limit: usize) -> Result<Vec<Quarantined>> {
    let sql = "SELECT blob, start, length, checksum, held, why, found_at FROM quarantine \
         ORDER BY found_at, blob LIMIT ?1";
    let mut found = all(db, sql, [rows(limit)], |row| {
        Ok(Quarantined {
            is_named: false,
            extent: extent_if_any(row, OWN)?
                .ok_or_else(|| rusqlite::Error::InvalidColumnName("blob".to_owned()))?,
            held: row.get("held")?,
            why: row.get("why")?,
            found_at: time(row, "found_at")?,
        })
    })?;
    for found in &mut found {
        found.is_named = garbage::is_named(db, &found.extent.blob)?;
    }
    Ok(found)
}

pub(super) fn reinstate(db: &Connection, blob: &BlobKey, at: Timestamp) -> Result<()> {
    let sql = "DELETE FROM quarantine WHERE blob = ?1";
    if change(db, sql, [blob.as_str()])? > 0 {
        garbage::discard(db, blob, at)?;
    }
    Ok(())
}
