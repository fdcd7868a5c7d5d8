//! Objects that are created once however often a client asks for them, and the answers that are
//! kept for that.

use overnight_core::id::ProjectId;
use overnight_core::time::Timestamp;
use tokio_postgres::Row;

use super::db::Db;
use super::error::unreadable;
use super::row::{text, time};
use super::{batches, uploads};
use crate::rules::{before, micros, rows};
use crate::store::{ANSWER_KEPT, FirstAnswer, NewObject, Result};

/// The answer comes before the object: of requests under one key that come at the same time, one
/// takes the key's row, and the others wait until it is there for good or gone.
pub(super) async fn insert(
    db: &Db,
    object: NewObject<'_>,
    answer: &FirstAnswer,
) -> Result<FirstAnswer> {
    let sql = "INSERT INTO first_answers (project, key, request, body, answered_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, key) DO UPDATE SET \
             request = excluded.request, body = excluded.body, answered_at = excluded.answered_at \
         WHERE first_answers.answered_at <= $6";
    // An answer of the first day that there was is older than nothing.
    let old = before(answer.at, ANSWER_KEPT).unwrap_or(-1);
    let taken = db
        .change(
            sql,
            &[
                &answer.project.as_str(),
                &answer.key,
                &answer.request,
                &answer.body,
                &micros(answer.at),
                &old,
            ],
        )
        .await?;
    if taken == 0 {
        let kept = first_answer(db, &answer.project, &answer.key, answer.at).await?;
        return kept.ok_or_else(|| unreadable("answered_at"));
    }
    match object {
        NewObject::Batch(batch) => batches::insert(db, batch).await?,
        NewObject::Upload(upload) => uploads::insert(db, upload).await?,
    }
    Ok(answer.clone())
}

pub(super) async fn first_answer(
    db: &Db,
    project: &ProjectId,
    key: &str,
    at: Timestamp,
) -> Result<Option<FirstAnswer>> {
    let sql = "SELECT project, key, request, body, answered_at FROM first_answers \
         WHERE project = $1 AND key = $2";
    let kept = db.one(sql, &[&project.as_str(), &key]).await?;
    let kept = kept.as_ref().map(read).transpose()?;
    Ok(kept.filter(|answer| at < answer.at.plus(ANSWER_KEPT)))
}

fn read(row: &Row) -> Result<FirstAnswer> {
    Ok(FirstAnswer {
        project: text(row, "project")?,
        key: text(row, "key")?,
        request: text(row, "request")?,
        body: text(row, "body")?,
        at: time(row, "answered_at")?,
    })
}

pub(super) async fn forget(db: &Db, limit: usize, at: Timestamp) -> Result<u64> {
    let Some(until) = before(at, ANSWER_KEPT) else {
        return Ok(0);
    };
    let sql = "DELETE FROM first_answers WHERE (project, key) IN (SELECT project, key \
         FROM first_answers WHERE answered_at <= $1 ORDER BY answered_at LIMIT $2 \
         FOR UPDATE SKIP LOCKED)";
    db.change(sql, &[&until, &rows(limit)]).await
}
