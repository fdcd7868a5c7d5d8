//! Ends a batch: gives every line that has none its error line, then the result files.
//!
//! Nothing is copied. A result file is the extents of the batch's segments in their order, so what is
//! left to do is writing the lines of the unrun, and one transaction.

use bytes::Bytes;
use overnight_core::batch::{Batch, Status};
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::outcome::LineError;
use overnight_core::plan::PlanEntry;
use overnight_core::segment::ResultFile;
use overnight_core::usage::Usage;
use overnight_store::store::Sealing;

use crate::input::InputReader;
use crate::load::{NO_ID, sound_id};
use crate::planted::is_forgotten;
use crate::record::{Buffer, LineResult, Outcome, record_now};
use crate::run::{Run, Stop};
use crate::send::line_ids;
use crate::shared::Shared;

/// The entries of so many lines are read at once.
const ENTRIES_BYTES: u64 = (256 << 10) / PlanEntry::SIZE as u64 * PlanEntry::SIZE as u64;

/// Small lines are read in pieces of about this size; a longer one by itself, bit by bit.
const INPUT_BYTES: u64 = 256 << 10;

/// Error lines of the unrun are recorded in segments of about this size.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Seals a batch in which nothing is in flight and everything that came is recorded.
///
/// # Errors
///
/// [`Stop`] when it cannot be ended here.
pub(crate) async fn seal(shared: &Shared, run: &Run, batch: &Batch) -> Result<Status, Stop> {
    if batch.plan.is_some() && !run.recorder.is_complete() {
        let why = match batch.state.status() {
            Status::Cancelling => LineError::Cancelled,
            Status::Validating
            | Status::InProgress
            | Status::Finalizing
            | Status::Completed
            | Status::Failed
            | Status::Expired
            | Status::Cancelled => LineError::Expired,
        };
        if run.is_lost() {
            end_unknown(shared, run, why).await?;
        } else {
            end_unrun(shared, run, batch, why).await?;
        }
    }
    let at = shared.clock.now();
    let sealing = Sealing {
        output: result_file(shared, batch, ResultFile::Output),
        error: result_file(shared, batch, ResultFile::Error),
    };
    let sealed = shared
        .persist(run, || shared.store.seal(run.lease(), &sealing, at))
        .await?;
    Ok(sealed.state.status())
}

fn result_file(shared: &Shared, batch: &Batch, file: ResultFile) -> File {
    let at = shared.clock.now();
    let live_for = batch
        .spec
        .output_expires_after
        .or(shared.settings.results_expire_after);
    File {
        id: FileId::new(at, shared.entropy.draw()),
        project: batch.project.clone(),
        purpose: Purpose::BatchOutput,
        filename: format!("{}_{}.jsonl", batch.id, file.as_str()),
        // The store knows the size.
        bytes: 0,
        created_at: at,
        expires_at: live_for.map(|live_for| at.plus(live_for)),
    }
}

/// Writes an error line for every line of the plan that is not done.
async fn end_unrun(shared: &Shared, run: &Run, batch: &Batch, why: LineError) -> Result<(), Stop> {
    let Some(plan) = &batch.plan else {
        return Ok(());
    };
    let done = run.recorder.done();
    // A former run may have ended lines under free numbers while nobody knew the plan. As many lines
    // of the plan have their outcome there, so that every line is counted once.
    let mut left = usize::try_from(plan.total.saturating_sub(done.len())).unwrap_or(usize::MAX);
    let entries_end = plan.entries.offset + plan.total * PlanEntry::SIZE as u64;
    let mut at = plan.entries.offset;
    let mut buffer = Buffer::default();
    while at < entries_end {
        let range = at..entries_end.min(at + ENTRIES_BYTES);
        at = range.end;
        let read = || shared.blobs.read(&plan.entries.blob, range.clone());
        let bytes = shared.persist_blob(run, read).await?;
        let unrun: Vec<PlanEntry> = bytes
            .chunks_exact(PlanEntry::SIZE)
            .filter_map(PlanEntry::decode)
            .filter(|entry| !done.contains(entry.line) && !is_forgotten(run.key(), entry.line))
            .take(left)
            .collect();
        left -= unrun.len();
        let mut rest = unrun.as_slice();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(next_piece(rest));
            end_piece(shared, run, piece, why, &mut buffer).await?;
            if buffer.bytes() >= SEGMENT_BYTES {
                record_now(shared, run, std::mem::take(&mut buffer)).await?;
            }
            rest = behind;
        }
    }
    record_now(shared, run, buffer).await
}

