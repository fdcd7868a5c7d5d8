//! Reads a list of extents as one run of bytes, one piece ahead of its reader.
//!
//! An extent that is read from its first byte to its last is compared with its checksum on the way,
//! and its last piece is handed on only if they agree: whoever gets all of it got what was written.
//! One of which only a part is wanted is compared as a whole before the first byte of that part is
//! handed on, unless that was done some minutes ago: parts that are put together are what was written,
//! too.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use overnight_core::segment::{Extent, PlacedExtent};
use xxhash_rust::xxh3::Xxh3;

use super::{BlobError, Blobs, LARGE_PIECE_BYTES, PIECE_BYTES, Result, check, end_of};

type Reading = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// A piece of an extent, as a range of its blob.
#[derive(Clone)]
struct Piece {
    extent: Extent,
    range: Range<u64>,
    /// The extent is read from its first byte to its last.
    is_of_whole: bool,
    /// It is the first piece of a part, before which the whole extent is compared.
    begins_part: bool,
}

/// Reads those bytes of a file that lie in a range, in pieces of at most [`PIECE_BYTES`] unless told
/// otherwise, and four times as many from a bucket. While the reader works on one piece, the next is
/// being read: at most two are held.
pub struct ExtentReader {
    blobs: Blobs,
    extents: VecDeque<PlacedExtent>,
    /// What is still to be asked for, in bytes of the file.
    wanted: Range<u64>,
    piece_bytes: u64,
    ahead: Option<(Piece, Reading)>,
    /// The extent that is read now, by its first byte in the file, and whether all of it is wanted.
    present: Option<(u64, bool)>,
    compares_parts: bool,
    /// Of the bytes of the present extent so far; `None` when not all of it is wanted.
    hash: Option<Box<Xxh3>>,
    damaged: Option<Extent>,
}

impl ExtentReader {
    /// Reads the part of `range` that the extents cover. They are placed one after another, as
    /// [`crate::Store::extents`] answers them.
    #[must_use]
    pub fn new(blobs: Blobs, extents: Vec<PlacedExtent>, range: Range<u64>) -> Self {
        Self {
            piece_bytes: blobs.piece_bytes(PIECE_BYTES),
            blobs,
            extents: extents.into(),
            wanted: range,
            ahead: None,
            present: None,
            compares_parts: true,
            hash: None,
            damaged: None,
        }
    }

    /// The same in pieces of at most `bytes`: smaller ones for when hundreds are read at a time,
    /// larger ones, up to [`LARGE_PIECE_BYTES`], for when a few are and each costs its reader more
    /// than its bytes.
    #[must_use]
    pub fn in_pieces_of(self, bytes: u64) -> Self {
        let piece_bytes = self.blobs.piece_bytes(bytes.clamp(1, LARGE_PIECE_BYTES));
        Self {
            piece_bytes,
            ..self
        }
    }

    /// The same, but of an extent of which only a part is wanted that part is handed on as it is: for
    /// whoever has checksums of what is in it.
    #[must_use]
    pub fn without_comparing_parts(self) -> Self {
        Self {
            compares_parts: false,
            ..self
        }
    }

    /// The next piece; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// As [`Blobs::read`], and [`BlobError::Corrupt`] in the place of the last piece of an extent
    /// that does not have its checksum, or of the first when only a part of it is wanted. What
    /// comes after a piece that failed is not told.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let (piece, reading) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => match self.begin() {
                Some(begun) => begun,
                None => return Ok(None),
            },
        };
        let read = reading.await;
        let bytes = match read.and_then(|bytes| self.compare(&piece, bytes)) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.extents.clear();
                if matches!(error, BlobError::NotFound(_) | BlobError::Corrupt(_)) {
                    self.blobs.verified.forget(&piece.extent);
                    self.damaged = Some(piece.extent);
                }
                return Err(error);
            }
        };
        self.ahead = self.begin();
        self.set_going().await;
        Ok(Some(bytes))
    }

    /// The extent that turned out to be damaged or gone, behind an error that says so.
    #[must_use]
    pub const fn damaged(&self) -> Option<&Extent> {
        self.damaged.as_ref()
    }

    /// Takes a piece into the checksum of its extent, and compares that behind the last one.
    fn compare(&mut self, piece: &Piece, bytes: Bytes) -> Result<Bytes> {
        if piece.range.start == piece.extent.offset && piece.is_of_whole {
            self.hash = self.blobs.is_hashed(&piece.extent.blob).then(Box::default);
        }
        let hash = self.hash.as_mut().filter(|_| piece.is_of_whole);
        let Some(hash) = hash else {
            return Ok(bytes);
        };
        hash.update(&bytes);
        if piece.range.end == end_of(&piece.extent) {
            check(&piece.extent, hash.digest())?;
            self.hash = None;
        }
        Ok(bytes)
    }

    /// A future does nothing before it is first asked: ask, and keep an early answer for later.
    async fn set_going(&mut self) {
        let Some((piece, mut reading)) = self.ahead.take() else {
            return;
        };
        let early = poll_fn(|context| {
            Poll::Ready(match reading.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
        })
        .await;
        let reading = match early {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => reading,
        };
        self.ahead = Some((piece, reading));
    }

    fn begin(&mut self) -> Option<(Piece, Reading)> {
        let piece = self.piece()?;
        let (blobs, compares_parts) = (self.blobs.clone(), self.compares_parts);
        let Piece {
            extent,
            range,
            begins_part,
            ..
        } = piece.clone();
        let reading = async move {
            if begins_part && compares_parts {
                blobs.verify_for_parts(&extent).await?;
            }
            blobs.read(&extent.blob, range).await
        };
        Some((piece, Box::pin(reading)))
    }

    /// The next piece that is wanted.
    fn piece(&mut self) -> Option<Piece> {
        while !self.wanted.is_empty() {
            let placed = self.extents.front()?;
            let end = placed.at.saturating_add(placed.extent.length);
            let start = self.wanted.start.max(placed.at);
            if start >= end {
                self.extents.pop_front();
                continue;
            }
            let until = end
                .min(self.wanted.end)
                .min(start.saturating_add(self.piece_bytes));
            let is_all_wanted = start == placed.at && end <= self.wanted.end;
            self.wanted.start = until;
            if start >= until {
                return None;
            }
            let is_first = self.present.is_none_or(|(at, _)| at != placed.at);
            let (_, is_of_whole) = match self.present {
                Some(present) if !is_first => present,
                _ => *self.present.insert((placed.at, is_all_wanted)),
            };
            let shift = placed.extent.offset;
            return Some(Piece {
                range: shift + (start - placed.at)..shift + (until - placed.at),
                extent: placed.extent.clone(),
                is_of_whole,
                begins_part: is_first && !is_of_whole,
            });
        }
        None
    }
}

impl fmt::Debug for ExtentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtentReader")
            .field("wanted", &self.wanted)
            .field("extents", &self.extents.len())
            .finish_non_exhaustive()
    }
}
