//! The body of an answer, bounded.
//!
//! An answer has no size that anyone knows beforehand, and hundreds are on their way at once. The
//! first [`FREE_BYTES`] of each are free, so that common answers never meet a lock or a file. Beyond,
//! an answer takes from one [`AnswerBudget`]; when that is used up, it goes on in an unlinked file.
//! Nothing waits for bytes while it holds bytes, so answers cannot block each other.

mod budget;
mod gather;
mod spool;
#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use self::budget::BytesPermit;
pub use self::budget::{AnswerBudget, AnswerLimits};
pub(super) use self::gather::{GatherError, Gathering};
use self::spool::SpoolFile;

/// What each answer may hold without asking the budget; also the size of the pieces that it takes
/// from there. Larger than nearly every answer, and 512 of them are 32 MiB.
pub const FREE_BYTES: usize = 64 << 10;

/// The body of an answer, in memory or in a spool file. What it holds is given back on drop.
#[derive(Debug)]
pub struct AnswerBody(Kept);

#[derive(Debug)]
enum Kept {
    Whole(Bytes),
    Held {
        pieces: Vec<Bytes>,
        length: u64,
        _permit: BytesPermit,
    },
    Spooled {
        file: SpoolFile,
        length: u64,
    },
}

impl AnswerBody {
    /// A body of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kept::Whole(Bytes::new()))
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> u64 {
        match &self.0 {
            Kept::Whole(bytes) => bytes.len() as u64,
            Kept::Held { length, .. } | Kept::Spooled { length, .. } => *length,
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it, when it is in memory and in one piece: always up to [`FREE_BYTES`], never beyond.
    #[must_use]
    pub fn small(&self) -> Option<&[u8]> {
        match &self.0 {
            Kept::Whole(bytes) => Some(bytes),
            Kept::Held { .. } | Kept::Spooled { .. } => None,
        }
    }

    /// The n-th piece, counted from 0, of at most 256 KiB; `None` after the last. Copies nothing
    /// that is in memory.
    ///
    /// # Errors
    ///
    /// When the spool file cannot be read.
    pub async fn piece(&self, number: usize) -> io::Result<Option<Bytes>> {
        match &self.0 {
            Kept::Whole(bytes) => Ok((number == 0 && !bytes.is_empty()).then(|| bytes.clone())),
            Kept::Held { pieces, .. } => Ok(pieces.get(number).cloned()),
            Kept::Spooled { file, length } => spool::read_piece(file, *length, number).await,
        }
    }

    /// All pieces, one after the other.
    pub fn into_pieces(self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::try_unfold((self, 0), |(body, number)| async move {
            let piece = body.piece(number).await?;
            Ok(piece.map(|piece| (piece, (body, number + 1))))
        })
        .boxed()
    }
}

impl From<Bytes> for AnswerBody {
    /// A body that is in memory already, outside of any budget.
    fn from(bytes: Bytes) -> Self {
        Self(Kept::Whole(bytes))
    }
}
