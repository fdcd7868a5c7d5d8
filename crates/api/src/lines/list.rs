//! `GET /v1/batches/{id}/lines`: the lines of a batch, by number.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use overnight_core::batch::{Batch, Tally};
use overnight_core::failure::Failure;
use overnight_core::outcome::{preview, read_head};
use overnight_core::plan::PlanEntry;
use overnight_core::segment::ResultFile;

use super::ended::{Ended, Hidden};
use super::input::{InputFile, InputLines, Piece, custom_id_of, decoded, input_of};
use super::lowest::Lowest;
use super::plan::Entries;
use super::recorded::Recorded;
use crate::api::Api;
use crate::auth::Caller;
use crate::batches::{find, is_deleted};
use crate::errors::ApiError;
use crate::json;
use crate::params::unsupported;
use crate::path::BatchPath;
use crate::query::Query;
use crate::wire::line::{LineObject, LinePage, LineStatus};

/// How many lines a page may have.
pub(crate) const PAGE_MAX: u64 = 1_000;

/// How many it has when the client does not say.
const PAGE_DEFAULT: usize = 100;

/// How much of a failed line's message is shown, in characters.
const PREVIEW_CHARS_MAX: usize = 200;

/// A line of either kind.
pub(super) enum Row {
    /// It has ended.
    Ended(Ended),
    /// It has not.
    Pending(PlanEntry),
}

/// Which lines are asked for.
struct Wanted {
    status: Option<LineStatus>,
    signature: Option<String>,
}

/// Lists lines, or looks one up by its number or its `custom_id`.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.as_deref());
    let number = query.integer("line", 1..=u64::from(u32::MAX))?;
    let after = query
        .integer("after", 0..=u64::from(u32::MAX))?
        .unwrap_or(0);
    let limit = query.integer("limit", 1..=PAGE_MAX)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let wanted = Wanted {
        status: query.one("status")?.map(status).transpose()?,
        signature: query.one("signature")?.map(str::to_owned),
    };
    let batch = find(&api, &caller, &id).await?;
    let hidden = hidden(&api, &caller, &batch).await?;
    let number = match (number, query.one("custom_id")?) {
        (Some(number), _) => Some(number),
        (None, Some(id)) => Some(number_of(&api, &batch, id).await?.unwrap_or(0).into()),
        (None, None) => None,
    };
    let (rows, has_more) = if let Some(number) = number {
        let row = row_of(&api, &batch, hidden, number).await?;
        (row.into_iter().collect(), false)
    } else {
        let after = u32::try_from(after).unwrap_or(u32::MAX);
        let page = Lowest::new(after, limit.unwrap_or(PAGE_DEFAULT));
        chosen(&api, (&batch, hidden), &wanted, page).await?
    };
    let input = if rows.iter().any(|row| matches!(row, Row::Pending(_))) {
        input_of(&api, &batch).await?
    } else {
        None
    };
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        lines.push(shown(&api, row, input.as_ref()).await);
    }
    json::pretty(&LinePage::new(lines, has_more))
}

fn status(word: &str) -> Result<LineStatus, ApiError> {
    let found = LineStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == word);
    found.ok_or_else(|| unsupported("status", word, LineStatus::ALL.map(LineStatus::as_str)))
}

/// Which result files of the batch were deleted.
pub(super) async fn hidden(api: &Api, caller: &Caller, batch: &Batch) -> Result<Hidden, ApiError> {
    Ok(Hidden {
        output: is_deleted(api, caller, batch, ResultFile::Output).await?,
        error: is_deleted(api, caller, batch, ResultFile::Error).await?,
    })
}

/// The lowest lines of those that are wanted, and whether there are more.
async fn chosen(
    api: &Arc<Api>,
    (batch, hidden): (&Batch, Hidden),
    wanted: &Wanted,
    mut page: Lowest<Row>,
) -> Result<(Vec<Row>, bool), ApiError> {
    let mut recorded = Recorded::new(api, batch, hidden);
    while let Some(segment) = recorded.next().await? {
        let range = segment.lines.first().zip(segment.lines.last());
        if !wanted.may_be_in(&segment.tally)
            || range.is_none_or(|(first, last)| !page.wants_any(first, last))
        {
            continue;
        }
        let Some(signature) = &wanted.signature else {
            for ended in recorded.lines(&segment).await? {
                if wanted.wants(of(&ended)) {
                    page.put(ended.line, Row::Ended(ended));
                }
            }
            continue;
        };
        for (line, failure) in recorded.failures(&segment).await? {
            if let Some(ended) = line
                && page.wants(ended.line)
                && failure.signature() == *signature
            {
                page.put(ended.line, Row::Ended(ended));
            }
        }
    }
    let mut entries = Entries::of(batch).filter(|_| wanted.wants(LineStatus::Pending));
    while let Some(reader) = &mut entries
        && let Some(piece) = reader.next(api).await?
    {
        for entry in piece {
            if !recorded.seen().contains(entry.line) {
                page.put(entry.line, Row::Pending(entry));
            }
        }
    }
    Ok(page.into_page())
}

