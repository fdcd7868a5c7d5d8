//! Uploads: created, given parts, completed, cancelled, expired.

use overnight_core::id::{ProjectId, UploadId};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState};
use rusqlite::{Connection, params};

use super::row::{self, all, change, one};
use super::{files, garbage};
use crate::rows::{PART_COLUMNS, UPLOAD_COLUMNS};
use crate::rules::{UPLOAD_KEPT, before, int, micros, rows, span, to_json};
use crate::store::{Completion, Result, StoreError};

pub(super) fn insert(db: &Connection, upload: &Upload) -> Result<()> {
    change(
        db,
        "INSERT INTO uploads (id, project, purpose, filename, bytes, created_at, expires_at, \
             file_expires_after, status) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending') ON CONFLICT (id) DO NOTHING",
        params![
            upload.id.as_str(),
            upload.project.as_str(),
            upload.purpose.as_str(),
            upload.filename,
            int(upload.bytes),
            micros(upload.created_at),
            micros(upload.expires_at),
            upload.file_expires_after.map(span),
        ],
    )?;
    Ok(())
}

pub(super) fn upload(db: &Connection, project: &ProjectId, id: &UploadId) -> Result<Upload> {
    match find(db, id)? {
        Some(upload) if upload.project == *project => Ok(upload),
        _ => Err(StoreError::NotFound),
    }
}

/// An upload, whosever it is.
pub(super) fn find(db: &Connection, id: &UploadId) -> Result<Option<Upload>> {
    let sql = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE id = ?1");
    one(db, &sql, [id.as_str()], row::upload)
}

pub(super) fn parts(
    db: &Connection,
    project: &ProjectId,
    id: &UploadId,
) -> Result<Vec<UploadPart>> {
    upload(db, project, id)?;
    parts_of(db, id)
}

pub(super) fn parts_of(db: &Connection, id: &UploadId) -> Result<Vec<UploadPart>> {
    let sql = format!("SELECT {PART_COLUMNS} FROM upload_parts WHERE upload = ?1 ORDER BY id");
    all(db, &sql, [id.as_str()], row::part)
}

pub(super) fn insert_part(db: &Connection, project: &ProjectId, part: &UploadPart) -> Result<()> {
    let mut upload = upload(db, project, &part.upload)?;
    let sql = "SELECT 1 FROM upload_parts WHERE id = ?1";
    if one(db, sql, [part.id.as_str()], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    upload.add_part(part.extent.length, part.created_at)?;
    if garbage::is_garbage(db, &part.extent.blob)? {
        return Err(StoreError::NotFound);
    }
    change(
        db,
        "INSERT INTO upload_parts (id, upload, created_at, blob, start, length, checksum) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            part.id.as_str(),
            part.upload.as_str(),
            micros(part.created_at),
            part.extent.blob.as_str(),
            int(part.extent.offset),
            int(part.extent.length),
            part.extent.checksum.cast_signed(),
        ],
    )?;
    files::end_announcement(db, &part.extent.blob)?;
    save(db, &upload)
}

pub(super) fn cancel(
    db: &Connection,
    project: &ProjectId,
    id: &UploadId,
    at: Timestamp,
) -> Result<Upload> {
    let mut upload = upload(db, project, id)?;
    if upload.cancel(at)? {
        save(db, &upload)?;
        let_go_of_parts(db, id, at)?;
    }
    Ok(upload)
}

pub(super) fn complete(
    db: &Connection,
    project: &ProjectId,
    completion: Completion,
    at: Timestamp,
) -> Result<Upload> {
    let mut upload = upload(db, project, &completion.upload)?;
    let parts = parts_of(db, &upload.id)?;
    let completed = upload.complete(&completion.order, &parts, completion.file, at)?;
    let Some(extents) = completed else {
        return Ok(upload);
    };
    save(db, &upload)?;
    if let Some(file) = upload.file() {
        files::insert(db, &file, &extents)?;
    }
    let_go_of_parts(db, &upload.id, at)?;
    Ok(upload)
}

/// Keeps where the upload is, and what has come of it.
fn save(db: &Connection, upload: &Upload) -> Result<()> {
    let completed = match &upload.state {
        UploadState::Completed { file, at, order } => Some((file, at, order)),
        UploadState::Pending | UploadState::Cancelled | UploadState::Expired => None,
    };
    // The state, and not what a clock makes of it.
    let status = upload.status(Timestamp::default());
    change(
        db,
        "UPDATE uploads SET status = ?2, file = ?3, completed_at = ?4, part_order = ?5, \
             part_count = ?6, part_bytes = ?7 WHERE id = ?1",
        params![
            upload.id.as_str(),
            status.as_str(),
            completed.map(|(file, _, _)| file.as_str()),
            completed.map(|(_, at, _)| micros(*at)),
            completed.map(|(_, _, order)| to_json(order)).transpose()?,
            int(upload.parts),
            int(upload.part_bytes),
        ],
    )?;
    Ok(())
}

/// Forgets the parts; those that no file names are garbage.
fn let_go_of_parts(db: &Connection, id: &UploadId, at: Timestamp) -> Result<()> {
    let parts = parts_of(db, id)?;
    change(
        db,
        "DELETE FROM upload_parts WHERE upload = ?1",
        [id.as_str()],
    )?;
    for part in &parts {
        garbage::discard(db, &part.extent.blob, at)?;
    }
    Ok(())
}

pub(super) fn expire(db: &Connection, limit: usize, at: Timestamp) -> Result<u64> {
    let sql = format!(
        "SELECT {UPLOAD_COLUMNS} FROM uploads WHERE status = 'pending' AND expires_at <= ?1 \
         ORDER BY expires_at LIMIT ?2"
    );
    let expired = all(db, &sql, params![micros(at), rows(limit)], row::upload)?;
    let mut ended = expired.len();
    for mut upload in expired {
        upload.state = UploadState::Expired;
        save(db, &upload)?;
        let_go_of_parts(db, &upload.id, at)?;
    }
    if let Some(until) = before(at, UPLOAD_KEPT) {
        ended += change(
            db,
            "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads \
             WHERE status <> 'pending' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            params![until, rows(limit)],
        )?;
    }
    Ok(ended as u64)
}
