//! Rows as the words of the domain, and back.

use std::time::Duration;

use overnight_core::batch::{Batch, Ending, Results, State, Status, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{FileId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, LineSet, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState, UploadStatus};
use overnight_core::usage::Usage;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::corrupt;
use crate::store::Result;

/// SQLite's integers are signed. A larger number than they hold (a deadline at the end of time,
/// say) becomes the largest one.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn micros(at: Timestamp) -> i64 {
    int(at.micros())
}

/// A page's size as a number of rows.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| corrupt(error.to_string()))
}

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

/// The place of a column among those that are asked for, told when this is compiled: to look for a name in
/// each row costs more than the rest of reading it.
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "it runs when this is compiled, and fails then"
)]
const fn place_in(columns: &str, name: &str) -> usize {
    let (columns, name) = (columns.as_bytes(), name.as_bytes());
    let (mut place, mut at) = (0, 0);
    while at < columns.len() {
        let mut length = 0;
        let mut is_it = true;
        while at + length < columns.len() && columns[at + length] != b',' {
            is_it = is_it && length < name.len() && columns[at + length] == name[length];
            length += 1;
        }
        if is_it && length == name.len() {
            return place;
        }
        place += 1;
        // Names are set apart by a comma and a space.
        at += length + 2;
    }
    panic!("there is no such column");
}

/// The columns of an extent in each table that has some: blob, start, length, checksum.
pub(super) const OWN: [&str; 4] = ["blob", "start", "length", "checksum"];
pub(super) const OUTPUT: [&str; 4] = [
    "output_blob",
    "output_start",
    "output_length",
    "output_checksum",
];
pub(super) const ERROR: [&str; 4] = [
    "error_blob",
    "error_start",
    "error_length",
    "error_checksum",
];
pub(super) const INDEX: [&str; 4] = [
    "index_blob",
    "index_start",
    "index_length",
    "index_checksum",
];

/// A batch's row: the batch, and what only the store knows of it.
#[derive(Debug)]
pub(super) struct BatchRow {
    pub(super) batch: Batch,
    pub(super) epoch: u64,
    pub(super) worker: Option<WorkerId>,
    pub(super) output_bytes: u64,
    pub(super) error_bytes: u64,
}

impl BatchRow {
    pub(super) const COLUMNS: &str = "id, project, spec, created_at, expires_at, status, ending, \
         errors, output_file, error_file, history, plan, revision, completed, failed, unrun, \
         input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens, epoch, \
         worker, output_bytes, error_bytes";

    const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            batch: Batch {
                id: text(row, const { Self::place("id") })?,
                project: text(row, const { Self::place("project") })?,
                spec: json(row, const { Self::place("spec") })?,
                created_at: time(row, const { Self::place("created_at") })?,
                expires_at: time(row, const { Self::place("expires_at") })?,
                state: state(row)?,
                history: json(row, const { Self::place("history") })?,
                plan: json_if_any(row, const { Self::place("plan") })?,
                tally: tally(row, const { Self::place("completed") })?,
                usage: usage(row, const { Self::place("input_tokens") })?,
                revision: row.get(const { Self::place("revision") })?,
            },
            epoch: row.get(const { Self::place("epoch") })?,
            worker: text_if_any(row, const { Self::place("worker") })?,
            output_bytes: row.get(const { Self::place("output_bytes") })?,
            error_bytes: row.get(const { Self::place("error_bytes") })?,
        })
    }
}

/// A file's row: the file, and what only the store knows of it.
#[derive(Debug)]
pub(super) struct FileRow {
    pub(super) file: File,
    pub(super) deleted_at: Option<Timestamp>,
    /// The batch, when this is one of its result files, and which: `output` or `error`.
    pub(super) results_of: Option<(String, String)>,
}

impl FileRow {
    pub(super) const COLUMNS: &str = "id, project, purpose, filename, bytes, created_at, \
         expires_at, deleted_at, results_of, part";

    const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let batch: Option<String> = row.get(const { Self::place("results_of") })?;
        let part: Option<String> = row.get(const { Self::place("part") })?;
        Ok(Self {
            file: File {
                id: text(row, const { Self::place("id") })?,
                project: text(row, const { Self::place("project") })?,
                purpose: word(row, const { Self::place("purpose") }, Purpose::parse)?,
                filename: row.get(const { Self::place("filename") })?,
                bytes: row.get(const { Self::place("bytes") })?,
                created_at: time(row, const { Self::place("created_at") })?,
                expires_at: time_if_any(row, const { Self::place("expires_at") })?,
            },
            deleted_at: time_if_any(row, const { Self::place("deleted_at") })?,
            results_of: batch.zip(part),
        })
    }
}

