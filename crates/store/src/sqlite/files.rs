//! Files: announced, inserted, read, deleted.

use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, ResultFile, placed};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::garbage;
use super::row::{self, all, change, extent_if_any, one};
use crate::rows::{ERROR, FileRow, OUTPUT, OWN};
use crate::rules::{DOWNLOAD_GRACE, from_byte, int, micros, page, rows};
use crate::store::{Content, FileQuery, Order, Page, Result, StoreError};

pub(super) fn announce(db: &Connection, blob: &BlobKey, at: Timestamp) -> Result<()> {
    change(
        db,
        "INSERT INTO announcements (blob, announced_at) VALUES (?1, ?2) \
         ON CONFLICT (blob) DO NOTHING",
        params![blob.as_str(), micros(at)],
    )?;
    Ok(())
}

pub(super) fn abandon(db: &Connection, blob: &BlobKey, at: Timestamp) -> Result<()> {
    if end_announcement(db, blob)? {
        garbage::discard(db, blob, at)?;
    }
    Ok(())
}

/// False when the blob was not announced, or is so no more.
pub(super) fn end_announcement(db: &Connection, blob: &BlobKey) -> Result<bool> {
    let sql = "DELETE FROM announcements WHERE blob = ?1";
    Ok(change(db, sql, [blob.as_str()])? > 0)
}

pub(super) fn insert(db: &Connection, file: &File, content: &[Extent]) -> Result<()> {
    if find(db, &file.id)?.is_some() {
        return Ok(());
    }
    insert_row(db, file, None)?;
    for (place, PlacedExtent { at, extent }) in placed(content).into_iter().enumerate() {
        if garbage::is_garbage(db, &extent.blob)? {
            return Err(StoreError::NotFound);
        }
        change(
            db,
            "INSERT INTO extents (file, at, place, blob, start, length, checksum) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                file.id.as_str(),
                int(at),
                rows(place),
                extent.blob.as_str(),
                int(extent.offset),
                int(extent.length),
                extent.checksum.cast_signed(),
            ],
        )?;
        end_announcement(db, &extent.blob)?;
    }
    Ok(())
}

/// Inserts a file's row: a result file of that batch, or one that has extents of its own.
pub(super) fn insert_row(
    db: &Connection,
    file: &File,
    results_of: Option<(&BatchId, ResultFile)>,
) -> Result<()> {
    change(
        db,
        "INSERT INTO files \
         (id, project, purpose, filename, bytes, created_at, expires_at, results_of, part) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            file.id.as_str(),
            file.project.as_str(),
            file.purpose.as_str(),
            file.filename,
            int(file.bytes),
            micros(file.created_at),
            file.expires_at.map(micros),
            results_of.map(|(batch, _)| batch.as_str()),
            results_of.map(|(_, part)| part.as_str()),
        ],
    )?;
    Ok(())
}

/// A file's row, also when it was deleted.
pub(super) fn find(db: &Connection, id: &FileId) -> Result<Option<FileRow>> {
    let sql = select("WHERE id = ?1");
    one(db, &sql, [id.as_str()], row::file)
}

fn select(rest: &str) -> String {
    format!("SELECT {} FROM files {rest}", FileRow::COLUMNS)
}

pub(super) fn file(
    db: &Connection,
    project: &ProjectId,
    id: &FileId,
    at: Timestamp,
) -> Result<File> {
    match visible(db, project, id, at)? {
        Some(row) => Ok(row.file),
        None => Err(StoreError::NotFound),
    }
}

/// A file's row, if the project sees it at that time.
fn visible(
    db: &Connection,
    project: &ProjectId,
    id: &FileId,
    at: Timestamp,
) -> Result<Option<FileRow>> {
    Ok(find(db, id)?.filter(|row| row.file.project == *project && !is_gone(row, at)))
}

/// Whether clients see the file no more: it was deleted, or its expiry has passed.
pub(super) fn is_gone(row: &FileRow, at: Timestamp) -> bool {
    row.deleted_at.is_some() || row.file.expires_at.is_some_and(|expiry| expiry <= at)
}

pub(super) fn list(
    db: &Connection,
    project: &ProjectId,
    query: &FileQuery,
    at: Timestamp,
) -> Result<Page<File>> {
    if let Some(after) = &query.after {
        file(db, project, after, at)?;
    }
    let purpose = if query.purpose.is_some() {
        "AND purpose = ?2"
    } else {
        ""
    };
    // Without a cursor, from before the first id or from behind the last one.
    let (behind, order, edge) = match query.order {
        Order::Ascending => (">", "ASC", ""),
        Order::Descending => ("<", "DESC", "\u{10ffff}"),
    };
    let sql = select(&format!(
        "WHERE project = ?1 {purpose} AND deleted_at IS NULL \
         AND coalesce(expires_at > ?3, TRUE) AND id {behind} ?4 ORDER BY id {order} LIMIT ?5"
    ));
    let params = params![
        project.as_str(),
        query.purpose.map(Purpose::as_str),
        micros(at),
        query.after.as_ref().map_or(edge, FileId::as_str),
        rows(query.limit.saturating_add(1)),
    ];
    let found = all(db, &sql, params, |row| row::file(row).map(|row| row.file))?;
    Ok(page(found, query.limit))
}

