//! Objects that are created once however often a client asks for them, and the answers that are
//! kept for that.

use overnight_core::id::ProjectId;
use overnight_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::row::{change, one, text, time};
use crate::rules::{before, micros, rows};
use crate::store::{ANSWER_KEPT, FirstAnswer, Result};

/// Does what creates the object, unless an answer to an earlier request is kept under the key.
pub(super) fn insert(
    db: &Connection,
    answer: &FirstAnswer,
    create: impl FnOnce(&Connection) -> Result<()>,
) -> Result<FirstAnswer> {
    if let Some(first) = first_answer(db, &answer.project, &answer.key, answer.at)? {
        return Ok(first);
    }
    create(db)?;
    change(
        db,
        "INSERT INTO first_answers (project, key, request, body, answered_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (project, key) DO UPDATE SET \
             request = excluded.request, body = excluded.body, answered_at = excluded.answered_at",
        params![
            answer.project.as_str(),
            answer.key,
            answer.request,
            answer.body,
            micros(answer.at),
        ],
    )?;
    Ok(answer.clone())
}

pub(super) fn first_answer(
    db: &Connection,
    project: &ProjectId,
    key: &str,
    at: Timestamp,
) -> Result<Option<FirstAnswer>> {
    let sql = "SELECT project, key, request, body, answered_at FROM first_answers \
         WHERE project = ?1 AND key = ?2";
    let kept = one(db, sql, params![project.as_str(), key], read)?;
    Ok(kept.filter(|answer| at < answer.at.plus(ANSWER_KEPT)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<FirstAnswer> {
    Ok(FirstAnswer {
        project: text(row, "project")?,
        key: row.get("key")?,
        request: row.get("request")?,
        body: row.get("body")?,
        at: time(row, "answered_at")?,
    })
}

pub(super) fn forget(db: &Connection, limit: usize, at: Timestamp) -> Result<u64> {
    let Some(until) = before(at, ANSWER_KEPT) else {
        return Ok(0);
    };
    let forgotten = change(
        db,
        "DELETE FROM first_answers WHERE (project, key) IN (SELECT project, key \
         FROM first_answers WHERE answered_at <= ?1 ORDER BY answered_at LIMIT ?2)",
        params![until, rows(limit)],
    )?;
    Ok(forgotten as u64)
}