/// How many of the entries have their lines close enough to be read together.
fn next_piece(entries: &[PlanEntry]) -> usize {
    let Some(first) = entries.first() else {
        return 0;
    };
    let (start, end) = (first.offset, first.offset + INPUT_BYTES);
    let fits = |entry: &&PlanEntry| entry.offset >= start && entry.range().end <= end;
    entries.iter().take_while(fits).count().max(1)
}

async fn end_piece(
    shared: &Shared,
    run: &Run,
    piece: &[PlanEntry],
    why: LineError,
    buffer: &mut Buffer,
) -> Result<(), Stop> {
    // The plan has the lines of one model behind those of another, so the last entry of a piece
    // need not be the last in the file.
    let end = piece.iter().map(|entry| entry.range().end).max();
    let (Some(first), Some(end)) = (piece.first(), end) else {
        return Ok(());
    };
    let input = run.input().ok_or(Stop::Broken)?;
    let range = first.offset..end;
    let bytes = if end - first.offset > INPUT_BYTES {
        Bytes::new()
    } else {
        match shared.persist_blob(run, || input.read(range.clone())).await {
            Ok(bytes) => bytes,
            // Some of its lines may be whole: each is read by itself.
            Err(Stop::Damaged(_)) => Bytes::new(),
            Err(stop @ (Stop::Fenced | Stop::Released | Stop::Broken | Stop::Lost(_))) => {
                return Err(stop);
            }
        }
    };
    for entry in piece {
        let start = usize::try_from(entry.offset - first.offset).unwrap_or(usize::MAX);
        let line = bytes.get(start..start.saturating_add(entry.length as usize));
        let custom_id = match line.and_then(|line| entry.parts(line)) {
            Some(parts) => bytes.slice_ref(parts.custom_id),
            None => id_of(shared, run, input, entry).await?,
        };
        buffer.push(&unrun(shared, entry.line, &custom_id), Outcome::Error(why));
    }
    Ok(())
}

/// The id of one line; none when the line is lost or damaged: every line gets its outcome.
async fn id_of(
    shared: &Shared,
    run: &Run,
    input: &InputReader,
    entry: &PlanEntry,
) -> Result<Bytes, Stop> {
    match shared.persist_blob(run, || sound_id(input, entry)).await {
        Ok(custom_id) => Ok(custom_id),
        Err(Stop::Damaged(error)) => {
            shared.found_damaged_line(run, entry, &error).await;
            Ok(Bytes::from_static(NO_ID))
        }
        Err(stop @ (Stop::Fenced | Stop::Released | Stop::Broken | Stop::Lost(_))) => Err(stop),
    }
}

/// Writes an error line for each line that is not done of a batch whose lines nobody knows any more. How
/// many those are is known; their ids are not, and their numbers are free ones.
async fn end_unknown(shared: &Shared, run: &Run, why: LineError) -> Result<(), Stop> {
    let done = run.recorder.done();
    let left = usize::try_from(run.total().saturating_sub(done.len())).unwrap_or(usize::MAX);
    let mut buffer = Buffer::default();
    for line in (1..).filter(|line| !done.contains(*line)).take(left) {
        buffer.push(&unrun(shared, line, NO_ID), Outcome::Error(why));
        if buffer.bytes() >= SEGMENT_BYTES {
            record_now(shared, run, std::mem::take(&mut buffer)).await?;
        }
    }
    record_now(shared, run, buffer).await
}

/// The result of a line that was never run.
fn unrun<'a>(shared: &Shared, line: u32, custom_id: &'a [u8]) -> LineResult<'a> {
    LineResult {
        line,
        custom_id,
        ids: line_ids(shared),
        attempts: 0,
        took: std::time::Duration::ZERO,
        usage: Usage::default(),
    }
}
