//! Reads a list of extents as one run of bytes, one piece ahead of its reader.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use overnight_core::segment::{BlobKey, PlacedExtent};

use super::{Blobs, PIECE_BYTES, Result};

type Reading = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// Reads those bytes of a file that lie in a range, in pieces of at most [`PIECE_BYTES`]. While the
/// reader works on one piece, the next is being read: at most two are held.
pub struct ExtentReader {
    blobs: Blobs,
    extents: VecDeque<PlacedExtent>,
    /// What is still to be asked for, in bytes of the file.
    wanted: Range<u64>,
    piece_bytes: u64,
    ahead: Option<Reading>,
}

impl ExtentReader {
    /// Reads the part of `range` that the extents cover. They are placed one after another, as
    /// [`crate::Store::extents`] answers them.
    #[must_use]
    pub fn new(blobs: Blobs, extents: Vec<PlacedExtent>, range: Range<u64>) -> Self {
        Self {
            blobs,
            extents: extents.into(),
            wanted: range,
            piece_bytes: PIECE_BYTES,
            ahead: None,
        }
    }

    /// The same in smaller pieces, of at most `bytes`: for when hundreds are read at a time.
    #[must_use]
    pub fn in_pieces_of(self, bytes: u64) -> Self {
        let piece_bytes = bytes.clamp(1, PIECE_BYTES);
        Self {
            piece_bytes,
            ..self
        }
    }

    /// The next piece; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// As [`Blobs::read`]. What comes after a piece that failed is not told.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let reading = match self.ahead.take() {
            Some(reading) => reading,
            None => match self.begin() {
                Some(reading) => reading,
                None => return Ok(None),
            },
        };
        let bytes = match reading.await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.extents.clear();
                return Err(error);
            }
        };
        self.ahead = self.begin();
        self.set_going().await;
        Ok(Some(bytes))
    }

    /// A future does nothing before it is first asked: ask, and keep an early answer for later.
    async fn set_going(&mut self) {
        let Some(mut reading) = self.ahead.take() else {
            return;
        };
        let early = poll_fn(|context| {
            Poll::Ready(match reading.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
        })
        .await;
        self.ahead = Some(match early {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => reading,
        });
    }

    fn begin(&mut self) -> Option<Reading> {
        let (key, range) = self.piece()?;
        let blobs = self.blobs.clone();
        Some(Box::pin(async move { blobs.read(&key, range).await }))
    }

    /// The next piece that is wanted, as a range of its blob.
    fn piece(&mut self) -> Option<(BlobKey, Range<u64>)> {
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
            self.wanted.start = until;
            if start >= until {
                return None;
            }
            let shift = placed.extent.offset;
            let range = shift + (start - placed.at)..shift + (until - placed.at);
            return Some((placed.extent.blob.clone(), range));
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
