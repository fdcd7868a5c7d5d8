//! What workers say of themselves, and what tells that the store is well.

use overnight_core::id::{BatchId, ProjectId, WorkerId};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::batches;
use super::row::{all, change, json, one, time_if_any};
use crate::rules::to_json;
use crate::status::{BatchProgress, UpstreamStatus};
use crate::store::Result;

/// A batch that has ended, or is gone, makes no progress.
pub(super) fn save_progress(db: &Connection, progress: &[BatchProgress]) -> Result<()> {
    for batch in progress {
        change(
            db,
            "INSERT INTO batch_progress (batch, progress) \
             SELECT id, ?2 FROM batches WHERE id = ?1 AND ended_at IS NULL \
             ON CONFLICT (batch) DO UPDATE SET progress = excluded.progress",
            params![batch.batch.as_str(), to_json(batch)?],
        )?;
    }
    Ok(())
}

pub(super) fn progress(
    db: &Connection,
    project: &ProjectId,
    id: &BatchId,
) -> Result<Option<BatchProgress>> {
    batches::batch(db, project, id)?;
    let sql = "SELECT progress FROM batch_progress WHERE batch = ?1";
    one(db, sql, [id.as_str()], |row| json(row, "progress"))
}

pub(super) fn save_upstreams(
    db: &Connection,
    worker: &WorkerId,
    upstreams: &[UpstreamStatus],
) -> Result<()> {
    change(
        db,
        "DELETE FROM upstream_status WHERE worker = ?1",
        [worker.as_str()],
    )?;
    for upstream in upstreams {
        change(
            db,
            "INSERT INTO upstream_status (worker, name, status) VALUES (?1, ?2, ?3) \
             ON CONFLICT (worker, name) DO UPDATE SET status = excluded.status",
            params![worker.as_str(), upstream.name, to_json(upstream)?],
        )?;
    }
    Ok(())
}

pub(super) fn upstreams(db: &Connection) -> Result<Vec<UpstreamStatus>> {
    let sql = "SELECT status FROM upstream_status ORDER BY worker, name";
    all(db, sql, [], |row| json(row, "status"))
}

/// Asked once, at start: it looks at every file, upload and batch.
pub(super) fn newest(db: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT max(at) AS newest FROM (\
             SELECT max(created_at) AS at FROM files UNION ALL \
             SELECT max(deleted_at) FROM files UNION ALL \
             SELECT max(moved_at) FROM batches UNION ALL \
             SELECT max(created_at) FROM uploads UNION ALL \
             SELECT max(created_at) FROM upload_parts UNION ALL \
             SELECT max(announced_at) FROM announcements)";
    Ok(one(db, sql, [], |row| time_if_any(row, "newest"))?.flatten())
}

pub(super) fn ping(db: &Connection) -> Result<()> {
    one(db, "SELECT 1", [], |_| Ok(()))?;
    Ok(())
}