impl Wanted {
    /// Whether lines of which that became are asked for.
    fn wants(&self, status: LineStatus) -> bool {
        let has_cause = status == LineStatus::Failed || self.signature.is_none();
        has_cause && self.status.is_none_or(|wanted| wanted == status)
    }

    /// Whether a segment with that tally has such lines.
    fn may_be_in(&self, tally: &Tally) -> bool {
        let failed = tally.failed + tally.unrun;
        (self.wants(LineStatus::Completed) && tally.completed > 0)
            || (self.wants(LineStatus::Failed) && failed > 0)
    }
}

const fn of(ended: &Ended) -> LineStatus {
    match ended.file {
        ResultFile::Output => LineStatus::Completed,
        ResultFile::Error => LineStatus::Failed,
    }
}

/// The line of that number, if the batch has it.
pub(super) async fn row_of(
    api: &Arc<Api>,
    batch: &Batch,
    hidden: Hidden,
    number: u64,
) -> Result<Option<Row>, ApiError> {
    let Ok(number) = u32::try_from(number) else {
        return Ok(None);
    };
    let mut recorded = Recorded::new(api, batch, hidden);
    while let Some(segment) = recorded.next().await? {
        if segment.lines.contains(number) {
            let lines = recorded.lines(&segment).await?;
            let found = lines.into_iter().find(|ended| ended.line == number);
            return Ok(found.map(Row::Ended));
        }
    }
    let mut entries = Entries::of(batch);
    while let Some(reader) = &mut entries
        && let Some(piece) = reader.next(api).await?
    {
        if let Some(entry) = piece.into_iter().find(|entry| entry.line == number) {
            return Ok(Some(Row::Pending(entry)));
        }
    }
    Ok(None)
}

/// The number of the line with that `custom_id`, by the input file.
async fn number_of(api: &Arc<Api>, batch: &Batch, id: &str) -> Result<Option<u32>, ApiError> {
    let Some(input) = input_of(api, batch).await? else {
        return Ok(None);
    };
    let mut lines = InputLines::new(api, &input);
    while let Some(piece) = lines.next().await? {
        if let Some(number) = number_in(&piece, id) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

fn number_in(piece: &Piece, id: &str) -> Option<u32> {
    let finder = memchr::memmem::Finder::new(id);
    let mut lines = piece.lines();
    let is_it = |line: &[u8]| {
        // Most lines do not have the text at all, so they need not be taken apart.
        let may_be = memchr::memchr(b'\\', line).is_some() || finder.find(line).is_some();
        may_be && custom_id_of(line).as_deref() == Some(id.as_bytes())
    };
    lines
        .find(|(_, line)| is_it(line))
        .map(|(number, _)| number)
}

/// A line as clients see it. What cannot be read of it is left out.
pub(super) async fn shown(api: &Arc<Api>, row: &Row, input: Option<&InputFile>) -> LineObject {
    let ended = match row {
        Row::Pending(entry) => {
            let custom_id = match input {
                Some(input) => pending_id(api, input, entry).await,
                None => None,
            };
            return LineObject::pending(entry.line, custom_id);
        }
        Row::Ended(ended) => ended,
    };
    let bytes = ended.head(api).await;
    let head = bytes.as_deref().and_then(read_head);
    let gist = bytes
        .as_deref()
        .zip(head)
        .map(|(bytes, head)| match of(ended) {
            LineStatus::Completed => preview(head.body),
            LineStatus::Failed | LineStatus::Pending => {
                let message = Failure::read(bytes).message;
                message.chars().take(PREVIEW_CHARS_MAX).collect()
            }
        });
    let custom_id = head.and_then(|head| head.custom_id).map(text);
    LineObject::ended(ended, of(ended), custom_id, gist)
}

async fn pending_id(api: &Arc<Api>, input: &InputFile, entry: &PlanEntry) -> Option<String> {
    let start = entry.offset + u64::from(entry.id_start);
    let range = start..start + u64::from(entry.id_len);
    let token = input.read(api, range).await.ok()?;
    Some(text(std::str::from_utf8(&token).ok()?))
}

fn text(token: &str) -> String {
    String::from_utf8_lossy(&decoded(token)).into_owned()
}
