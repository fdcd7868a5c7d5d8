//! Batches: inserted, listed, moved from status to status.

use overnight_core::batch::{Batch, Event, Lease, Plan, State, Status};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::time::Timestamp;

use super::claims::fenced;
use super::db::Db;
use super::row::{self, number, word};
use super::{files, garbage};
use crate::rows::BatchRow;
use crate::rules::{
    self, Advance, begins, ending_word, int, is_seen_by, micros, rows, same_lines, to_json, words,
};
use crate::store::{Input, Page, Result, StoreError};

pub(super) async fn insert(db: &Db, batch: &Batch) -> Result<()> {
    begins(batch)?;
    let sql = "INSERT INTO batches \
         (id, project, input_file, spec, created_at, expires_at, status, history, moved_at, \
             parent) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5, $9) ON CONFLICT (id) DO NOTHING";
    db.change(
        sql,
        &[
            &batch.id.as_str(),
            &batch.project.as_str(),
            &batch.spec.input_file.as_str(),
            &to_json(&batch.spec)?,
            &micros(batch.created_at),
            &micros(batch.expires_at),
            &batch.state.status().as_str(),
            &to_json(&batch.history)?,
            &batch.parent.as_ref().map(BatchId::as_str),
        ],
    )
    .await?;
    Ok(())
}

/// A batch's row, whosever it is.
pub(super) async fn find(db: &Db, id: &BatchId) -> Result<Option<BatchRow>> {
    let found = db.one(&select("WHERE id = $1"), &[&id.as_str()]).await?;
    found.as_ref().map(row::batch).transpose()
}

/// A batch's row, which nobody else changes until the transaction ends.
pub(super) async fn locked(db: &Db, id: &BatchId) -> Result<Option<BatchRow>> {
    let sql = select("WHERE id = $1 FOR NO KEY UPDATE");
    let found = db.one(&sql, &[&id.as_str()]).await?;
    found.as_ref().map(row::batch).transpose()
}

fn select(rest: &str) -> String {
    format!("SELECT {} FROM batches {rest}", BatchRow::COLUMNS)
}

/// A batch that the project sees.
pub(super) async fn batch(db: &Db, project: &ProjectId, id: &BatchId) -> Result<Batch> {
    of_project(find(db, id).await?, project)
}

pub(super) fn of_project(row: Option<BatchRow>, project: &ProjectId) -> Result<Batch> {
    match row {
        Some(row) if is_seen_by(&row, project) => Ok(row.batch),
        _ => Err(StoreError::NotFound),
    }
}

pub(super) async fn list(
    db: &Db,
    project: &ProjectId,
    after: Option<&BatchId>,
    limit: usize,
) -> Result<Page<Batch>> {
    if let Some(after) = after {
        batch(db, project, after).await?;
    }
    // Without a cursor, from behind the last id.
    let after = after.map_or("\u{10ffff}", BatchId::as_str);
    let sql =
        select("WHERE project = $1 AND id < $2 AND deleted_at IS NULL ORDER BY id DESC LIMIT $3");
    let limit_sql = rows(limit.saturating_add(1));
    let found = db
        .all(&sql, &[&project.as_str(), &after, &limit_sql], |row| {
            row::batch(row).map(|row| row.batch)
        })
        .await?;
    Ok(rules::page(found, limit))
}

pub(super) async fn cancel(
    db: &Db,
    project: &ProjectId,
    id: &BatchId,
    at: Timestamp,
) -> Result<Batch> {
    let mut batch = of_project(locked(db, id).await?, project)?;
    if batch.apply(Event::CancelRequested, at)? {
        save(db, &batch, at).await?;
    }
    Ok(batch)
}

pub(super) async fn input(db: &Db, batch: &BatchId, at: Timestamp) -> Result<Input> {
    let batch = find(db, batch).await?.ok_or(StoreError::NotFound)?.batch;
    let row = files::find(db, &batch.spec.input_file).await?;
    let row = row
        .filter(|row| row.file.project == batch.project)
        .ok_or(StoreError::NotFound)?;
    Ok(Input {
        deleted: files::is_gone(&row, at),
        extents: files::whole(db, &row.file.id).await?,
        file: row.file,
    })
}

