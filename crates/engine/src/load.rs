//! Reads what is sent of a line: its `custom_id` and its body, as they stand in the input.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use overnight_core::plan::PlanEntry;
use overnight_store::blobs::{BlobError, ExtentReader};

use crate::input::InputReader;
use crate::line::{HELD_BYTES_MAX, Line};
use crate::run::Run;
use crate::upstream::CallBody;

/// A line whose input could not be read just now is tried again after this pause.
pub(crate) const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// A long body is read in pieces of so many bytes: hundreds are sent at a time, each with some pieces on its way.
const BODY_PIECE_BYTES: u64 = 16 << 10;

/// The id in the result line of an input line that cannot be read.
pub(crate) const NO_ID: &[u8] = b"null";

/// The raw `custom_id` and the body of a line that is about to be sent.
pub(crate) struct Loaded {
    pub(crate) custom_id: Bytes,
    pub(crate) body: CallBody,
}

/// What is sent of a line. One that was fed brings its bytes along.
///
/// # Errors
///
/// [`BlobError::Unavailable`] when it may be tried again, another when the line is lost or damaged.
pub(crate) async fn load(run: &Run, line: &Line) -> Result<Loaded, BlobError> {
    let entry = &line.entry;
    let held = if let Some(bytes) = &line.bytes {
        Some(bytes.clone())
    } else {
        let input = run.input().ok_or_else(|| mismatch(entry))?;
        if entry.length > HELD_BYTES_MAX {
            return load_long(input, entry).await;
        }
        let bytes = input.read(entry.range()).await?;
        entry.parts(&bytes).is_some().then_some(bytes)
    };
    let bytes = held.ok_or_else(|| mismatch(entry))?;
    let custom_id = bytes.slice(entry.id_range());
    Ok(Loaded {
        custom_id,
        body: CallBody::Held(bytes.slice(entry.body_range())),
    })
}

/// A long line: its body is streamed. Its last piece is sent only after the whole line was compared
/// with its checksum, so that no upstream ever works on damaged bytes.
async fn load_long(input: &InputReader, entry: &PlanEntry) -> Result<Loaded, BlobError> {
    let start = entry.offset + u64::from(entry.id_start);
    let custom_id = input.read(start..start + u64::from(entry.id_len)).await?;
    let body_start = entry.offset + u64::from(entry.body_start);
    let body_end = body_start + u64::from(entry.body_len);
    let reader = LongLine {
        reader: input.stream(entry.range()).in_pieces_of(BODY_PIECE_BYTES),
        at: entry.offset,
        body: body_start..body_end,
        crc32c: 0,
        held_back: Bytes::new(),
        entry: *entry,
        is_done: false,
    };
    let pieces = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((piece, reader))
    });
    let body = CallBody::Streamed {
        length: u64::from(entry.body_len),
        pieces: pieces.boxed(),
    };
    Ok(Loaded { custom_id, body })
}

struct LongLine {
    reader: ExtentReader,
    at: u64,
    body: std::ops::Range<u64>,
    crc32c: u32,
    /// The last piece of the body so far.
    held_back: Bytes,
    entry: PlanEntry,
    is_done: bool,
}

impl LongLine {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        while !self.is_done {
            let piece = match self.reader.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    self.is_done = true;
                    if self.crc32c != self.entry.crc32c {
                        return Some(Err(std::io::Error::other(mismatch(&self.entry))));
                    }
                    return Some(Ok(std::mem::take(&mut self.held_back)));
                }
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(std::io::Error::other(error)));
                }
            };
            self.crc32c = crc32c::crc32c_append(self.crc32c, &piece);
            let (start, end) = (self.at, self.at + piece.len() as u64);
            self.at = end;
            let (from, to) = (start.max(self.body.start), end.min(self.body.end));
            if from < to {
                let range =
                    usize::try_from(from - start).ok()?..usize::try_from(to - start).ok()?;
                let ready = std::mem::replace(&mut self.held_back, piece.slice(range));
                if !ready.is_empty() {
                    return Some(Ok(ready));
                }
            }
        }
        None
    }
}

fn mismatch(entry: &PlanEntry) -> BlobError {
    let text = format!("line {} of the input is not what was validated", entry.line);
    BlobError::Corrupt(text.into())
}

/// The raw `custom_id` of a line: `null` when it is damaged, `None` when its batch does not run any more.
pub(crate) async fn custom_id(run: &Run, line: &Line) -> Option<Bytes> {
    loop {
        match load(run, line).await {
            Ok(loaded) => return Some(loaded.custom_id),
            Err(BlobError::Unavailable(_)) => {}
            Err(_) => return Some(Bytes::from_static(NO_ID)),
        }
        tokio::select! {
            biased;
            () = run.abort.cancelled() => return None,
            () = tokio::time::sleep(UNREADABLE_PAUSE) => {}
        }
    }
}
