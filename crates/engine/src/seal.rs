//! Ends a batch: gives every line that has none its error line, then the result files.
//!
//! Nothing is copied. A result file is the extents of the batch's segments in their order, so what is
//! left to do is writing the lines of the unrun, and one transaction.

use std::ops::Range;

use bytes::Bytes;
use overnight_core::batch::{Batch, Status};
use overnight_core::outcome::LineError;
use overnight_core::plan::PlanEntry;
use overnight_core::segment::{BlobKey, LineSet};
use overnight_core::usage::Usage;
use tokio::sync::SemaphorePermit;

use crate::input::InputReader;
use crate::load::{NO_ID, sound_id};
use crate::planted::is_forgotten;
use crate::record::{Buffer, LineResult, Outcome, record_now, sealing};
use crate::run::{Run, Stop};
use crate::send::line_ids;
use crate::shared::Shared;

/// The entries of so many lines are read at once.
const ENTRIES_BYTES: u64 = (256 << 10) / PlanEntry::SIZE as u64 * PlanEntry::SIZE as u64;

/// Small lines are read in pieces of about this size; a longer one by itself, bit by bit.
const INPUT_BYTES: u64 = 256 << 10;

/// Error lines of the unrun are recorded in segments of about this size: large enough that to make one
/// durable takes little of the time that it takes to write.
const SEGMENT_BYTES: u64 = 8 << 20;

/// So many of them are in memory at a time, of all batches: two batches that end at once write without
/// a pause, and a thousand take no more memory than two.
pub(crate) const UNRUN_SEGMENTS_MAX: usize = 4;

/// Seals a batch in which nothing is in flight and everything that came is recorded.
///
/// # Errors
///
/// [`Stop`] when it cannot be ended here.
pub(crate) async fn seal(shared: &Shared, run: &Run, batch: &Batch) -> Result<Batch, Stop> {
    let began = shared.clock.now();
    let sealed = end(shared, run, batch).await?;
    if let Some(trace) = &run.trace {
        trace.stage("seal", began, None);
    }
    Ok(sealed)
}

async fn end(shared: &Shared, run: &Run, batch: &Batch) -> Result<Batch, Stop> {
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
        let ended = if run.is_lost() {
            end_unknown(shared, run, why).await?
        } else {
            end_unrun(shared, run, batch, why).await?
        };
        if let Some(ended) = ended {
            return Ok(ended);
        }
    }
    let (sealing, at) = (sealing(shared, run), shared.clock.now());
    shared
        .persist(run, || shared.store.seal(run.lease(), &sealing, at))
        .await
}

/// Writes an error line for every line of the plan that is not done. Answers the batch when it has
/// ended with that.
async fn end_unrun(
    shared: &Shared,
    run: &Run,
    batch: &Batch,
    why: LineError,
) -> Result<Option<Batch>, Stop> {
    let Some(plan) = &batch.plan else {
        return Ok(None);
    };
    let input = run.input().ok_or(Stop::Broken)?;
    let done = run.recorder.done();
    let mut unrun = Unrun {
        shared,
        run,
        input,
        plan: &plan.entries.blob,
        entries: plan.entries.offset..plan.entries.offset + plan.total * PlanEntry::SIZE as u64,
        // A former run may have ended lines under free numbers while nobody knew the plan. As many lines
        // of the plan have their outcome there, so that every line is counted once.
        left: usize::try_from(plan.total.saturating_sub(done.len())).unwrap_or(usize::MAX),
        done,
        waiting: Vec::new(),
        looked_at: 0,
        why,
    };
    let mut full = unrun.next().await?;
    let mut ended = None;
    while !full.buffer.is_empty() {
        // The next segment is made while this one is written.
        (full, ended) = tokio::try_join!(unrun.next(), full.record(run))?;
    }
    Ok(ended)
}

/// Error lines of about one segment, and the leave to have them in memory.
struct Full<'a> {
    shared: &'a Shared,
    buffer: Buffer,
    _room: Option<SemaphorePermit<'a>>,
}

impl<'a> Full<'a> {
    /// No lines yet.
    async fn start(shared: &'a Shared) -> Self {
        Self {
            shared,
            buffer: Buffer::default(),
            // Never closed.
            _room: shared.unrun_segments.acquire().await.ok(),
        }
    }

    async fn record(self, run: &Run) -> Result<Option<Batch>, Stop> {
        record_now(self.shared, run, self.buffer).await
    }
}

/// The lines that are not done, on their way to their error lines.
struct Unrun<'a> {
    shared: &'a Shared,
    run: &'a Run,
    input: &'a InputReader,
    plan: &'a BlobKey,
    /// Where the entries that were not looked at yet lie in the plan.
    entries: Range<u64>,
    /// How many more lines may be ended.
    left: usize,
    done: LineSet,
    /// Lines that are not done, and how many of them, the first ones, have their error line.
    waiting: Vec<PlanEntry>,
    looked_at: usize,
    why: LineError,
}

impl<'a> Unrun<'a> {
    /// The error lines of about one segment more; none when every line has its outcome.
    async fn next(&mut self) -> Result<Full<'a>, Stop> {
        let mut full = Full::start(self.shared).await;
        while full.buffer.bytes() < SEGMENT_BYTES {
            let Some(waiting @ [_, ..]) = self.waiting.get(self.looked_at..) else {
                if self.read_entries().await? {
                    continue;
                }
                break;
            };
            let (piece, _) = waiting.split_at(next_piece(waiting));
            self.looked_at += piece.len();
            end_piece(
                self.shared,
                (self.run, self.input),
                piece,
                self.why,
                &mut full.buffer,
            )
            .await?;
        }
        Ok(full)
    }

    /// Reads more entries of the plan; false when there are none.
    async fn read_entries(&mut self) -> Result<bool, Stop> {
        let until = self.entries.end.min(self.entries.start + ENTRIES_BYTES);
        let range = self.entries.start..until;
        if range.is_empty() {
            return Ok(false);
        }
        self.entries.start = until;
        let read = || self.shared.blobs.read(self.plan, range.clone());
        let bytes = self.shared.persist_blob(self.run, read).await?;
        let is_unrun = |entry: &PlanEntry| {
            !self.done.contains(entry.line) && !is_forgotten(self.run.key(), entry.line)
        };
        let entries = bytes.chunks_exact(PlanEntry::SIZE);
        let unrun = entries.filter_map(PlanEntry::decode).filter(is_unrun);
        self.waiting = unrun.take(self.left).collect();
        self.left -= self.waiting.len();
        self.looked_at = 0;
        Ok(true)
    }
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
    (run, input): (&Run, &InputReader),
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
/// many those are is known; their ids are not, and their numbers are free ones. Answers the batch when
/// it has ended with that.
async fn end_unknown(shared: &Shared, run: &Run, why: LineError) -> Result<Option<Batch>, Stop> {
    let done = run.recorder.done();
    let left = usize::try_from(run.total().saturating_sub(done.len())).unwrap_or(usize::MAX);
    let mut full = Full::start(shared).await;
    for line in (1..).filter(|line| !done.contains(*line)).take(left) {
        let buffer = &mut full.buffer;
        buffer.push(&unrun(shared, line, NO_ID), Outcome::Error(why));
        if buffer.bytes() >= SEGMENT_BYTES {
            record_now(shared, run, std::mem::take(buffer)).await?;
        }
    }
    full.record(run).await
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
