//! Files: announced, inserted, read, deleted.

use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, ResultFile, placed};
use overnight_core::time::Timestamp;
use tokio_postgres::Row;

use super::db::Db;
use super::error::unreadable;
use super::garbage;
use super::row::{self, extent_if_any, number};
use crate::rows::{ERROR, FileRow, OUTPUT, OWN};
use crate::rules::{DOWNLOAD_GRACE, from_byte, int, micros, page, rows};
use crate::store::{Content, FileQuery, Order, Page, Result, StoreError};

pub(super) async fn announce(db: &Db, blob: &BlobKey, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO announcements (blob, announced_at) VALUES ($1, $2) \
         ON CONFLICT (blob) DO NOTHING";
    db.change(sql, &[&blob.as_str(), &micros(at)]).await?;
    Ok(())
}

pub(super) async fn abandon(db: &Db, blob: &BlobKey, at: Timestamp) -> Result<()> {
    if end_announcement(db, blob).await? {
        garbage::discard(db, blob, at).await?;
    }
    Ok(())
}

/// False when the blob was not announced, or is so no more.
///
/// An abandonment and an insertion of the same blob may meet, when one's caller gave up waiting: the
/// row that both delete makes the later one wait, and then see what the earlier one did.
pub(super) async fn end_announcement(db: &Db, blob: &BlobKey) -> Result<bool> {
    let sql = "DELETE FROM announcements WHERE blob = $1";
    Ok(db.change(sql, &[&blob.as_str()]).await? > 0)
}

