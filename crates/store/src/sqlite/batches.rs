//! Batches: inserted, listed, claimed, moved from status to status.

use overnight_core::batch::{Batch, Event, Lease, Plan, State, Status};
use overnight_core::id::{BatchId, FileId, ProjectId, WorkerId};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::files;
use super::garbage;
use super::row::{self, all, change, one, text, word};
use crate::rows::BatchRow;
use crate::rules::{
    self, Advance, begins, ending_word, int, is_seen_by, micros, rows, same_lines, to_json, words,
};
use crate::store::{Claim, Held, Input, Page, Result, StoreError};

pub(super) fn insert(db: &Connection, batch: &Batch) -> Result<()> {
    begins(batch)?;
    change(
        db,
        "INSERT INTO batches \
         (id, project, input_file, spec, created_at, expires_at, status, history, moved_at, \
             parent) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?5, ?9) ON CONFLICT (id) DO NOTHING",
        params![
            batch.id.as_str(),
            batch.project.as_str(),
            batch.spec.input_file.as_str(),
            to_json(&batch.spec)?,
            micros(batch.created_at),
            micros(batch.expires_at),
            batch.state.status().as_str(),
            to_json(&batch.history)?,
            batch.parent.as_ref().map(BatchId::as_str),
        ],
    )?;
    Ok(())
}

/// A batch's row, whosever it is.
pub(super) fn find(db: &Connection, id: &BatchId) -> Result<Option<BatchRow>> {
    one(db, &select("WHERE id = ?1"), [id.as_str()], row::batch)
}

fn select(rest: &str) -> String {
    format!("SELECT {} FROM batches {rest}", BatchRow::COLUMNS)
}

pub(super) fn batch(db: &Connection, project: &ProjectId, id: &BatchId) -> Result<Batch> {
    match find(db, id)? {
        Some(row) if is_seen_by(&row, project) => Ok(row.batch),
        _ => Err(StoreError::NotFound),
    }
}

pub(super) fn list(
    db: &Connection,
    project: &ProjectId,
    after: Option<&BatchId>,
    limit: usize,
) -> Result<Page<Batch>> {
    if let Some(after) = after {
        batch(db, project, after)?;
    }
    // Without a cursor, from behind the last id.
    let after = after.map_or("\u{10ffff}", BatchId::as_str);
    let sql =
        select("WHERE project = ?1 AND id < ?2 AND deleted_at IS NULL ORDER BY id DESC LIMIT ?3");
    let params = params![project.as_str(), after, rows(limit.saturating_add(1))];
    let found = all(db, &sql, params, |row| row::batch(row).map(|row| row.batch))?;
    Ok(rules::page(found, limit))
}

pub(super) fn cancel(
    db: &Connection,
    project: &ProjectId,
    id: &BatchId,
    at: Timestamp,
) -> Result<Batch> {
    let mut batch = batch(db, project, id)?;
    if batch.apply(Event::CancelRequested, at)? {
        save(db, &batch, at)?;
    }
    Ok(batch)
}

pub(super) fn claim(db: &Connection, worker: &WorkerId, limit: usize) -> Result<Vec<Claim>> {
    let sql = select("WHERE ended_at IS NULL AND worker IS NULL ORDER BY expires_at, id");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        // One that cannot be read is passed by: it must not keep the others from being run.
        found.extend(row::batch(row).ok());
    }
    drop(rows);
    let mut claims = Vec::with_capacity(found.len());
    for row in found {
        let epoch = row.epoch + 1;
        change(
            db,
            "UPDATE batches SET worker = ?2, epoch = ?3 WHERE id = ?1",
            params![row.batch.id.as_str(), worker.as_str(), int(epoch)],
        )?;
        let lease = Lease {
            batch: row.batch.id.clone(),
            worker: worker.clone(),
            epoch,
        };
        claims.push(Claim {
            batch: row.batch,
            lease,
        });
    }
    Ok(claims)
}

/// What the worker holds. The process lock is the lease, so there is nothing to prolong.
pub(super) fn held(db: &Connection, worker: &WorkerId) -> Result<Vec<Held>> {
    let sql = "SELECT id, epoch, status, paused_at IS NOT NULL AS is_paused FROM batches \
         WHERE worker = ?1 ORDER BY id";
    all(db, sql, [worker.as_str()], |row| {
        Ok(Held {
            batch: text(row, "id")?,
            epoch: row.get("epoch")?,
            status: word(row, "status", Status::parse)?,
            is_paused: row.get("is_paused")?,
        })
    })
}

pub(super) fn release(db: &Connection, lease: &Lease) -> Result<()> {
    let row = under_epoch(db, lease)?;
    if row.worker.as_ref() == Some(&lease.worker) {
        let sql = "UPDATE batches SET worker = NULL WHERE id = ?1";
        change(db, sql, [lease.batch.as_str()])?;
    }
    Ok(())
}

