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
use rusqlite::{Connection, OptionalExtension, Params, Row, RowIndex};
use serde::de::DeserializeOwned;

use crate::rows::{BatchRow, FileRow, OWN, PART_COLUMNS, SegmentRow, UPLOAD_COLUMNS, place_in};
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
            id: text(row, const { BatchRow::place("id") })?,
            project: text(row, const { BatchRow::place("project") })?,
            spec: json(row, const { BatchRow::place("spec") })?,
            parent: text_if_any(row, const { BatchRow::place("parent") })?,
            created_at: time(row, const { BatchRow::place("created_at") })?,
            expires_at: time(row, const { BatchRow::place("expires_at") })?,
            state: state(row)?,
            history: json(row, const { BatchRow::place("history") })?,
            paused_at: time_if_any(row, const { BatchRow::place("paused_at") })?,
            plan: json_if_any(row, const { BatchRow::place("plan") })?,
            tally: tally(row, const { BatchRow::place("completed") })?,
            usage: usage(row, const { BatchRow::place("input_tokens") })?,
            revision: row.get(const { BatchRow::place("revision") })?,
        },
        epoch: row.get(const { BatchRow::place("epoch") })?,
        worker: text_if_any(row, const { BatchRow::place("worker") })?,
        output_bytes: row.get(const { BatchRow::place("output_bytes") })?,
        error_bytes: row.get(const { BatchRow::place("error_bytes") })?,
        deleted_at: time_if_any(row, const { BatchRow::place("deleted_at") })?,
    })
}

/// A row of the columns [`FileRow::COLUMNS`].
pub(super) fn file(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let batch: Option<String> = row.get(const { FileRow::place("results_of") })?;
    let part: Option<String> = row.get(const { FileRow::place("part") })?;
    Ok(FileRow {
        file: File {
            id: text(row, const { FileRow::place("id") })?,
            project: text(row, const { FileRow::place("project") })?,
            purpose: word(row, const { FileRow::place("purpose") }, Purpose::parse)?,
            filename: row.get(const { FileRow::place("filename") })?,
            bytes: row.get(const { FileRow::place("bytes") })?,
            created_at: time(row, const { FileRow::place("created_at") })?,
            expires_at: time_if_any(row, const { FileRow::place("expires_at") })?,
        },
        deleted_at: time_if_any(row, const { FileRow::place("deleted_at") })?,
        results_of: batch.zip(part),
    })
}

/// A row of the columns [`UPLOAD_COLUMNS`].
pub(super) fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let after: Option<u64> = row.get(const { place_in(UPLOAD_COLUMNS, "file_expires_after") })?;
    Ok(Upload {
        id: text(row, const { place_in(UPLOAD_COLUMNS, "id") })?,
        project: text(row, const { place_in(UPLOAD_COLUMNS, "project") })?,
        purpose: word(
            row,
            const { place_in(UPLOAD_COLUMNS, "purpose") },
            Purpose::parse,
        )?,
        filename: row.get(const { place_in(UPLOAD_COLUMNS, "filename") })?,
        bytes: row.get(const { place_in(UPLOAD_COLUMNS, "bytes") })?,
        created_at: time(row, const { place_in(UPLOAD_COLUMNS, "created_at") })?,
        expires_at: time(row, const { place_in(UPLOAD_COLUMNS, "expires_at") })?,
        file_expires_after: after.map(Duration::from_micros),
        parts: row.get(const { place_in(UPLOAD_COLUMNS, "part_count") })?,
        part_bytes: row.get(const { place_in(UPLOAD_COLUMNS, "part_bytes") })?,
        state: match word(
            row,
            const { place_in(UPLOAD_COLUMNS, "status") },
            UploadStatus::parse,
        )? {
            UploadStatus::Pending => UploadState::Pending,
            UploadStatus::Cancelled => UploadState::Cancelled,
            UploadStatus::Expired => UploadState::Expired,
            UploadStatus::Completed => UploadState::Completed {
                file: text(row, const { place_in(UPLOAD_COLUMNS, "file") })?,
                at: time(row, const { place_in(UPLOAD_COLUMNS, "completed_at") })?,
                order: json(row, const { place_in(UPLOAD_COLUMNS, "part_order") })?,
            },
        },
    })
}

/// A row of the columns [`PART_COLUMNS`].
pub(super) fn part(row: &Row<'_>) -> rusqlite::Result<UploadPart> {
    Ok(UploadPart {
        id: text(row, const { place_in(PART_COLUMNS, "id") })?,
        upload: text(row, const { place_in(PART_COLUMNS, "upload") })?,
        created_at: time(row, const { place_in(PART_COLUMNS, "created_at") })?,
        extent: extent_if_any(row, OWN)?.ok_or_else(|| unreadable(row, "blob", Type::Null))?,
    })
}

