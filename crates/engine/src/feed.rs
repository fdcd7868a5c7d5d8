//! Reads the plan's next lines ahead of the lanes.
//!
//! One feed a model, so that a lane that stands still holds up no other. A feed reads the input in
//! pieces and stops when its queue has a piece in hand; small lines are copied out of their piece, so that a slow
//! line does not keep the whole piece in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use overnight_core::plan::{self, PlanEntry};
use overnight_core::segment::{BlobKey, LineSet};

use tokio::sync::Notify;

use crate::line::{HELD_BYTES_MAX, Line};
use crate::run::{Run, Stop};
use crate::send;
use crate::shared::Shared;

/// The feeds of all open batches together read about so much ahead.
const AHEAD_BYTES: usize = 32 << 20;

/// A piece is at least and at most so large, however many batches are open.
const PIECE_BYTES: Range<usize> = (8 << 10)..(256 << 10);

/// The lines of one model of a batch.
pub(crate) struct Feed {
    pub(crate) model: Arc<str>,
    /// Where their entries lie in the plan's blob.
    pub(crate) runs: Vec<plan::Run>,
    pub(crate) blob: BlobKey,
    /// Notified when the lane runs low.
    pub(crate) hungry: Arc<Notify>,
    /// Lines that were recorded before this run began.
    pub(crate) done: Arc<LineSet>,
}

/// Feeds a lane until there are no more lines, or the batch sends nothing more.
pub(crate) async fn feed(shared: Arc<Shared>, run: Arc<Run>, lines: Feed) {
    let ended = feed_lines(&shared, &run, &lines).await;
    shared.lanes.end_feed(run.key(), &lines.model);
    if let Err(stop) = ended {
        run.break_off(stop);
    }
}

async fn feed_lines(shared: &Arc<Shared>, run: &Arc<Run>, lines: &Feed) -> Result<(), Stop> {
    for entries in lines.runs.iter().map(plan::Run::range) {
        let mut at = entries.start;
        while at < entries.end {
            let piece_bytes = piece_bytes(shared.lanes.open_queues());
            let step = (piece_bytes / PlanEntry::SIZE * PlanEntry::SIZE) as u64;
            let range = at..entries.end.min(at + step);
            at = range.end;
            let read = || shared.blobs.read(&lines.blob, range.clone());
            let bytes = shared.persist_blob(run, read).await?;
            let wanted: Vec<PlanEntry> = bytes
                .chunks_exact(PlanEntry::SIZE)
                .filter_map(PlanEntry::decode)
                .filter(|entry| !lines.done.contains(entry.line))
                .collect();
            let mut rest = wanted.as_slice();
            while !rest.is_empty() {
                while shared.lanes.is_fed(run.key(), &lines.model, piece_bytes) {
                    if !shared.lanes.is_open(run.key()) {
                        return Ok(());
                    }
                    lines.hungry.notified().await;
                }
                if !shared.room_on_disk(run).await {
                    return Ok(());
                }
                let (piece, behind) = rest.split_at(next_piece(rest, piece_bytes));
                let ready = read_piece(shared, run, piece).await?;
                send::launch(shared, shared.lanes.feed(run.key(), &lines.model, ready));
                send::refuse_unserved(shared).await;
                rest = behind;
            }
        }
    }
    Ok(())
}

/// How much is read at once: less when many batches or models are open.
fn piece_bytes(open_queues: usize) -> usize {
    (AHEAD_BYTES / open_queues.max(1)).clamp(PIECE_BYTES.start, PIECE_BYTES.end)
}

/// How many of the entries are read in one piece: neighbours in the file, or one long line.
fn next_piece(entries: &[PlanEntry], piece_bytes: usize) -> usize {
    let Some(first) = entries.first() else {
        return 0;
    };
    let end = first.offset + piece_bytes as u64;
    let fits = |entry: &&PlanEntry| entry.length <= HELD_BYTES_MAX && entry.range().end <= end;
    entries.iter().take_while(fits).count().max(1)
}

/// Reads the lines of one piece. A long line is not read; neither is one whose bytes cannot be had, so
/// that its own attempt finds out what is wrong with it.
async fn read_piece(shared: &Shared, run: &Run, piece: &[PlanEntry]) -> Result<Vec<Line>, Stop> {
    let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
        return Ok(Vec::new());
    };
    if first.length > HELD_BYTES_MAX {
        return Ok(piece
            .iter()
            .map(|entry| Line::fresh(*entry, None))
            .collect());
    }
    let input = run.input().ok_or(Stop::Broken)?;
    let range = first.offset..last.range().end;
    let bytes = match shared.persist_blob(run, || input.read(range.clone())).await {
        Ok(bytes) => Some(bytes),
        Err(Stop::Damaged(_)) => None,
        Err(stop @ (Stop::Fenced | Stop::Released | Stop::Broken | Stop::Lost(_))) => {
            return Err(stop);
        }
    };
    let line = |entry: &PlanEntry| {
        let start = usize::try_from(entry.offset - first.offset).ok()?;
        let line = bytes
            .as_ref()?
            .get(start..start.checked_add(entry.length as usize)?)?;
        entry.parts(line).map(|_| Bytes::copy_from_slice(line))
    };
    Ok(piece
        .iter()
        .map(|entry| Line::fresh(*entry, line(entry)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_read_at_once_the_more_is_open() {
        assert_eq!(piece_bytes(0), piece_bytes(1));
        assert_eq!(piece_bytes(1), PIECE_BYTES.end.min(AHEAD_BYTES));
        assert_eq!(
            piece_bytes(AHEAD_BYTES / PIECE_BYTES.end * 2),
            PIECE_BYTES.end / 2
        );
        assert_eq!(piece_bytes(usize::MAX), PIECE_BYTES.start);
    }
}
