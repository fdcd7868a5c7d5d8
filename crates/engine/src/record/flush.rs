//! Writes what waits as blobs, then records it as a segment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::OptionFuture;
use overnight_core::batch::Batch;
use overnight_core::segment::{BlobKey, Extent, Part as SegmentPart, Segment};
use overnight_store::Blobs;
use overnight_store::blobs::{BlobError, BlobWriter};
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use super::buffer::{Buffer, FLUSH_BYTES, Lines, Part, stripped};
use super::{RECENT_LINES, Step, last};
use crate::engine::ResultTarget;
use crate::run::{Run, Stop};
use crate::shared::Shared;

/// Blob writes that are made durable, over all batches, take no more than about so many a second:
/// with many open batches each flushes less often.
const FLUSHES_PER_SECOND: u32 = 100;

/// Flushes what comes until the batch is complete or its recorder is closed and empty. Answers the
/// batch when it has ended with that.
///
/// # Errors
///
/// [`Stop`] when the batch cannot be recorded here any more.
pub(crate) async fn flush_all(shared: Arc<Shared>, run: Arc<Run>) -> Result<Option<Batch>, Stop> {
    let flushed = flush_until_done(&shared, &run).await;
    if flushed.is_err() {
        // Nobody may wait for room that will never be there.
        run.recorder.close();
    }
    flushed
}

async fn flush_until_done(shared: &Shared, run: &Run) -> Result<Option<Batch>, Stop> {
    loop {
        let open = u32::try_from(shared.open_runs()).unwrap_or(u32::MAX);
        let crowded = Duration::from_secs(1) * open / FLUSHES_PER_SECOND;
        let age_max = shared.settings.flush_age.max(crowded);
        match run.recorder.step(run.traffic(), age_max) {
            Step::Flush(buffer) => {
                let began = shared.clock.now();
                if let Some(ended) = flush(shared, run, *buffer).await? {
                    if let Some(trace) = &run.trace {
                        trace.stage("seal", began, None);
                    }
                    return Ok(Some(ended));
                }
            }
            Step::Until(due) => {
                let _ = tokio::time::timeout_at(due, run.recorder.nudge.notified()).await;
            }
            Step::Idle => run.recorder.nudge.notified().await,
            Step::Done => return Ok(None),
        }
    }
}

/// Records lines that were made without being sent, past the flush rule. Only while no other flush
/// is under way. Answers the batch when it has ended with that.
///
/// # Errors
///
/// [`Stop`] when the batch cannot be recorded here any more.
pub(crate) async fn record_now(
    shared: &Shared,
    run: &Run,
    buffer: Buffer,
) -> Result<Option<Batch>, Stop> {
    if buffer.is_empty() {
        Ok(None)
    } else {
        flush(shared, run, buffer).await
    }
}

async fn flush(shared: &Shared, run: &Run, mut buffer: Buffer) -> Result<Option<Batch>, Stop> {
    let began = Instant::now();
    let seq = run.recorder.take_seq();
    // How long a large answer's line is, is known once it was written; the index waits for that alone.
    let early = buffer.has_known_lengths().then(|| {
        let index = buffer.encode_index(run.recorder.lengths(), (&[], &[]));
        write_index(shared, run, seq, index)
    });
    let is_early = early.is_some();
    let early = OptionFuture::from(early);
    let lines = write_both(shared, run, seq, (&mut buffer.output, &mut buffer.error));
    let (index, lines) = tokio::join!(early, lines);
    let (output, error) = lines?;
    let index = if is_early {
        index.flatten()
    } else {
        let stripped = (&output.stripped[..], &error.stripped[..]);
        let index = buffer.encode_index(run.recorder.lengths(), stripped);
        write_index(shared, run, seq, index).await
    };
    let took = buffer.latest_took(RECENT_LINES);
    let segment = Segment {
        epoch: run.lease().epoch,
        seq,
        output: output.extent,
        error: error.extent,
        index,
        lines: buffer.lines,
        tally: buffer.tally,
        usage: buffer.usage,
    };
    let ended = last::record(shared, run, &segment).await?;
    run.recorder.recorded(&segment, &took);
    shared.counted(&segment, began.elapsed());
    Ok(ended)
}

/// Writes the lines of the two result files.
async fn write_both(
    shared: &Shared,
    run: &Run,
    seq: u64,
    (output, error): (&mut Lines, &mut Lines),
) -> Result<(Written, Written), Stop> {
    let output = write_lines(shared, run, seq, SegmentPart::Output, output);
    let error = write_lines(shared, run, seq, SegmentPart::Error, error);
    match shared.target {
        ResultTarget::Blobs => tokio::try_join!(output, error),
        // Appending is bound to one disk: two files at once gain nothing.
        ResultTarget::Append { .. } => Ok((output.await?, error.await?)),
    }
}

/// Where lines were written, and how many line ends each large answer among them lost.
#[derive(Default)]
struct Written {
    extent: Option<Extent>,
    stripped: Vec<u64>,
}

