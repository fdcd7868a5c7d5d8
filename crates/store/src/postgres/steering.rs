//! What people do with batches beside creating and cancelling them: find, pause and delete them.

use overnight_core::batch::{Batch, Status};
use overnight_core::id::{BatchId, ProjectId};
use overnight_core::time::Timestamp;

use super::db::Db;
use super::row::{self, json, number, word};
use super::{batches, files};
use crate::rows::BatchRow;
use crate::rules::{self, may_be_deleted, micros, needle, rows, words};
use crate::store::{BatchQuery, Overview, Page, Result};

/// Whether a text has `$5` in it, be its ASCII letters small or large. That of the database's own
/// collation would tell more letters apart, or fewer, on each server.
fn has(text: &str) -> String {
    format!("position($5::TEXT IN lower({text} COLLATE \"C\")) > 0")
}

pub(super) async fn find(db: &Db, project: &ProjectId, query: &BatchQuery) -> Result<Page<Batch>> {
    if let Some(after) = &query.after {
        batches::batch(db, project, after).await?;
    }
    let sql = format!(
        "SELECT {columns} FROM batches \
         WHERE project = $1 AND id < $2 AND deleted_at IS NULL \
             AND (cardinality($3::TEXT[]) = 0 OR status = ANY ($3::TEXT[])) \
             AND ($4::TEXT IS NULL OR parent = $4::TEXT) \
             AND ($5::TEXT IS NULL OR {in_id} \
                 OR EXISTS (SELECT 1 FROM json_each_text(\
                     CASE WHEN strpos(spec, '{nul}') > 0 THEN '{{}}'::JSON \
                         WHEN json_typeof(spec::JSON -> 'metadata') = 'object' \
                             THEN spec::JSON -> 'metadata' \
                         ELSE '{{}}'::JSON END) AS pair \
                     WHERE {in_value}) \
                 OR EXISTS (SELECT 1 FROM files \
                     WHERE files.id = batches.input_file AND {in_name})) \
         ORDER BY id DESC LIMIT $6",
        columns = BatchRow::COLUMNS,
        in_id = has("batches.id"),
        in_value = has("pair.value"),
        in_name = has("files.filename"),
        // No text of PostgreSQL has a NUL in it, and taking such metadata apart would fail.
        nul = "\\u0000",
    );
    let statuses = words(&query.statuses);
    let parent = query.parent.as_ref().map(BatchId::as_str);
    let needle = needle(query.search.as_deref());
    // Without a cursor, from behind the last id.
    let after = query.after.as_ref().map_or("\u{10ffff}", BatchId::as_str);
    let limit = rows(query.limit.saturating_add(1));
    let found = db
        .all(
            &sql,
            &[
                &project.as_str(),
                &after,
                &statuses,
                &parent,
                &needle,
                &limit,
            ],
            |row| row::batch(row).map(|row| row.batch),
        )
        .await?;
    Ok(rules::page(found, query.limit))
}

pub(super) async fn set_paused(
    db: &Db,
    project: &ProjectId,
    id: &BatchId,
    (paused, at): (bool, Timestamp),
) -> Result<Batch> {
    let mut batch = batches::of_project(batches::locked(db, id).await?, project)?;
    if batch.set_paused(paused.then_some(at))? {
        let sql = "UPDATE batches SET paused_at = $2 WHERE id = $1";
        let paused_at = batch.paused_at.map(micros);
        db.change(sql, &[&id.as_str(), &paused_at]).await?;
    }
    Ok(batch)
}

pub(super) async fn delete(
    db: &Db,
    project: &ProjectId,
    id: &BatchId,
    at: Timestamp,
) -> Result<()> {
    let batch = batches::of_project(batches::locked(db, id).await?, project)?;
    may_be_deleted(&batch)?;
    files::delete_results(db, id, at).await?;
    let sql = "UPDATE batches SET deleted_at = $2 WHERE id = $1";
    db.change(sql, &[&id.as_str(), &micros(at)]).await?;
    Ok(())
}

pub(super) async fn overview(db: &Db, project: &ProjectId) -> Result<Overview> {
    let sql = "SELECT status, count(*) AS batches FROM batches \
         WHERE project = $1 AND deleted_at IS NULL GROUP BY status";
    let counted = db
        .all(sql, &[&project.as_str()], |row| {
            let status = word(row, "status", Status::parse)?;
            Ok((status, number(row, "batches")?))
        })
        .await?;
    let sql = "SELECT progress FROM batch_progress JOIN batches ON batches.id = batch \
         WHERE project = $1 AND ended_at IS NULL ORDER BY batch";
    let progress = db
        .all(sql, &[&project.as_str()], |row| json(row, "progress"))
        .await?;
    Ok(Overview {
        batches: rules::counts_of(&Status::ALL, &counted),
        progress,
    })
}
