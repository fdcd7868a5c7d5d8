//! What people do with batches beside creating and cancelling them: find, pause and delete them.

use overnight_core::batch::{Batch, Status};
use overnight_core::id::{BatchId, ProjectId};
use overnight_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::batches;
use super::files;
use super::row::{self, all, change, json, word};
use crate::rows::BatchRow;
use crate::rules::{self, may_be_deleted, micros, needle, rows, to_json, words};
use crate::status::BatchProgress;
use crate::store::{BatchQuery, Overview, Page, Result};

pub(super) fn find(
    db: &Connection,
    project: &ProjectId,
    query: &BatchQuery,
) -> Result<Page<Batch>> {
    if let Some(after) = &query.after {
        batches::batch(db, project, after)?;
    }
    let sql = format!(
        "SELECT {} FROM batches \
         WHERE project = ?1 AND id < ?2 AND deleted_at IS NULL \
             AND (?3 = '[]' OR status IN (SELECT value FROM json_each(?3))) \
             AND (?4 IS NULL OR parent = ?4) \
             AND (?5 IS NULL OR instr(lower(id), ?5) > 0 \
                 OR EXISTS (SELECT 1 FROM json_each(spec, '$.metadata') AS pair \
                     WHERE instr(lower(pair.value), ?5) > 0) \
                 OR EXISTS (SELECT 1 FROM files \
                     WHERE files.id = input_file AND instr(lower(filename), ?5) > 0)) \
         ORDER BY id DESC LIMIT ?6",
        BatchRow::COLUMNS
    );
    let params = params![
        project.as_str(),
        // Without a cursor, from behind the last id.
        query.after.as_ref().map_or("\u{10ffff}", BatchId::as_str),
        to_json(&words(&query.statuses))?,
        query.parent.as_ref().map(BatchId::as_str),
        needle(query.search.as_deref()),
        rows(query.limit.saturating_add(1)),
    ];
    let found = all(db, &sql, params, |row| row::batch(row).map(|row| row.batch))?;
    Ok(rules::page(found, query.limit))
}

pub(super) fn set_paused(
    db: &Connection,
    project: &ProjectId,
    id: &BatchId,
    (paused, at): (bool, Timestamp),
) -> Result<Batch> {
    let mut batch = batches::batch(db, project, id)?;
    if batch.set_paused(paused.then_some(at))? {
        let sql = "UPDATE batches SET paused_at = ?2 WHERE id = ?1";
        change(db, sql, params![id.as_str(), batch.paused_at.map(micros)])?;
    }
    Ok(batch)
}

pub(super) fn delete(
    db: &Connection,
    project: &ProjectId,
    id: &BatchId,
    at: Timestamp,
) -> Result<()> {
    let batch = batches::batch(db, project, id)?;
    may_be_deleted(&batch)?;
    files::delete_results(db, id, at)?;
    let sql = "UPDATE batches SET deleted_at = ?2 WHERE id = ?1";
    change(db, sql, params![id.as_str(), micros(at)])?;
    Ok(())
}

pub(super) fn overview(db: &Connection, project: &ProjectId) -> Result<Overview> {
    let sql = "SELECT status, count(*) AS batches FROM batches \
         WHERE project = ?1 AND deleted_at IS NULL GROUP BY status";
    let counted = all(db, sql, [project.as_str()], |row| {
        let status = word(row, "status", Status::parse)?;
        Ok((status, row.get::<_, u64>("batches")?))
    })?;
    let sql = "SELECT progress FROM batches CROSS JOIN batch_progress ON batch = batches.id \
         WHERE project = ?1 AND ended_at IS NULL ORDER BY batches.id";
    let progress: Vec<BatchProgress> =
        all(db, sql, [project.as_str()], |row| json(row, "progress"))?;
    Ok(Overview {
        batches: rules::counts_of(&Status::ALL, &counted),
        progress,
    })
}
