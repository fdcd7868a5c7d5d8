//! What every driver decides alike, whatever its SQL: which rows a change needs, and which it refuses.

use std::time::Duration;

use overnight_core::batch::{Batch, Ending, Event, IllegalTransition, Plan, State, Status, Tally};
use overnight_core::id::ProjectId;
use overnight_core::segment::{BlobKey, PlacedExtent, Segment};
use overnight_core::time::Timestamp;
use overnight_core::usage::Usage;
use serde::Serialize;

use crate::rows::BatchRow;
use crate::store::{Page, Result, StoreError};

/// How long the bytes of a deleted file, or of a merged segment, are kept for downloads that are
/// under way.
pub(crate) const DOWNLOAD_GRACE: Duration = Duration::from_mins(10);

/// How long an upload is remembered behind its expiry, so that a client that comes late is told
/// what became of it.
pub(crate) const UPLOAD_KEPT: Duration = Duration::from_hours(24);

/// The longest time for which a hold on all deletions is asked for.
pub(crate) const HOLD_MAX: Duration = Duration::from_mins(1);

/// A row, or what a caller wants to make of it, that contradicts itself.
pub(crate) fn contradiction(text: impl Into<String>) -> StoreError {
    StoreError::Contradicts(text.into().into())
}

/// Databases' integers are signed. A larger number than they hold (a deadline at the end of time,
/// say) becomes the largest one.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn micros(at: Timestamp) -> i64 {
    int(at.micros())
}

/// A length of time as a number of microseconds.
pub(crate) fn span(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// That much before a time; `None` before there was time.
pub(crate) fn before(at: Timestamp, length: Duration) -> Option<i64> {
    let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    at.micros().checked_sub(length).map(int)
}

/// A page's size as a number of rows.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| contradiction(error.to_string()))
}

/// The first `limit` of what was found with a limit of one more.
pub(crate) fn page<T>(mut items: Vec<T>, limit: usize) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    Page { items, has_more }
}

/// The first extent that was found may end before the byte: it was asked for because it may hold
/// it.
pub(crate) fn from_byte(
    mut found: Vec<PlacedExtent>,
    from: u64,
    limit: usize,
) -> Vec<PlacedExtent> {
    found.retain(|placed| placed.at.saturating_add(placed.extent.length) > from);
    found.truncate(limit);
    found
}

/// The epoch that the key of a run's blob tells, with the batch; `None` for blobs of clients.
pub(crate) fn written_under(blob: &BlobKey) -> Option<(&str, u64)> {
    // Versions up to the third of the data folder gave each batch and each epoch a folder.
    let mut parts = blob.as_str().split(['/', '-']);
    let (Some("plans" | "segments"), Some(batch), Some(epoch)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((batch, epoch.parse().ok()?))
}

/// Refuses a batch that is further than a new one.
pub(crate) fn begins(batch: &Batch) -> Result<()> {
    if batch.state == State::Validating {
        return Ok(());
    }
    let text = format!("{} begins as {}", batch.id, batch.state.status());
    Err(contradiction(text))
}

/// Whether the project's clients see the batch.
pub(crate) fn is_seen_by(row: &BatchRow, project: &ProjectId) -> bool {
    row.batch.project == *project && row.deleted_at.is_none()
}

/// Refuses to delete a batch that is open.
pub(crate) fn may_be_deleted(batch: &Batch) -> Result<()> {
    let status = batch.state.status();
    if status.is_terminal() {
        return Ok(());
    }
    let event = "Deleted";
    Err(IllegalTransition { status, event }.into())
}

/// What a text is looked for as: without the letters' case, as far as they are ASCII, in every
/// driver.
pub(crate) fn needle(search: Option<&str>) -> Option<String> {
    search.map(str::to_ascii_lowercase)
}

/// The statuses by their words.
pub(crate) fn words(statuses: &[Status]) -> Vec<&'static str> {
    statuses.iter().map(|status| status.as_str()).collect()
}

/// What an event that a run brings asks of its batch.
pub(crate) enum Advance {
    /// Nothing: the commit's answer was lost, and the run asks again.
    Again,
    /// To be applied; where it changes nothing, this plan's blob is garbage.
    Apply(Option<BlobKey>),
}

/// Whether a run may bring this event, and what becomes of it.
pub(crate) fn advance(batch: &Batch, event: &Event) -> Result<Advance> {
    match event {
        Event::Validated(plan) if batch.plan.as_ref() == Some(plan) => Ok(Advance::Again),
        Event::Validated(plan) => Ok(Advance::Apply(Some(plan.entries.blob.clone()))),
        Event::Drained if batch.state == State::InProgress => {
            let (ended, total) = (batch.tally.ended(), batch.total());
            if ended == total {
                return Ok(Advance::Apply(None));
            }
            let text = format!("{ended} of {total} lines of {} ended", batch.id);
            Err(contradiction(text))
        }
        Event::CancelRequested | Event::Sealed(_) => {
            let (status, event) = (batch.state.status(), event.name());
            Err(IllegalTransition { status, event }.into())
        }
        Event::Rejected(_) | Event::DeadlinePassed | Event::Drained => Ok(Advance::Apply(None)),
    }
}

/// Refuses a plan of another number of lines than the one whose place it takes.
pub(crate) fn same_lines(batch: &Batch, old: &Plan, new: &Plan) -> Result<()> {
    if old.total == new.total {
        return Ok(());
    }
    Err(contradiction(format!(
        "the new plan of {} has {} lines, and the batch {}",
        batch.id, new.total, old.total
    )))
}

/// What a batch counts when a segment is added to it.
pub(crate) fn counted(batch: &Batch, segment: &Segment) -> Result<(Tally, Usage)> {
    if segment.lines.len() != segment.tally.ended() {
        let text = format!("a segment of {} does not tally its lines", batch.id);
        return Err(contradiction(text));
    }
    let (mut tally, mut usage) = (batch.tally, batch.usage);
    tally += segment.tally;
    usage += segment.usage;
    let (ended, total) = (tally.ended(), batch.total());
    if ended > total {
        return Err(contradiction(format!(
            "{ended} of {total} lines of {} would be done",
            batch.id
        )));
    }
    Ok((tally, usage))
}

/// Refuses to end a batch unless every line of it is in exactly one recorded segment: `recorded`
/// lines in all of them, `distinct` of them different.
pub(crate) fn conserved(batch: &Batch, recorded: u64, distinct: u64) -> Result<()> {
    let (total, counted) = (batch.total(), batch.tally.ended());
    if [distinct, recorded, counted]
        .iter()
        .all(|lines| *lines == total)
    {
        return Ok(());
    }
    Err(contradiction(format!(
        "{} has {total} lines; recorded are {recorded}, {distinct} of them distinct, and \
         {counted} are counted",
        batch.id
    )))
}

/// Each of those statuses with its number of batches, of which those without any were not counted.
pub(crate) fn counts_of(statuses: &[Status], counted: &[(Status, u64)]) -> Vec<(Status, u64)> {
    let count = |status| {
        let found = counted.iter().find(|(counted, _)| *counted == status);
        found.map_or(0, |(_, batches)| *batches)
    };
    statuses
        .iter()
        .map(|status| (*status, count(*status)))
        .collect()
}

/// The ending of that word.
pub(crate) fn ending(word: &str) -> Option<Ending> {
    [Ending::Drained, Ending::DeadlinePassed]
        .into_iter()
        .find(|ending| ending_word(*ending) == word)
}

/// The word for an ending in its column.
pub(crate) const fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Drained => "drained",
        Ending::DeadlinePassed => "deadline_passed",
    }
}
