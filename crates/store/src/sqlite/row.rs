//! Rows as the words of the domain, and back.

use std::time::Duration;

use overnight_core::batch::{Batch, Results, State, Status, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::segment::{BlobKey, Extent, LineSet, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState, UploadStatus};
use overnight_core::usage::Usage;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;

use crate::rows::{BatchRow, ERROR, FileRow, INDEX, OUTPUT, OWN, SegmentRow};
use crate::rules::ending;
use crate::store::Result;

/// The first row of a query whose statement is kept prepared, if there is one.
pub(super) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    Ok(db.prepare_cached(sql)?.query_row(params, read).optional()?)
}

/// Every row of a query whose statement is kept prepared.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Runs a change whose statement is kept prepared, and answers how many rows it changed.
pub(super) fn change(db: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// A row of the columns [`BatchRow::COLUMNS`].
pub(super) fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        batch: Batch {
            id: text(row, "id")?,
            project: text(row, "project")?,
            spec: json(row, "spec")?,
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
            state: state(row)?,
            history: json(row, "history")?,
            plan: json_if_any(row, "plan")?,
            tally: tally(row)?,
            usage: usage(row)?,
            revision: row.get("revision")?,
        },
        epoch: row.get("epoch")?,
        worker: text_if_any(row, "worker")?,
        output_bytes: row.get("output_bytes")?,
        error_bytes: row.get("error_bytes")?,
    })
}

/// A row of the columns [`FileRow::COLUMNS`].
pub(super) fn file(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let batch: Option<String> = row.get("results_of")?;
    let part: Option<String> = row.get("part")?;
    Ok(FileRow {
        file: File {
            id: text(row, "id")?,
            project: text(row, "project")?,
            purpose: word(row, "purpose", Purpose::parse)?,
            filename: row.get("filename")?,
            bytes: row.get("bytes")?,
            created_at: time(row, "created_at")?,
            expires_at: time_if_any(row, "expires_at")?,
        },
        deleted_at: time_if_any(row, "deleted_at")?,
        results_of: batch.zip(part),
    })
}

/// A row of the columns [`UPLOAD_COLUMNS`].
pub(super) fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let after: Option<u64> = row.get("file_expires_after")?;
    Ok(Upload {
        id: text(row, "id")?,
        project: text(row, "project")?,
        purpose: word(row, "purpose", Purpose::parse)?,
        filename: row.get("filename")?,
        bytes: row.get("bytes")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        file_expires_after: after.map(Duration::from_micros),
        parts: row.get("part_count")?,
        part_bytes: row.get("part_bytes")?,
        state: match word(row, "status", UploadStatus::parse)? {
            UploadStatus::Pending => UploadState::Pending,
            UploadStatus::Cancelled => UploadState::Cancelled,
            UploadStatus::Expired => UploadState::Expired,
            UploadStatus::Completed => UploadState::Completed {
                file: text(row, "file")?,
                at: time(row, "completed_at")?,
                order: json(row, "part_order")?,
            },
        },
    })
}

/// A row of the columns [`PART_COLUMNS`].
pub(super) fn part(row: &Row<'_>) -> rusqlite::Result<UploadPart> {
    Ok(UploadPart {
        id: text(row, "id")?,
        upload: text(row, "upload")?,
        created_at: time(row, "created_at")?,
        extent: extent_if_any(row, OWN)?.ok_or_else(|| unreadable("blob", Type::Null))?,
    })
}

/// A segment's row, of the columns [`SegmentRow::COLUMNS`].
pub(super) fn segment(row: &Row<'_>) -> rusqlite::Result<SegmentRow> {
    let lines = LineSet::from_bytes(row.get_ref("lines")?.as_blob()?)
        .ok_or_else(|| unreadable("lines", Type::Blob))?;
    let segment = Segment {
        epoch: row.get("epoch")?,
        seq: row.get("seq")?,
        output: extent_if_any(row, OUTPUT)?,
        error: extent_if_any(row, ERROR)?,
        index: extent_if_any(row, INDEX)?,
        lines,
        tally: tally(row)?,
        usage: usage(row)?,
    };
    Ok(SegmentRow {
        segment,
        output_at: row.get("output_at")?,
        error_at: row.get("error_at")?,
        last: (row.get("last_epoch")?, row.get("last_seq")?),
    })
}

/// The extent in four columns: blob, start, length, checksum.
pub(super) fn extent_if_any(
    row: &Row<'_>,
    [blob, start, length, checksum]: [&str; 4],
) -> rusqlite::Result<Option<Extent>> {
    let Some(blob) = text_if_any::<BlobKey>(row, blob)? else {
        return Ok(None);
    };
    let checksum: i64 = row.get(checksum)?;
    Ok(Some(Extent {
        blob,
        offset: row.get(start)?,
        length: row.get(length)?,
        checksum: checksum.cast_unsigned(),
    }))
}

pub(super) fn text<T: From<String>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, String>(column).map(T::from)
}

pub(super) fn text_if_any<T: From<String>>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<String>>(column)?.map(T::from))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    json_if_any(row, column)?.ok_or_else(|| unreadable(column, Type::Null))
}

fn json_if_any<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|_| unreadable(column, Type::Text))
}

pub(super) fn word<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column, Type::Text))
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub(super) fn time_if_any(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row
        .get::<_, Option<u64>>(column)?
        .map(Timestamp::from_micros))
}

fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    Ok(Tally {
        completed: row.get("completed")?,
        failed: row.get("failed")?,
        unrun: row.get("unrun")?,
    })
}

fn usage(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        input_tokens: row.get("input_tokens")?,
        cached_tokens: row.get("cached_tokens")?,
        output_tokens: row.get("output_tokens")?,
        reasoning_tokens: row.get("reasoning_tokens")?,
        total_tokens: row.get("total_tokens")?,
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let results = || {
        Ok::<_, rusqlite::Error>(Results {
            output_file: text_if_any::<FileId>(row, "output_file")?,
            error_file: text_if_any::<FileId>(row, "error_file")?,
        })
    };
    Ok(match word(row, "status", Status::parse)? {
        Status::Validating => State::Validating,
        Status::InProgress => State::InProgress,
        Status::Cancelling => State::Cancelling,
        Status::Finalizing => State::Finalizing(word(row, "ending", ending)?),
        Status::Failed => State::Failed(json(row, "errors")?),
        Status::Completed => State::Completed(results()?),
        Status::Expired => State::Expired(results()?),
        Status::Cancelled => State::Cancelled(results()?),
    })
}

fn unreadable(column: &str, found: Type) -> rusqlite::Error {
    let text = format!("the column {column} does not hold what it must");
    rusqlite::Error::FromSqlConversionFailure(0, found, text.into())
}
