//! What workers say of themselves, and what tells that the store is well.

use overnight_core::id::{BatchId, ProjectId, WorkerId};
use overnight_core::time::Timestamp;

use super::row::{json, time_if_any};
use super::{batches, db::Db};
use crate::rules::to_json;
use crate::status::{BatchProgress, UpstreamStatus};
use crate::store::Result;

/// How long behind the end of its lease a worker is believed to be there: its database may have been
/// away for a while.
const PRESENT: &str = "1 minute";

/// A batch that has ended, or is gone, makes no progress. A save that races with the end may leave a
/// row behind: it is not read, and goes with its batch.
pub(super) async fn save_progress(db: &Db, progress: &[BatchProgress]) -> Result<()> {
    let mut progress: Vec<&BatchProgress> = progress.iter().collect();
    // Rows are locked in one order, so that two savers do not wait for each other.
    progress.sort_by(|one, other| one.batch.cmp(&other.batch));
    let sql = "INSERT INTO batch_progress (batch, progress) \
         SELECT id, $2 FROM batches WHERE id = $1 AND ended_at IS NULL \
         ON CONFLICT (batch) DO UPDATE SET progress = excluded.progress";
    for batch in progress {
        db.change(sql, &[&batch.batch.as_str(), &to_json(batch)?])
            .await?;
    }
    Ok(())
}

pub(super) async fn progress(
    db: &Db,
    project: &ProjectId,
    id: &BatchId,
) -> Result<Option<BatchProgress>> {
    let batch = batches::batch(db, project, id).await?;
    if batch.state.status().is_terminal() {
        return Ok(None);
    }
    let sql = "SELECT progress FROM batch_progress WHERE batch = $1";
    let saved = db.one(sql, &[&id.as_str()]).await?;
    saved.as_ref().map(|row| json(row, "progress")).transpose()
}

pub(super) async fn save_upstreams(
    db: &Db,
    worker: &WorkerId,
    upstreams: &[UpstreamStatus],
) -> Result<()> {
    // A worker that holds nothing is there as well.
    let sql = "INSERT INTO workers (worker, until) VALUES ($1, now()) \
         ON CONFLICT (worker) DO NOTHING";
    db.change(sql, &[&worker.as_str()]).await?;
    let sql = "DELETE FROM upstream_status WHERE worker = $1";
    db.change(sql, &[&worker.as_str()]).await?;
    let sql = "INSERT INTO upstream_status (worker, name, status) VALUES ($1, $2, $3) \
         ON CONFLICT (worker, name) DO UPDATE SET status = excluded.status";
    for upstream in upstreams {
        db.change(
            sql,
            &[&worker.as_str(), &upstream.name, &to_json(upstream)?],
        )
        .await?;
    }
    Ok(())
}

/// What workers say that are there.
pub(super) async fn upstreams(db: &Db) -> Result<Vec<UpstreamStatus>> {
    let sql = format!(
        "SELECT status FROM upstream_status JOIN workers USING (worker) \
         WHERE until > now() - INTERVAL '{PRESENT}' ORDER BY worker, name"
    );
    db.all(&sql, &[], |row| json(row, "status")).await
}

/// Asked once, at start: it looks at every file, upload and batch.
pub(super) async fn newest(db: &Db) -> Result<Option<Timestamp>> {
    let sql = "SELECT max(at) AS newest FROM (\
             SELECT max(created_at) AS at FROM files UNION ALL \
             SELECT max(deleted_at) FROM files UNION ALL \
             SELECT max(moved_at) FROM batches UNION ALL \
             SELECT max(created_at) FROM uploads UNION ALL \
             SELECT max(created_at) FROM upload_parts UNION ALL \
             SELECT max(announced_at) FROM announcements) times";
    let newest = db.one(sql, &[]).await?;
    let newest = newest.as_ref().map(|row| time_if_any(row, "newest"));
    Ok(newest.transpose()?.flatten())
}

pub(super) async fn ping(db: &Db) -> Result<()> {
    db.one("SELECT 1", &[]).await?;
    Ok(())
}
