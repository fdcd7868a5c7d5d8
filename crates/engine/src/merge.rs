//! Merges small segments of a running batch in the background.
//!
//! A slow batch flushes twice a second for hours; without this it would leave a hundred thousand tiny
//! blobs and rows behind. Neighbouring segments are concatenated byte for byte, so no offset in a result
//! file moves. Sealing never waits for it.

use std::sync::Arc;

use overnight_core::segment::{BlobKey, Extent, Part, Segment};
use overnight_store::blobs::{BlobError, BlobWriter, PIECE_BYTES};
use xxhash_rust::xxh3::Xxh3;

use crate::run::Run;
use crate::shared::Shared;

/// So many neighbours are merged at once, and none are looked for before there are as many new ones.
pub(crate) const NEIGHBOURS: usize = 64;

/// A segment with more bytes than this is left alone.
const SMALL_BYTES: u64 = 64 << 10;

/// How many segments are read at once.
const PAGE: usize = 512;

/// Whether segments may be being merged while a run records its segment of that number.
pub(crate) const fn may_run_at(seq: u64) -> bool {
    seq + 1 >= NEIGHBOURS as u64
}

/// Merges a batch's small segments whenever enough of them were recorded. Ends with its task.
pub(crate) async fn merge_small(shared: Arc<Shared>, run: Arc<Run>) {
    let mut after = None;
    loop {
        run.recorder.many_recorded(NEIGHBOURS as u64).await;
        if let Err(error) = pass(&shared, &run, &mut after).await {
            let error: &dyn std::error::Error = &*error;
            tracing::warn!(batch.id = %run.batch_id(), error, "small segments were not merged");
        }
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Merges what can be merged behind a segment, and moves on behind what was looked at.
async fn pass(shared: &Shared, run: &Run, after: &mut Option<(u64, u64)>) -> Result<(), Failed> {
    loop {
        let page = shared.store.segments(run.batch_id(), *after, PAGE).await?;
        let mut rest = page.as_slice();
        while let Some(first) = rest.first() {
            let count = rest
                .iter()
                .take(NEIGHBOURS)
                .take_while(|segment| is_small(segment))
                .count();
            let (group, behind) = rest.split_at(count.max(1));
            if count == NEIGHBOURS {
                merge(shared, run, group).await?;
            } else if behind.is_empty() && is_small(first) {
                // There may be more to come for this group.
                return Ok(());
            }
            *after = group.last().map(|last| (last.epoch, last.seq));
            rest = behind;
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

fn is_small(segment: &Segment) -> bool {
    let bytes = |extent: &Option<Extent>| extent.as_ref().map_or(0, |extent| extent.length);
    bytes(&segment.output) + bytes(&segment.error) <= SMALL_BYTES
}

async fn merge(shared: &Shared, run: &Run, group: &[Segment]) -> Result<(), Failed> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let extents = |part: fn(&Segment) -> Option<&Extent>| group.iter().filter_map(part).collect();
    let output = concatenate(
        shared,
        run,
        first.seq,
        Part::Output,
        extents(|s| s.output.as_ref()),
    );
    let error = concatenate(
        shared,
        run,
        first.seq,
        Part::Error,
        extents(|s| s.error.as_ref()),
    );
    // One that says nothing of some of the lines is of no use.
    let indexes: Option<Vec<&Extent>> = group.iter().map(|s| s.index.as_ref()).collect();
    let indexes = indexes.unwrap_or_default();
    let index = concatenate(shared, run, first.seq, Part::Index, indexes);
    let mut merged = Segment {
        output: output.await?,
        error: error.await?,
        // An index that was lost is missed by nobody but look-ups.
        index: index.await.unwrap_or_default(),
        ..first.clone()
    };
    for segment in group.iter().skip(1) {
        merged.lines.union_with(&segment.lines);
        merged.tally += segment.tally;
        merged.usage += segment.usage;
    }
    let last = (last.epoch, last.seq);
    shared
        .store
        .merge(run.batch_id(), last, &merged, shared.clock.now())
        .await?;
    Ok(())
}

/// One extent with the bytes of several: the run that they are when they lie one after another in
/// one file, else a new blob.
async fn concatenate(
    shared: &Shared,
    run: &Run,
    seq: u64,
    part: Part,
    extents: Vec<&Extent>,
) -> Result<Option<Extent>, BlobError> {
    let Some(first) = extents.first() else {
        return Ok(None);
    };
    let in_place = extents.windows(2).all(|pair| match pair {
        [one, next] => one.blob == next.blob && one.offset + one.length == next.offset,
        _ => true,
    });
    let mut writer = (!in_place).then(|| {
        let random = shared.entropy.draw();
        let epoch = run.lease().epoch;
        shared
            .blobs
            .upload(&BlobKey::segment(run.batch_id(), epoch, seq, part, random))
    });
    let mut hash = Xxh3::new();
    let mut length = 0;
    for extent in &extents {
        let copied = copy(shared, extent, &mut hash, writer.as_mut()).await;
        // An index may be lost.
        if part != Part::Index
            && let Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) = &copied
        {
            shared.found_damage(extent, error).await;
        }
        copied?;
        length += extent.length;
    }
    match writer {
        Some(writer) => writer.finish().await.map(Some),
        None => Ok(Some(Extent {
            length,
            checksum: hash.digest(),
            ..(*first).clone()
        })),
    }
}

/// Takes the bytes of an extent into a checksum and a new blob, and compares them with its own.
async fn copy(
    shared: &Shared,
    extent: &Extent,
    hash: &mut Xxh3,
    mut writer: Option<&mut BlobWriter>,
) -> Result<(), BlobError> {
    let end = extent.offset + extent.length;
    let mut own = Xxh3::new();
    let mut at = extent.offset;
    while at < end {
        let until = end.min(at + PIECE_BYTES);
        let piece = shared.blobs.read(&extent.blob, at..until).await?;
        own.update(&piece);
        hash.update(&piece);
        if let Some(writer) = &mut writer {
            writer.write(piece).await?;
        }
        at = until;
    }
    if own.digest() == extent.checksum {
        Ok(())
    } else {
        let text = format!("{} is not what was written", extent.blob);
        Err(BlobError::Corrupt(text.into()))
    }
}