/// The row of the batch, if no newer lease was given than this one.
pub(super) fn under_epoch(db: &Connection, lease: &Lease) -> Result<BatchRow> {
    let row = find(db, &lease.batch)?.ok_or(StoreError::NotFound)?;
    if row.epoch == lease.epoch {
        Ok(row)
    } else {
        Err(StoreError::Fenced)
    }
}

/// The row of the batch, if this lease holds it, or held it when it ended.
pub(super) fn fenced(db: &Connection, lease: &Lease) -> Result<BatchRow> {
    let row = under_epoch(db, lease)?;
    let ended = row.batch.state.status().is_terminal();
    if ended || row.worker.as_ref() == Some(&lease.worker) {
        Ok(row)
    } else {
        Err(StoreError::Fenced)
    }
}

pub(super) fn input(db: &Connection, batch: &BatchId, at: Timestamp) -> Result<Input> {
    let batch = find(db, batch)?.ok_or(StoreError::NotFound)?.batch;
    let row = files::find(db, &batch.spec.input_file)?;
    let row = row
        .filter(|row| row.file.project == batch.project)
        .ok_or(StoreError::NotFound)?;
    Ok(Input {
        deleted: files::is_gone(&row, at),
        extents: files::whole(db, &row.file.id)?,
        file: row.file,
    })
}

pub(super) fn advance(
    db: &Connection,
    lease: &Lease,
    event: Event,
    at: Timestamp,
) -> Result<Batch> {
    let mut batch = fenced(db, lease)?.batch;
    let Advance::Apply(late_plan) = rules::advance(&batch, &event)? else {
        return Ok(batch);
    };
    if batch.apply(event, at)? {
        save(db, &batch, at)?;
    } else if let Some(blob) = late_plan {
        garbage::discard(db, &blob, at)?;
    }
    Ok(batch)
}

pub(super) fn replan(db: &Connection, lease: &Lease, plan: Plan, at: Timestamp) -> Result<Batch> {
    let mut batch = fenced(db, lease)?.batch;
    let old = match batch.plan.take() {
        Some(old) if !batch.state.status().is_terminal() => old,
        kept => {
            batch.plan = kept;
            garbage::discard(db, &plan.entries.blob, at)?;
            return Ok(batch);
        }
    };
    same_lines(&batch, &old, &plan)?;
    change(
        db,
        "UPDATE batches SET plan = ?2, plan_blob = ?3 WHERE id = ?1",
        params![
            batch.id.as_str(),
            to_json(&plan)?,
            plan.entries.blob.as_str()
        ],
    )?;
    if old.entries.blob != plan.entries.blob {
        garbage::discard(db, &old.entries.blob, at)?;
    }
    batch.plan = Some(plan);
    Ok(batch)
}

/// Keeps what an event changed; a batch that ended lets go of its lease, its plan and its input.
pub(super) fn save(db: &Connection, batch: &Batch, at: Timestamp) -> Result<()> {
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
    change(
        db,
        "UPDATE batches SET status = :status, ending = :ending, errors = :errors, \
             output_file = :output_file, error_file = :error_file, history = :history, \
             moved_at = :at, revision = :revision, plan = :plan, plan_blob = :plan_blob, \
             total = :total, ended_at = iif(:ended, :at, NULL), \
             worker = iif(:ended, NULL, worker) \
         WHERE id = :id",
        named_params! {
            ":id": batch.id.as_str(),
            ":status": batch.state.status().as_str(),
            ":ending": ending,
            ":errors": errors,
            ":output_file": output_file.map(FileId::as_str),
            ":error_file": error_file.map(FileId::as_str),
            ":history": to_json(&batch.history)?,
            ":at": micros(at),
            ":revision": int(batch.revision),
            ":plan": plan.map(to_json).transpose()?,
            ":plan_blob": plan.filter(|_| !ended).map(|plan| plan.entries.blob.as_str()),
            ":total": int(batch.total()),
            ":ended": ended,
        },
    )?;
    if ended { let_go(db, batch, at) } else { Ok(()) }
}

fn let_go(db: &Connection, batch: &Batch, at: Timestamp) -> Result<()> {
    change(
        db,
        "DELETE FROM batch_progress WHERE batch = ?1",
        [batch.id.as_str()],
    )?;
    if let Some(plan) = &batch.plan {
        garbage::discard(db, &plan.entries.blob, at)?;
    }
    Ok(())
}

pub(super) fn count(db: &Connection, statuses: &[Status]) -> Result<Vec<(Status, u64)>> {
    let sql = "SELECT status, count(*) AS batches FROM batches \
         WHERE status IN (SELECT value FROM json_each(?1)) GROUP BY status";
    let counted = all(db, sql, [to_json(&words(statuses))?], |row| {
        Ok((
            word(row, "status", Status::parse)?,
            row.get::<_, u64>("batches")?,
        ))
    })?;
    Ok(rules::counts_of(statuses, &counted))
}