/// An upload's row.
#[derive(Debug)]
pub(super) struct UploadRow(pub(super) Upload);

impl UploadRow {
    pub(super) const COLUMNS: &str = "id, project, purpose, filename, bytes, created_at, \
         expires_at, file_expires_after, part_count, part_bytes, status, file, completed_at, \
         part_order";

    const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let after: Option<u64> = row.get(const { Self::place("file_expires_after") })?;
        Ok(Self(Upload {
            id: text(row, const { Self::place("id") })?,
            project: text(row, const { Self::place("project") })?,
            purpose: word(row, const { Self::place("purpose") }, Purpose::parse)?,
            filename: row.get(const { Self::place("filename") })?,
            bytes: row.get(const { Self::place("bytes") })?,
            created_at: time(row, const { Self::place("created_at") })?,
            expires_at: time(row, const { Self::place("expires_at") })?,
            file_expires_after: after.map(Duration::from_micros),
            parts: row.get(const { Self::place("part_count") })?,
            part_bytes: row.get(const { Self::place("part_bytes") })?,
            state: match word(row, const { Self::place("status") }, UploadStatus::parse)? {
                UploadStatus::Pending => UploadState::Pending,
                UploadStatus::Cancelled => UploadState::Cancelled,
                UploadStatus::Expired => UploadState::Expired,
                UploadStatus::Completed => UploadState::Completed {
                    file: text(row, const { Self::place("file") })?,
                    at: time(row, const { Self::place("completed_at") })?,
                    order: json(row, const { Self::place("part_order") })?,
                },
            },
        }))
    }
}

/// The row of a part of an upload.
#[derive(Debug)]
pub(super) struct PartRow(pub(super) UploadPart);

impl PartRow {
    pub(super) const COLUMNS: &str = "id, upload, created_at, blob, start, length, checksum";

    const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self(UploadPart {
            id: text(row, const { Self::place("id") })?,
            upload: text(row, const { Self::place("upload") })?,
            created_at: time(row, const { Self::place("created_at") })?,
            extent: extent_if_any(row, OWN)?.ok_or_else(|| unreadable(row, "blob", Type::Null))?,
        }))
    }
}

/// A segment's row.
#[derive(Debug)]
pub(super) struct SegmentRow {
    pub(super) segment: Segment,
    /// Where its lines begin in the output file.
    pub(super) output_at: Option<u64>,
    /// Where its lines begin in the error file.
    pub(super) error_at: Option<u64>,
    /// The last of the segments that were merged into it.
    pub(super) last: (u64, u64),
}

impl SegmentRow {
    pub(super) const COLUMNS: &str = "epoch, seq, last_epoch, last_seq, output_blob, \
         output_start, output_length, output_checksum, output_at, error_blob, error_start, \
         error_length, error_checksum, error_at, index_blob, index_start, index_length, \
         index_checksum, lines, completed, failed, unrun, input_tokens, cached_tokens, \
         output_tokens, reasoning_tokens, total_tokens";

    const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let lines = LineSet::from_bytes(row.get_ref(const { Self::place("lines") })?.as_blob()?)
            .ok_or_else(|| unreadable(row, "lines", Type::Blob))?;
        let segment = Segment {
            epoch: row.get(const { Self::place("epoch") })?,
            seq: row.get(const { Self::place("seq") })?,
            output: extent_from(row, const { Self::place("output_blob") })?,
            error: extent_from(row, const { Self::place("error_blob") })?,
            index: extent_from(row, const { Self::place("index_blob") })?,
            lines,
            tally: tally(row, const { Self::place("completed") })?,
            usage: usage(row, const { Self::place("input_tokens") })?,
        };
        Ok(Self {
            segment,
            output_at: row.get(const { Self::place("output_at") })?,
            error_at: row.get(const { Self::place("error_at") })?,
            last: (
                row.get(const { Self::place("last_epoch") })?,
                row.get(const { Self::place("last_seq") })?,
            ),
        })
    }
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

fn ending(word: &str) -> Option<Ending> {
    [Ending::Drained, Ending::DeadlinePassed]
        .into_iter()
        .find(|ending| ending_word(*ending) == word)
}

/// The word for an ending in its column.
pub(super) const fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Drained => "drained",
        Ending::DeadlinePassed => "deadline_passed",
    }
}

fn unreadable(row: &Row<'_>, column: impl RowIndex, found: Type) -> rusqlite::Error {
    let index = column.idx(row.as_ref()).unwrap_or_default();
    let name = row.as_ref().column_name(index).unwrap_or("?");
    let text = format!("the column {name} does not hold what it must");
    rusqlite::Error::FromSqlConversionFailure(index, found, text.into())
}
