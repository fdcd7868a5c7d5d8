//! Blobs that are not what was written.
//!
//! Nothing is moved: the blob stays under its key, so that putting the whole one back in its place
//! repairs everything that names it, and every sweep passes it by.

use overnight_core::segment::{BlobKey, Extent};
use overnight_core::time::Timestamp;

use super::db::Db;
use super::error::unreadable;
use super::garbage;
use super::row::{extent_if_any, get, text, time};
use crate::rows::OWN;
use crate::rules::{int, micros, rows};
use crate::store::{Quarantined, Result};

/// What names the blob `$1`, as a sentence's end.
const HELD: &str = "SELECT coalesce(\
     (SELECT 'the file ' || file FROM extents WHERE blob = $1 LIMIT 1), \
     (SELECT 'a part of the upload ' || upload FROM upload_parts WHERE blob = $1 LIMIT 1), \
     (SELECT 'the plan of ' || id FROM batches WHERE plan_blob = $1 LIMIT 1), \
     (SELECT 'output lines of ' || batch FROM segments WHERE output_blob = $1 LIMIT 1), \
     (SELECT 'error lines of ' || batch FROM segments WHERE error_blob = $1 LIMIT 1), \
     (SELECT 'the index of ' || batch FROM segments WHERE index_blob = $1 LIMIT 1), \
     'an upload that is being received') AS held";

pub(super) async fn is_in(db: &Db, blob: &BlobKey) -> Result<bool> {
    let sql = "SELECT 1 FROM quarantine WHERE blob = $1";
    Ok(db.one(sql, &[&blob.as_str()]).await?.is_some())
}

pub(super) async fn insert(
    db: &Db,
    extent: &Extent,
    why: &str,
    at: Timestamp,
) -> Result<Option<Quarantined>> {
    if !garbage::is_named(db, &extent.blob).await? {
        return Ok(None);
    }
    let held = db.one(HELD, &[&extent.blob.as_str()]).await?;
    let held: Option<String> = held.as_ref().map(|row| get(row, "held")).transpose()?;
    let found = Quarantined {
        is_named: true,
        extent: extent.clone(),
        held: held.unwrap_or_default(),
        why: why.replace('\0', "\u{fffd}"),
        found_at: at,
    };
    // Of those that find it at the same time, one tells.
    let sql = "INSERT INTO quarantine (blob, start, length, checksum, held, why, found_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (blob) DO NOTHING";
    let inserted = db
        .change(
            sql,
            &[
                &found.extent.blob.as_str(),
                &int(found.extent.offset),
                &int(found.extent.length),
                &found.extent.checksum.cast_signed(),
                &found.held,
                &found.why,
                &micros(at),
            ],
        )
        .await?;
    Ok((inserted > 0).then_some(found))
}

pub(super) async fn list(db: &Db, limit: usize) -> Result<Vec<Quarantined>> {
    let sql = "SELECT blob, start, length, checksum, held, why, found_at FROM quarantine \
         ORDER BY found_at, blob LIMIT $1";
    let mut found = db
        .all(sql, &[&rows(limit)], |row| {
            Ok(Quarantined {
                is_named: false,
                extent: extent_if_any(row, OWN)?.ok_or_else(|| unreadable("blob"))?,
                held: text(row, "held")?,
                why: text(row, "why")?,
                found_at: time(row, "found_at")?,
            })
        })
        .await?;
    for found in &mut found {
        found.is_named = garbage::is_named(db, &found.extent.blob).await?;
    }
    Ok(found)
}

pub(super) async fn reinstate(db: &Db, blob: &BlobKey, at: Timestamp) -> Result<()> {
    let sql = "DELETE FROM quarantine WHERE blob = $1";
    if db.change(sql, &[&blob.as_str()]).await? > 0 {
        garbage::discard(db, blob, at).await?;
    }
    Ok(())
}