/// Takes a blob that a client sent for a row that is about to name it.
pub(super) async fn take(db: &Db, blob: &BlobKey) -> Result<()> {
    // In this order: see `end_announcement`.
    end_announcement(db, blob).await?;
    if garbage::is_garbage(db, blob).await? {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

pub(super) async fn insert(db: &Db, file: &File, content: &[Extent]) -> Result<()> {
    if !insert_row(db, file, None).await? {
        return Ok(());
    }
    let sql = "INSERT INTO extents (file, at, place, blob, start, length, checksum) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for (place, PlacedExtent { at, extent }) in placed(content).into_iter().enumerate() {
        take(db, &extent.blob).await?;
        db.change(
            sql,
            &[
                &file.id.as_str(),
                &int(at),
                &rows(place),
                &extent.blob.as_str(),
                &int(extent.offset),
                &int(extent.length),
                &extent.checksum.cast_signed(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Inserts a file's row: a result file of that batch, or one that has extents of its own. False when
/// there is a file of that id, and nothing was changed.
pub(super) async fn insert_row(
    db: &Db,
    file: &File,
    results_of: Option<(&BatchId, ResultFile)>,
) -> Result<bool> {
    let sql = "INSERT INTO files \
         (id, project, purpose, filename, bytes, created_at, expires_at, results_of, part) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
    let inserted = db
        .change(
            sql,
            &[
                &file.id.as_str(),
                &file.project.as_str(),
                &file.purpose.as_str(),
                &name(&file.filename),
                &int(file.bytes),
                &micros(file.created_at),
                &file.expires_at.map(micros),
                &results_of.map(|(batch, _)| batch.as_str()),
                &results_of.map(|(_, part)| part.as_str()),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

/// A file's name as it can be kept: no text of PostgreSQL holds a NUL.
pub(super) fn name(filename: &str) -> String {
    filename.replace('\0', "\u{fffd}")
}

/// A file's row, also when it was deleted.
pub(super) async fn find(db: &Db, id: &FileId) -> Result<Option<FileRow>> {
    let sql = select("WHERE id = $1");
    let found = db.one(&sql, &[&id.as_str()]).await?;
    found.as_ref().map(row::file).transpose()
}

fn select(rest: &str) -> String {
    format!("SELECT {} FROM files {rest}", FileRow::COLUMNS)
}

pub(super) async fn file(db: &Db, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<File> {
    match find(db, id).await? {
        Some(row) if is_seen(&row, project, at) => Ok(row.file),
        _ => Err(StoreError::NotFound),
    }
}

/// Whether the project sees the file at that time.
fn is_seen(row: &FileRow, project: &ProjectId, at: Timestamp) -> bool {
    row.file.project == *project && !is_gone(row, at)
}

/// Whether clients see the file no more: it was deleted, or its expiry has passed.
pub(super) fn is_gone(row: &FileRow, at: Timestamp) -> bool {
    row.deleted_at.is_some() || row.file.expires_at.is_some_and(|expiry| expiry <= at)
}

pub(super) async fn list(
    db: &Db,
    project: &ProjectId,
    query: &FileQuery,
    at: Timestamp,
) -> Result<Page<File>> {
    if let Some(after) = &query.after {
        file(db, project, after, at).await?;
    }
    // Without a cursor, from before the first id or from behind the last one.
    let (behind, order, edge) = match query.order {
        Order::Ascending => (">", "ASC", ""),
        Order::Descending => ("<", "DESC", "\u{10ffff}"),
    };
    let purpose = query.purpose.map(Purpose::as_str);
    let condition = if purpose.is_some() {
        "AND purpose = $5"
    } else {
        ""
    };
    let sql = select(&format!(
        "WHERE project = $1 AND deleted_at IS NULL \
         AND coalesce(expires_at > $2, TRUE) AND id {behind} $3 {condition} \
         ORDER BY id {order} LIMIT $4"
    ));
    let (project, at) = (project.as_str(), micros(at));
    let after = query.after.as_ref().map_or(edge, FileId::as_str);
    let limit = rows(query.limit.saturating_add(1));
    let read = |row: &Row| row::file(row).map(|row| row.file);
    let found = match purpose {
        Some(purpose) => {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&project, &at, &after, &limit, &purpose];
            db.all(&sql, &values, read).await?
        }
        None => db.all(&sql, &[&project, &at, &after, &limit], read).await?,
    };
    Ok(page(found, query.limit))
}

pub(super) async fn delete(db: &Db, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<()> {
    let sql = select("WHERE id = $1 FOR NO KEY UPDATE");
    let found = db.one(&sql, &[&id.as_str()]).await?;
    let row = found.as_ref().map(row::file).transpose()?;
    if !row.is_some_and(|row| is_seen(&row, project, at)) {
        return Err(StoreError::NotFound);
    }
    let sql = "UPDATE files SET deleted_at = $2, forget_at = $3 WHERE id = $1";
    let forget_at = micros(at.plus(DOWNLOAD_GRACE));
    db.change(sql, &[&id.as_str(), &micros(at), &forget_at])
        .await?;
    Ok(())
}

/// Hides the result files of a batch, as if each of them were deleted.
pub(super) async fn delete_results(db: &Db, batch: &BatchId, at: Timestamp) -> Result<()> {
    let sql = "UPDATE files SET deleted_at = $2, forget_at = $3 \
         WHERE results_of = $1 AND deleted_at IS NULL";
    let forget_at = micros(at.plus(DOWNLOAD_GRACE));
    db.change(sql, &[&batch.as_str(), &micros(at), &forget_at])
        .await?;
    Ok(())
}

/// What another process is about to expire is passed by.
pub(super) async fn expire(db: &Db, limit: usize, at: Timestamp) -> Result<u64> {
    let sql = "UPDATE files SET deleted_at = $1, forget_at = $2 WHERE id IN (\
         SELECT id FROM files WHERE deleted_at IS NULL AND expires_at <= $1 \
         ORDER BY expires_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)";
    let forget_at = micros(at.plus(DOWNLOAD_GRACE));
    db.change(sql, &[&micros(at), &forget_at, &rows(limit)])
        .await
}

pub(super) async fn extents(
    db: &Db,
    content: &Content,
    from: u64,
    limit: usize,
) -> Result<Vec<PlacedExtent>> {
    match content {
        Content::Results(batch, part) => {
            results(db, batch.as_str(), part.as_str(), from, limit).await
        }
        Content::File(id) => {
            let row = find(db, id).await?.ok_or(StoreError::NotFound)?;
            match &row.results_of {
                Some((batch, part)) => results(db, batch, part, from, limit).await,
                None => own(db, id, from, limit).await,
            }
        }
    }
}

/// Every extent of a file that has its own.
pub(super) async fn whole(db: &Db, id: &FileId) -> Result<Vec<Extent>> {
    let extents = own(db, id, 0, usize::MAX).await?;
    Ok(extents.into_iter().map(|placed| placed.extent).collect())
}

async fn own(db: &Db, id: &FileId, from: u64, limit: usize) -> Result<Vec<PlacedExtent>> {
    let sql = "SELECT at, blob, start, length, checksum FROM extents \
         WHERE file = $1 AND length > 0 AND at >= coalesce(\
             (SELECT max(at) FROM extents WHERE file = $1 AND length > 0 AND at <= $2), 0) \
         ORDER BY at LIMIT $3";
    let limit_sql = rows(limit.saturating_add(1));
    let found = db
        .all(sql, &[&id.as_str(), &int(from), &limit_sql], |row| {
            read_placed(row, "at", OWN)
        })
        .await?;
    Ok(from_byte(found, from, limit))
}

/// The extents of a result file, from the one that holds byte `from` on: a look-up of where its
/// segments were placed, however many there are.
async fn results(
    db: &Db,
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
         WHERE batch = $1 AND {length} > 0 AND {at} >= coalesce(\
             (SELECT max({at}) FROM segments \
              WHERE batch = $1 AND {length} > 0 AND {at} <= $2), 0) \
         ORDER BY {at} LIMIT $3"
    );
    let limit_sql = rows(limit.saturating_add(1));
    let found = db
        .all(&sql, &[&batch, &int(from), &limit_sql], |row| {
            read_placed(row, &at, columns)
        })
        .await?;
    Ok(from_byte(found, from, limit))
}

fn read_placed(row: &Row, at: &str, columns: [&str; 4]) -> Result<PlacedExtent> {
    Ok(PlacedExtent {
        at: number(row, at)?,
        extent: extent_if_any(row, columns)?.ok_or_else(|| unreadable(at))?,
    })
}