pub(super) fn delete(
    db: &Connection,
    project: &ProjectId,
    id: &FileId,
    at: Timestamp,
) -> Result<()> {
    let row = visible(db, project, id, at)?.ok_or(StoreError::NotFound)?;
    delete_row(db, &row, at)
}

/// Hides a file. Its bytes are let go of when downloads have had their time, and no open batch has
/// them as its input.
fn delete_row(db: &Connection, row: &FileRow, at: Timestamp) -> Result<()> {
    let forget_at = micros(at.plus(DOWNLOAD_GRACE));
    change(
        db,
        "UPDATE files SET deleted_at = ?2, forget_at = ?3 WHERE id = ?1",
        params![row.file.id.as_str(), micros(at), forget_at],
    )?;
    Ok(())
}

/// Hides the result files of a batch, as if each of them were deleted.
pub(super) fn delete_results(db: &Connection, batch: &BatchId, at: Timestamp) -> Result<()> {
    let sql = "UPDATE files SET deleted_at = ?2, forget_at = ?3 \
         WHERE results_of = ?1 AND deleted_at IS NULL";
    let forget_at = micros(at.plus(DOWNLOAD_GRACE));
    change(db, sql, params![batch.as_str(), micros(at), forget_at])?;
    Ok(())
}

pub(super) fn expire(db: &Connection, limit: usize, at: Timestamp) -> Result<u64> {
    let sql = select("WHERE deleted_at IS NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
    let expired = all(db, &sql, params![micros(at), rows(limit)], row::file)?;
    for row in &expired {
        delete_row(db, row, at)?;
    }
    Ok(expired.len() as u64)
}

pub(super) fn extents(
    db: &Connection,
    content: &Content,
    from: u64,
    limit: usize,
) -> Result<Vec<PlacedExtent>> {
    match content {
        Content::Results(batch, part) => results(db, batch.as_str(), part.as_str(), from, limit),
        Content::File(id) => {
            let row = find(db, id)?.ok_or(StoreError::NotFound)?;
            match &row.results_of {
                Some((batch, part)) => results(db, batch, part, from, limit),
                None => own(db, id, from, limit),
            }
        }
    }
}

/// Every extent of a file that has its own.
pub(super) fn whole(db: &Connection, id: &FileId) -> Result<Vec<Extent>> {
    let extents = own(db, id, 0, usize::MAX)?;
    Ok(extents.into_iter().map(|placed| placed.extent).collect())
}

fn own(db: &Connection, id: &FileId, from: u64, limit: usize) -> Result<Vec<PlacedExtent>> {
    let sql = "SELECT at, blob, start, length, checksum FROM extents \
         WHERE file = ?1 AND length > 0 AND at >= coalesce(\
             (SELECT max(at) FROM extents WHERE file = ?1 AND length > 0 AND at <= ?2), 0) \
         ORDER BY at LIMIT ?3";
    let params = params![id.as_str(), int(from), rows(limit.saturating_add(1))];
    let found = all(db, sql, params, |row| read_placed(row, "at", OWN))?;
    Ok(from_byte(found, from, limit))
}

/// The extents of a result file, from the one that holds byte `from` on: a look-up of where its
/// segments were placed, however many there are.
fn results(
    db: &Connection,
    batch: &str,
    part: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<PlacedExtent>> {
    let columns = if part == ResultFile::Output.as_str() {
        OUTPUT
    } else {
        ERROR
    };
    let at = format!("{part}_at");
    let [blob, start, length, checksum] = columns;
    let sql = format!(
        "SELECT {at}, {blob}, {start}, {length}, {checksum} FROM segments \
         WHERE batch = ?1 AND {length} > 0 AND {at} >= coalesce(\
             (SELECT max({at}) FROM segments \
              WHERE batch = ?1 AND {length} > 0 AND {at} <= ?2), 0) \
         ORDER BY {at} LIMIT ?3"
    );
    let params = params![batch, int(from), rows(limit.saturating_add(1))];
    let found = all(db, &sql, params, |row| read_placed(row, &at, columns))?;
    Ok(from_byte(found, from, limit))
}

fn read_placed(row: &Row<'_>, at: &str, columns: [&str; 4]) -> rusqlite::Result<PlacedExtent> {
    let extent = extent_if_any(row, columns)?;
    let extent = extent.ok_or_else(|| rusqlite::Error::InvalidColumnName(columns.concat()))?;
    Ok(PlacedExtent {
        at: row.get(at)?,
        extent,
    })
}