async fn write_lines(
    shared: &Shared,
    run: &Run,
    seq: u64,
    part: SegmentPart,
    lines: &mut Lines,
) -> Result<Written, Stop> {
    let parts = lines.take_parts();
    if parts.is_empty() {
        return Ok(Written::default());
    }
    let appended = match (&shared.target, part) {
        (ResultTarget::Append { output, .. }, SegmentPart::Output) => Some(output),
        (ResultTarget::Append { error, .. }, SegmentPart::Error) => Some(error),
        (ResultTarget::Append { .. }, SegmentPart::Index) | (ResultTarget::Blobs, _) => None,
    };
    let key = || {
        let random = shared.entropy.draw();
        BlobKey::segment(run.batch_id(), run.lease().epoch, seq, part, random)
    };
    if let (None, Some(bytes)) = (appended, plain(&parts)) {
        let put = || {
            let (key, bytes) = (key(), bytes.clone());
            async move { shared.blobs.put(&key, bytes).await }
        };
        let extent = shared.persist_blob(run, put).await?;
        return Ok(Written {
            extent: Some(extent),
            stripped: Vec::new(),
        });
    }
    let (recorded, tries) = (run.recorder.lengths(), AtomicU32::new(0));
    let write = || async {
        if let Some(key) = appended
            && tries.fetch_add(1, Ordering::Relaxed) > 0
        {
            // What the failed try left behind the recorded lines would shift them at the next start.
            let length = if part == SegmentPart::Output {
                recorded.0
            } else {
                recorded.1
            };
            shared.blobs.truncate(key, length).await?;
        }
        let mut sink = match appended {
            Some(key) => Sink::Append(Box::new(Append::new(&shared.blobs, key))),
            None => Sink::Blob(shared.blobs.upload(&key())),
        };
        let stripped = sink.write_all(&parts).await?;
        Ok(Written {
            extent: Some(sink.finish().await?),
            stripped,
        })
    };
    shared.persist_blob(run, write).await
}

/// The parts when all of them are plain bytes.
fn plain(parts: &[Part]) -> Option<Vec<Bytes>> {
    parts
        .iter()
        .map(|part| match part {
            Part::Bytes(bytes) => Some(bytes.clone()),
            Part::Answer(_) => None,
        })
        .collect()
}

/// Writes the index of a segment. It is for look-ups only, so a segment without one is recorded all the same.
async fn write_index(shared: &Shared, run: &Run, seq: u64, index: Vec<u8>) -> Option<Extent> {
    let epoch = run.lease().epoch;
    let random = shared.entropy.draw();
    let key = BlobKey::segment(run.batch_id(), epoch, seq, SegmentPart::Index, random);
    match shared.blobs.put_relaxed(&key, vec![index.into()]).await {
        Ok(extent) => Some(extent),
        Err(error) => {
            tracing::warn!(batch.id = %run.batch_id(), %error, "a segment has no index");
            None
        }
    }
}

/// Where the bytes of a segment go when they are written piece by piece.
enum Sink<'a> {
    Blob(BlobWriter),
    Append(Box<Append<'a>>),
}

impl Sink<'_> {
    /// Writes parts in order; answers how many line ends each large answer lost.
    async fn write_all(&mut self, parts: &[Part]) -> Result<Vec<u64>, BlobError> {
        let mut lost = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.write(bytes.clone()).await?,
                Part::Answer(answer) => {
                    let mut kept = 0;
                    let mut number = 0;
                    while let Some(piece) = answer
                        .piece(number)
                        .await
                        .map_err(|error| BlobError::Unavailable(error.into()))?
                    {
                        for run in stripped(&piece) {
                            kept += run.len() as u64;
                            self.write(run).await?;
                        }
                        number += 1;
                    }
                    lost.push(answer.len() - kept);
                }
            }
        }
        Ok(lost)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match self {
            Self::Blob(writer) => writer.write(bytes).await,
            Self::Append(append) => append.write(bytes).await,
        }
    }

    async fn finish(self) -> Result<Extent, BlobError> {
        match self {
            Self::Blob(writer) => writer.finish().await,
            Self::Append(append) => append.finish().await,
        }
    }
}

/// Appends to a mounted file, a few MiB at a time, and sums up where.
struct Append<'a> {
    blobs: &'a Blobs,
    key: &'a BlobKey,
    waiting: Vec<Bytes>,
    waiting_bytes: u64,
    offset: Option<u64>,
    length: u64,
    hash: Xxh3,
}

impl<'a> Append<'a> {
    fn new(blobs: &'a Blobs, key: &'a BlobKey) -> Self {
        let (waiting, hash) = (Vec::new(), Xxh3::new());
        Self {
            blobs,
            key,
            waiting,
            waiting_bytes: 0,
            offset: None,
            length: 0,
            hash,
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.hash.update(&bytes);
        self.waiting_bytes += bytes.len() as u64;
        self.waiting.push(bytes);
        if self.waiting_bytes >= FLUSH_BYTES {
            self.append().await
        } else {
            Ok(())
        }
    }

    async fn append(&mut self) -> Result<(), BlobError> {
        let extent = self.blobs.append(self.key, &self.waiting).await?;
        self.offset.get_or_insert(extent.offset);
        self.length += extent.length;
        self.waiting.clear();
        self.waiting_bytes = 0;
        Ok(())
    }

    async fn finish(mut self) -> Result<Extent, BlobError> {
        if !self.waiting.is_empty() || self.offset.is_none() {
            self.append().await?;
        }
        let offset = self.offset.unwrap_or_default();
        let checksum = self.hash.digest();
        Ok(Extent {
            blob: self.key.clone(),
            offset,
            length: self.length,
            checksum,
        })
    }
}