/// A row of the columns [`SegmentRow::COLUMNS`].
pub(super) fn segment(row: &Row<'_>) -> rusqlite::Result<SegmentRow> {
    let lines = LineSet::from_bytes(
        row.get_ref(const { SegmentRow::place("lines") })?
            .as_blob()?,
    )
    .ok_or_else(|| unreadable(row, "lines", Type::Blob))?;
    let segment = Segment {
        epoch: row.get(const { SegmentRow::place("epoch") })?,
        seq: row.get(const { SegmentRow::place("seq") })?,
        output: extent_from(row, const { SegmentRow::place("output_blob") })?,
        error: extent_from(row, const { SegmentRow::place("error_blob") })?,
        index: extent_from(row, const { SegmentRow::place("index_blob") })?,
        lines,
        tally: tally(row, const { SegmentRow::place("completed") })?,
        usage: usage(row, const { SegmentRow::place("input_tokens") })?,
    };
    Ok(SegmentRow {
        segment,
        output_at: row.get(const { SegmentRow::place("output_at") })?,
        error_at: row.get(const { SegmentRow::place("error_at") })?,
        last: (
            row.get(const { SegmentRow::place("last_epoch") })?,
            row.get(const { SegmentRow::place("last_seq") })?,
        ),
    })
}

/// The extent in these columns: blob, start, length, checksum.
pub(super) fn extent_if_any(
    row: &Row<'_>,
    [blob, start, length, checksum]: [&str; 4],
) -> rusqlite::Result<Option<Extent>> {
    extent(row, (blob, start, length, checksum))
}

/// The extent in the four columns from that one on.
fn extent_from(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Extent>> {
    extent(row, (first, first + 1, first + 2, first + 3))
}

fn extent<I: RowIndex>(
    row: &Row<'_>,
    (blob, start, length, checksum): (I, I, I, I),
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

pub(super) fn text<T: From<String>>(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<T> {
    row.get::<_, String>(column).map(T::from)
}

pub(super) fn text_if_any<T: From<String>>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<String>>(column)?.map(T::from))
}

pub(super) fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    json_if_any(row, column)?.ok_or_else(|| unreadable(row, column, Type::Null))
}

fn json_if_any<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|_| unreadable(row, column, Type::Text))
}

pub(super) fn word<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(row, column, Type::Text))
}

pub(super) fn time(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub(super) fn time_if_any(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row
        .get::<_, Option<u64>>(column)?
        .map(Timestamp::from_micros))
}

/// The three counts from that column on.
fn tally(row: &Row<'_>, first: usize) -> rusqlite::Result<Tally> {
    Ok(Tally {
        completed: row.get(first)?,
        failed: row.get(first + 1)?,
        unrun: row.get(first + 2)?,
    })
}

/// The five counts from that column on.
fn usage(row: &Row<'_>, first: usize) -> rusqlite::Result<Usage> {
    Ok(Usage {
        input_tokens: row.get(first)?,
        cached_tokens: row.get(first + 1)?,
        output_tokens: row.get(first + 2)?,
        reasoning_tokens: row.get(first + 3)?,
        total_tokens: row.get(first + 4)?,
    })
}

/// The state, of which only what belongs to the status is read.
fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let results = || {
        Ok::<_, rusqlite::Error>(Results {
            output_file: text_if_any::<FileId>(row, const { BatchRow::place("output_file") })?,
            error_file: text_if_any::<FileId>(row, const { BatchRow::place("error_file") })?,
        })
    };
    Ok(
        match word(row, const { BatchRow::place("status") }, Status::parse)? {
            Status::Validating => State::Validating,
            Status::InProgress => State::InProgress,
            Status::Cancelling => State::Cancelling,
            Status::Finalizing => {
                State::Finalizing(word(row, const { BatchRow::place("ending") }, ending)?)
            }
            Status::Failed => State::Failed(json(row, const { BatchRow::place("errors") })?),
            Status::Completed => State::Completed(results()?),
            Status::Expired => State::Expired(results()?),
            Status::Cancelled => State::Cancelled(results()?),
        },
    )
}

fn unreadable(row: &Row<'_>, column: impl RowIndex, found: Type) -> rusqlite::Error {
    let index = column.idx(row.as_ref()).unwrap_or_default();
    let name = row.as_ref().column_name(index).unwrap_or("?");
    let text = format!("the column {name} does not hold what it must");
    rusqlite::Error::FromSqlConversionFailure(index, found, text.into())
}
