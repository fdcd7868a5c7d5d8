//! Rows as the words of the domain.

use std::time::Duration;

use overnight_core::batch::{Batch, Results, State, Status, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::segment::{BlobKey, Extent, LineSet, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState, UploadStatus};
use overnight_core::usage::Usage;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::unreadable;
use crate::rows::{BatchRow, ERROR, FileRow, INDEX, OUTPUT, OWN, SegmentRow};
use crate::rules::ending;
use crate::store::{Result, StoreError};

/// A row of the columns [`BatchRow::COLUMNS`].
pub(super) fn batch(row: &Row) -> Result<BatchRow> {
    Ok(BatchRow {
        batch: Batch {
            id: text(row, "id")?,
            project: text(row, "project")?,
            spec: json(row, "spec")?,
            parent: text_if_any(row, "parent")?,
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
            state: state(row)?,
            history: json(row, "history")?,
            paused_at: time_if_any(row, "paused_at")?,
            plan: json_if_any(row, "plan")?,
            tally: tally(row)?,
            usage: usage(row)?,
            revision: number(row, "revision")?,
        },
        epoch: number(row, "epoch")?,
        worker: text_if_any(row, "worker")?,
        output_bytes: number(row, "output_bytes")?,
        error_bytes: number(row, "error_bytes")?,
        deleted_at: time_if_any(row, "deleted_at")?,
    })
}

/// A row of the columns [`FileRow::COLUMNS`].
pub(super) fn file(row: &Row) -> Result<FileRow> {
    let batch: Option<String> = text_if_any(row, "results_of")?;
    let part: Option<String> = text_if_any(row, "part")?;
    Ok(FileRow {
        file: File {
            id: text(row, "id")?,
            project: text(row, "project")?,
            purpose: word(row, "purpose", Purpose::parse)?,
            filename: text(row, "filename")?,
            bytes: number(row, "bytes")?,
            created_at: time(row, "created_at")?,
            expires_at: time_if_any(row, "expires_at")?,
        },
        deleted_at: time_if_any(row, "deleted_at")?,
        results_of: batch.zip(part),
    })
}

/// A row of the columns `UPLOAD_COLUMNS`.
pub(super) fn upload(row: &Row) -> Result<Upload> {
    let after = number_if_any(row, "file_expires_after")?;
    Ok(Upload {
        id: text(row, "id")?,
        project: text(row, "project")?,
        purpose: word(row, "purpose", Purpose::parse)?,
        filename: text(row, "filename")?,
        bytes: number(row, "bytes")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        file_expires_after: after.map(Duration::from_micros),
        parts: number(row, "part_count")?,
        part_bytes: number(row, "part_bytes")?,
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

/// A row of the columns `PART_COLUMNS`.
pub(super) fn part(row: &Row) -> Result<UploadPart> {
    Ok(UploadPart {
        id: text(row, "id")?,
        upload: text(row, "upload")?,
        created_at: time(row, "created_at")?,
        extent: extent_if_any(row, OWN)?.ok_or_else(|| unreadable("blob"))?,
    })
}

/// A segment's row, of the columns [`SegmentRow::COLUMNS`].
pub(super) fn segment(row: &Row) -> Result<SegmentRow> {
    let lines = LineSet::from_bytes(get(row, "lines")?).ok_or_else(|| unreadable("lines"))?;
    let segment = Segment {
        epoch: number(row, "epoch")?,
        seq: number(row, "seq")?,
        output: extent_if_any(row, OUTPUT)?,
        error: extent_if_any(row, ERROR)?,
        index: extent_if_any(row, INDEX)?,
        lines,
        tally: tally(row)?,
        usage: usage(row)?,
    };
    Ok(SegmentRow {
        segment,
        output_at: number_if_any(row, "output_at")?,
        error_at: number_if_any(row, "error_at")?,
        last: (number(row, "last_epoch")?, number(row, "last_seq")?),
    })
}

/// The extent in four columns: blob, start, length, checksum.
pub(super) fn extent_if_any(
    row: &Row,
    [blob, start, length, checksum]: [&str; 4],
) -> Result<Option<Extent>> {
    let Some(blob) = text_if_any::<BlobKey>(row, blob)? else {
        return Ok(None);
    };
    let checksum: i64 = get(row, checksum)?;
    Ok(Some(Extent {
        blob,
        offset: number(row, start)?,
        length: number(row, length)?,
        checksum: checksum.cast_unsigned(),
    }))
}

pub(super) fn text<T: From<String>>(row: &Row, column: &str) -> Result<T> {
    get::<String>(row, column).map(T::from)
}

pub(super) fn text_if_any<T: From<String>>(row: &Row, column: &str) -> Result<Option<T>> {
    Ok(get::<Option<String>>(row, column)?.map(T::from))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    json_if_any(row, column)?.ok_or_else(|| unreadable(column))
}

fn json_if_any<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>> {
    let text: Option<&str> = get(row, column)?;
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|_| unreadable(column))
}

pub(super) fn word<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    parse(get(row, column)?).ok_or_else(|| unreadable(column))
}

pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp> {
    number(row, column).map(Timestamp::from_micros)
}

pub(super) fn time_if_any(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    Ok(number_if_any(row, column)?.map(Timestamp::from_micros))
}

/// A number that is never negative.
pub(super) fn number(row: &Row, column: &str) -> Result<u64> {
    number_if_any(row, column)?.ok_or_else(|| unreadable(column))
}

pub(super) fn number_if_any(row: &Row, column: &str) -> Result<Option<u64>> {
    let number: Option<i64> = get(row, column)?;
    number
        .map(u64::try_from)
        .transpose()
        .map_err(|_| unreadable(column))
}

/// The value of a column, as PostgreSQL types it.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T> {
    row.try_get(column).map_err(|_| unreadable(column))
}

fn tally(row: &Row) -> Result<Tally> {
    Ok(Tally {
        completed: number(row, "completed")?,
        failed: number(row, "failed")?,
        unrun: number(row, "unrun")?,
    })
}

fn usage(row: &Row) -> Result<Usage> {
    Ok(Usage {
        input_tokens: number(row, "input_tokens")?,
        cached_tokens: number(row, "cached_tokens")?,
        output_tokens: number(row, "output_tokens")?,
        reasoning_tokens: number(row, "reasoning_tokens")?,
        total_tokens: number(row, "total_tokens")?,
    })
}

fn state(row: &Row) -> Result<State> {
    let results = || {
        Ok::<_, StoreError>(Results {
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
