//! Reads what is sent of a line: its `custom_id` and its body, as they stand in the input.
//!
//! The plan has a checksum of every line. Nothing of a line goes anywhere, be it to an upstream or into
//! a result file, before the whole line was compared with it: an altered id could be that of another
//! line, or end its result line in the middle.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use overnight_core::plan::PlanEntry;
use overnight_store::blobs::BlobError;

use crate::input::InputReader;
use crate::line::{HELD_BYTES_MAX, Line};
use crate::run::Run;
use crate::shared::Shared;
use crate::upstream::CallBody;

/// A line whose input could not be read just now is tried again after this pause.
pub(crate) const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// A long body is read in pieces of so many bytes: hundreds are sent at a time, each with some pieces on its way.
const BODY_PIECE_BYTES: u64 = 16 << 10;

/// A long line is compared with its checksum in pieces of so many bytes.
const CHECK_PIECE_BYTES: u64 = 64 << 10;

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

/// A long line: it is compared with its checksum first, then its body is streamed. Should it alter in
/// between, its last piece is held back, so that no upstream ever works on damaged bytes; the next
/// attempt finds out what is wrong.
async fn load_long(input: &InputReader, entry: &PlanEntry) -> Result<Loaded, BlobError> {
    let custom_id = sound_id(input, entry).await?;
    let body_start = entry.offset + u64::from(entry.body_start);
    let body_end = body_start + u64::from(entry.body_len);
    let reader = LongLine {
        reader: Pieces::of_line(input, entry, BODY_PIECE_BYTES),
        body: body_start..body_end,
        held_back: Bytes::new(),
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

/// The raw `custom_id` of a line that was compared with its checksum, as a whole but piece by piece.
///
/// # Errors
///
/// As [`load`].
pub(crate) async fn sound_id(input: &InputReader, entry: &PlanEntry) -> Result<Bytes, BlobError> {
    let start = entry.offset + u64::from(entry.id_start);
    let wanted = start..start + u64::from(entry.id_len);
    let mut id = BytesMut::new();
    let mut pieces = Pieces::of_line(input, entry, CHECK_PIECE_BYTES);
    while let Some((at, piece)) = pieces.next().await? {
        id.extend_from_slice(&part_of(&piece, at, &wanted));
    }
    if id.len() == entry.id_range().len() {
        Ok(id.freeze())
    } else {
        Err(mismatch(entry))
    }
}

/// What a piece that begins there has of the wanted bytes.
fn part_of(piece: &Bytes, at: u64, wanted: &Range<u64>) -> Bytes {
    let length = piece.len() as u64;
    let place = |offset: u64| {
        let within = offset.saturating_sub(at).min(length);
        usize::try_from(within).unwrap_or(piece.len())
    };
    piece.slice(place(wanted.start)..place(wanted.end))
}

/// The bytes of a line, piece by piece; an error behind the last one when they are not those that
/// were validated.
struct Pieces {
    input: InputReader,
    entry: PlanEntry,
    at: u64,
    piece_bytes: u64,
    crc32c: u32,
}

impl Pieces {
    fn of_line(input: &InputReader, entry: &PlanEntry, piece_bytes: u64) -> Self {
        Self {
            input: input.clone(),
            entry: *entry,
            at: entry.offset,
            piece_bytes,
            crc32c: 0,
        }
    }

    /// The next piece, and where it begins in the input.
    async fn next(&mut self) -> Result<Option<(u64, Bytes)>, BlobError> {
        let (at, end) = (self.at, self.entry.range().end);
        if at >= end {
            return if self.crc32c == self.entry.crc32c {
                Ok(None)
            } else {
                Err(mismatch(&self.entry))
            };
        }
        self.at = end.min(at + self.piece_bytes);
        let piece = self.input.read(at..self.at).await?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &piece);
        Ok(Some((at, piece)))
    }
}

struct LongLine {
    reader: Pieces,
    body: Range<u64>,
    /// The last piece of the body so far.
    held_back: Bytes,
    is_done: bool,
}

impl LongLine {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        while !self.is_done {
            match self.reader.next().await {
                Ok(Some((at, piece))) => {
                    let part = part_of(&piece, at, &self.body);
                    if !part.is_empty() {
                        let ready = std::mem::replace(&mut self.held_back, part);
                        if !ready.is_empty() {
                            return Some(Ok(ready));
                        }
                    }
                }
                Ok(None) => {
                    self.is_done = true;
                    return Some(Ok(std::mem::take(&mut self.held_back)));
                }
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(std::io::Error::other(error)));
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
pub(crate) async fn custom_id(shared: &Shared, run: &Run, line: &Line) -> Option<Bytes> {
    loop {
        match load(run, line).await {
            Ok(loaded) => return Some(loaded.custom_id),
            Err(BlobError::Unavailable(_)) => {}
            Err(error) => {
                shared.found_damaged_line(run, &line.entry, &error).await;
                return Some(Bytes::from_static(NO_ID));
            }
        }
        tokio::select! {
            biased;
            () = run.abort.cancelled() => return None,
            () = tokio::time::sleep(UNREADABLE_PAUSE) => {}
        }
    }
}