pub(super) async fn advance(db: &Db, lease: &Lease, event: Event, at: Timestamp) -> Result<Batch> {
    let mut batch = fenced(db, lease).await?.batch;
    let Advance::Apply(late_plan) = rules::advance(&batch, &event)? else {
        return Ok(batch);
    };
    if batch.apply(event, at)? {
        save(db, &batch, at).await?;
    } else if let Some(blob) = late_plan {
        garbage::discard(db, &blob, at).await?;
    }
    Ok(batch)
}

pub(super) async fn replan(db: &Db, lease: &Lease, plan: Plan, at: Timestamp) -> Result<Batch> {
    let mut batch = fenced(db, lease).await?.batch;
    let old = match batch.plan.take() {
        Some(old) if !batch.state.status().is_terminal() => old,
        kept => {
            batch.plan = kept;
            garbage::discard(db, &plan.entries.blob, at).await?;
            return Ok(batch);
        }
    };
    same_lines(&batch, &old, &plan)?;
    let sql = "UPDATE batches SET plan = $2, plan_blob = $3 WHERE id = $1";
    let blob = plan.entries.blob.as_str();
    db.change(sql, &[&batch.id.as_str(), &to_json(&plan)?, &blob])
        .await?;
    if old.entries.blob != plan.entries.blob {
        garbage::discard(db, &old.entries.blob, at).await?;
    }
    batch.plan = Some(plan);
    Ok(batch)
}

/// Keeps what an event changed; a batch that ended lets go of its lease, its plan and its input.
pub(super) async fn save(db: &Db, batch: &Batch, at: Timestamp) -> Result<()> {
    let results = batch.state.results();
    let output_file = results.and_then(|files| files.output_file.as_ref());
    let error_file = results.and_then(|files| files.error_file.as_ref());
    let ended = batch.state.status().is_terminal();
    let (ending, errors) = match &batch.state {
        State::Finalizing(ending) => (Some(ending_word(*ending)), None),
        State::Failed(errors) => (None, Some(to_json(errors)?)),
        State::Validating
        | State::InProgress
        | State::Cancelling
        | State::Completed(_)
        | State::Expired(_)
        | State::Cancelled(_) => (None, None),
    };
    let plan = batch.plan.as_ref();
    let plan_blob = plan
        .filter(|_| !ended)
        .map(|plan| plan.entries.blob.as_str());
    let sql = "UPDATE batches SET status = $2, ending = $3, errors = $4, output_file = $5, \
             error_file = $6, history = $7, moved_at = $8::BIGINT, revision = $9, plan = $10, \
             plan_blob = $11, total = $12, ended_at = CASE WHEN $13 THEN $8::BIGINT END, \
             worker = CASE WHEN $13 THEN NULL ELSE worker END \
         WHERE id = $1";
    db.change(
        sql,
        &[
            &batch.id.as_str(),
            &batch.state.status().as_str(),
            &ending,
            &errors,
            &output_file.map(FileId::as_str),
            &error_file.map(FileId::as_str),
            &to_json(&batch.history)?,
            &micros(at),
            &int(batch.revision),
            &plan.map(to_json).transpose()?,
            &plan_blob,
            &int(batch.total()),
            &ended,
        ],
    )
    .await?;
    if ended {
        let_go(db, batch, at).await
    } else {
        Ok(())
    }
}

async fn let_go(db: &Db, batch: &Batch, at: Timestamp) -> Result<()> {
    let sql = "DELETE FROM batch_progress WHERE batch = $1";
    db.change(sql, &[&batch.id.as_str()]).await?;
    if let Some(plan) = &batch.plan {
        garbage::discard(db, &plan.entries.blob, at).await?;
    }
    Ok(())
}

pub(super) async fn count(db: &Db, statuses: &[Status]) -> Result<Vec<(Status, u64)>> {
    let sql = "SELECT status, count(*) AS batches FROM batches \
         WHERE status = ANY ($1) GROUP BY status";
    let counted = db
        .all(sql, &[&words(statuses)], |row| {
            let status = word(row, "status", Status::parse)?;
            Ok((status, number(row, "batches")?))
        })
        .await?;
    Ok(rules::counts_of(statuses, &counted))
}
