//! Uploads: created, given parts, completed, cancelled, expired. Whatever changes one locks its row
//! first, so that a part, a completion and a cancellation come one after another.

use overnight_core::id::{ProjectId, UploadId};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState};

use super::db::Db;
use super::row;
use super::{files, garbage};
use crate::rows::{PART_COLUMNS, UPLOAD_COLUMNS};
use crate::rules::{UPLOAD_KEPT, before, int, micros, rows, span, to_json};
use crate::store::{Completion, Result, StoreError};

pub(super) async fn insert(db: &Db, upload: &Upload) -> Result<()> {
    let sql = "INSERT INTO uploads (id, project, purpose, filename, bytes, created_at, \
             expires_at, file_expires_after, status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending') ON CONFLICT (id) DO NOTHING";
    db.change(
        sql,
        &[
            &upload.id.as_str(),
            &upload.project.as_str(),
            &upload.purpose.as_str(),
            &files::name(&upload.filename),
            &int(upload.bytes),
            &micros(upload.created_at),
            &micros(upload.expires_at),
            &upload.file_expires_after.map(span),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn upload(db: &Db, project: &ProjectId, id: &UploadId) -> Result<Upload> {
    find(db, project, id, "").await
}

/// The upload, which nobody else changes until the transaction ends.
async fn locked(db: &Db, project: &ProjectId, id: &UploadId) -> Result<Upload> {
    find(db, project, id, "FOR NO KEY UPDATE").await
}

async fn find(db: &Db, project: &ProjectId, id: &UploadId, lock: &str) -> Result<Upload> {
    let sql = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE id = $1 {lock}");
    let found = db.one(&sql, &[&id.as_str()]).await?;
    match found.as_ref().map(row::upload).transpose()? {
        Some(upload) if upload.project == *project => Ok(upload),
        _ => Err(StoreError::NotFound),
    }
}

pub(super) async fn parts(db: &Db, project: &ProjectId, id: &UploadId) -> Result<Vec<UploadPart>> {
    upload(db, project, id).await?;
    parts_of(db, id).await
}

async fn parts_of(db: &Db, id: &UploadId) -> Result<Vec<UploadPart>> {
    let sql = format!("SELECT {PART_COLUMNS} FROM upload_parts WHERE upload = $1 ORDER BY id");
    db.all(&sql, &[&id.as_str()], row::part).await
}

pub(super) async fn insert_part(db: &Db, project: &ProjectId, part: &UploadPart) -> Result<()> {
    let mut upload = locked(db, project, &part.upload).await?;
    let sql = "SELECT 1 FROM upload_parts WHERE id = $1";
    if db.one(sql, &[&part.id.as_str()]).await?.is_some() {
        return Ok(());
    }
    upload.add_part(part.extent.length, part.created_at)?;
    files::take(db, &part.extent.blob).await?;
    let sql = "INSERT INTO upload_parts (id, upload, created_at, blob, start, length, checksum) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    db.change(
        sql,
        &[
            &part.id.as_str(),
            &part.upload.as_str(),
            &micros(part.created_at),
            &part.extent.blob.as_str(),
            &int(part.extent.offset),
            &int(part.extent.length),
            &part.extent.checksum.cast_signed(),
        ],
    )
    .await?;
    save(db, &upload).await
}

pub(super) async fn cancel(
    db: &Db,
    project: &ProjectId,
    id: &UploadId,
    at: Timestamp,
) -> Result<Upload> {
    let mut upload = locked(db, project, id).await?;
    if upload.cancel(at)? {
        save(db, &upload).await?;
        let_go_of_parts(db, id, at).await?;
    }
    Ok(upload)
}

pub(super) async fn complete(
    db: &Db,
    project: &ProjectId,
    completion: Completion,
    at: Timestamp,
) -> Result<Upload> {
    let mut upload = locked(db, project, &completion.upload).await?;
    let parts = parts_of(db, &upload.id).await?;
    let completed = upload.complete(&completion.order, &parts, completion.file, at)?;
    let Some(extents) = completed else {
        return Ok(upload);
    };
    save(db, &upload).await?;
    if let Some(file) = upload.file() {
        files::insert(db, &file, &extents).await?;
    }
    let_go_of_parts(db, &upload.id, at).await?;
    Ok(upload)
}

/// Keeps where the upload is, and what has come of it.
async fn save(db: &Db, upload: &Upload) -> Result<()> {
    let completed = match &upload.state {
        UploadState::Completed { file, at, order } => Some((file, at, order)),
        UploadState::Pending | UploadState::Cancelled | UploadState::Expired => None,
    };
    // The state, and not what a clock makes of it.
    let status = upload.status(Timestamp::default());
    let sql = "UPDATE uploads SET status = $2, file = $3, completed_at = $4, part_order = $5, \
             part_count = $6, part_bytes = $7 WHERE id = $1";
    db.change(
        sql,
        &[
            &upload.id.as_str(),
            &status.as_str(),
            &completed.map(|(file, _, _)| file.as_str()),
            &completed.map(|(_, at, _)| micros(*at)),
            &completed.map(|(_, _, order)| to_json(order)).transpose()?,
            &int(upload.parts),
            &int(upload.part_bytes),
        ],
    )
    .await?;
    Ok(())
}

/// Forgets the parts; those that no file names are garbage.
async fn let_go_of_parts(db: &Db, id: &UploadId, at: Timestamp) -> Result<()> {
    let parts = parts_of(db, id).await?;
    let sql = "DELETE FROM upload_parts WHERE upload = $1";
    db.change(sql, &[&id.as_str()]).await?;
    for part in &parts {
        garbage::discard(db, &part.extent.blob, at).await?;
    }
    Ok(())
}

/// What another process is about to end is passed by.
pub(super) async fn expire(db: &Db, limit: usize, at: Timestamp) -> Result<u64> {
    let sql = format!(
        "SELECT {UPLOAD_COLUMNS} FROM uploads WHERE status = 'pending' AND expires_at <= $1 \
         ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED"
    );
    let limit = rows(limit);
    let expired = db.all(&sql, &[&micros(at), &limit], row::upload).await?;
    let mut ended = expired.len() as u64;
    for mut upload in expired {
        upload.state = UploadState::Expired;
        save(db, &upload).await?;
        let_go_of_parts(db, &upload.id, at).await?;
    }
    if let Some(until) = before(at, UPLOAD_KEPT) {
        let sql = "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads \
             WHERE status <> 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2 \
             FOR UPDATE SKIP LOCKED)";
        ended += db.change(sql, &[&until, &limit]).await?;
    }
    Ok(ended)
}
