//! Gathers a body that comes in pieces, within its bounds.
//!
//! ```text
//! one piece, up to FREE_BYTES ──► kept as it came, never copied
//!   └─ more ──► copied together, up to FREE_BYTES
//!        └─ more ──► further pieces, each taken from the budget
//!             └─ none left ──► a spool file; the budget gets all of it back
//! ```
//!
//! An answer that says how long it is gets all of its budget at once or goes to its file at once: so
//! many that come together do not first fill the memory with their beginnings.

use std::io;

use bytes::{Bytes, BytesMut};

use super::budget::{AnswerBudget, BytesPermit};
use super::spool::Spool;
use super::{AnswerBody, FREE_BYTES, Kept};

/// Why a body could not be gathered.
#[derive(Debug)]
pub(in crate::upstream) enum GatherError {
    /// It is larger than it may be.
    TooLarge,
    /// Its spool file could not be written.
    Spool(io::Error),
}

/// A body on its way in.
#[derive(Debug)]
pub(in crate::upstream) struct Gathering {
    budget: AnswerBudget,
    bytes_max: u64,
    length: u64,
    expected: Option<u64>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The first piece, as it came.
    Whole(Bytes),
    Held(Held),
    Spooled(Spool),
}

#[derive(Debug)]
struct Held {
    full: Vec<Bytes>,
    /// Never longer than [`FREE_BYTES`].
    last: BytesMut,
    permit: BytesPermit,
}

impl Gathering {
    /// Nothing yet, of at most `bytes_max`.
    pub(in crate::upstream) const fn new(budget: AnswerBudget, bytes_max: u64) -> Self {
        Self {
            budget,
            bytes_max,
            length: 0,
            expected: None,
            place: Place::Whole(Bytes::new()),
        }
    }

    /// Knows beforehand how many bytes come.
    pub(in crate::upstream) fn expecting(self, length: Option<u64>) -> Self {
        Self {
            expected: length,
            ..self
        }
    }

    /// Everything so far, while it is in one piece in memory.
    pub(in crate::upstream) fn small(&self) -> Option<&[u8]> {
        match &self.place {
            Place::Whole(whole) => Some(whole),
            Place::Held(held) if held.full.is_empty() => Some(&held.last),
            Place::Held(_) | Place::Spooled(_) => None,
        }
    }

    /// Takes the next bytes.
    pub(in crate::upstream) async fn push(&mut self, bytes: Bytes) -> Result<(), GatherError> {
        self.length += bytes.len() as u64;
        if self.length > self.bytes_max {
            return Err(GatherError::TooLarge);
        }
        if let Place::Whole(whole) = &mut self.place {
            if whole.is_empty() && bytes.len() <= FREE_BYTES {
                *whole = bytes;
                return Ok(());
            }
            let first = std::mem::take(whole);
            let mut permit = self.budget.permit();
            let beyond = self.expected.map_or(0, beyond_free);
            self.place = if permit.try_reserve(beyond) {
                Place::Held(Held::new(&first, permit))
            } else {
                let spool = Spool::begin(self.budget.limits(), vec![first]);
                Place::Spooled(spool.await.map_err(GatherError::Spool)?)
            };
        }
        self.append(bytes).await.map_err(GatherError::Spool)
    }

    async fn append(&mut self, mut bytes: Bytes) -> io::Result<()> {
        if let Place::Held(held) = &mut self.place {
            if held.append(&mut bytes) {
                return Ok(());
            }
            let pieces = held.take();
            let spool = Spool::begin(self.budget.limits(), pieces).await?;
            self.place = Place::Spooled(spool);
        }
        match &mut self.place {
            Place::Spooled(spool) => spool.push(&bytes).await,
            Place::Whole(_) | Place::Held(_) => Ok(()),
        }
    }

    /// The whole body.
    pub(in crate::upstream) async fn finish(self) -> io::Result<AnswerBody> {
        let length = self.length;
        Ok(AnswerBody(match self.place {
            Place::Whole(whole) => Kept::Whole(whole),
            Place::Held(held) if held.full.is_empty() => Kept::Whole(held.last.freeze()),
            Place::Held(Held {
                mut full,
                last,
                permit,
            }) => {
                full.push(last.freeze());
                Kept::Held {
                    pieces: full,
                    length,
                    _permit: permit,
                }
            }
            Place::Spooled(spool) => Kept::Spooled {
                file: spool.finish().await?,
                length,
            },
        }))
    }
}

/// What an answer of that length takes from the budget.
const fn beyond_free(length: u64) -> u64 {
    let piece = FREE_BYTES as u64;
    length
        .div_ceil(piece)
        .saturating_sub(1)
        .saturating_mul(piece)
}

impl Held {
    fn new(first: &Bytes, permit: BytesPermit) -> Self {
        Self {
            full: Vec::new(),
            last: BytesMut::from(&first[..]),
            permit,
        }
    }

    /// Takes bytes as long as there is budget; whether it took all.
    fn append(&mut self, bytes: &mut Bytes) -> bool {
        loop {
            let room = FREE_BYTES.saturating_sub(self.last.len());
            let fitting = bytes.split_to(room.min(bytes.len()));
            self.make_room(fitting.len());
            self.last.extend_from_slice(&fitting);
            if bytes.is_empty() {
                return true;
            }
            if !self.permit.try_use(FREE_BYTES as u64) {
                return false;
            }
            let next = BytesMut::with_capacity(FREE_BYTES);
            self.full
                .push(std::mem::replace(&mut self.last, next).freeze());
        }
    }

    /// Doubles the last piece when it has to grow, but never over [`FREE_BYTES`], as growing by itself it would.
    fn make_room(&mut self, more: usize) {
        let needed = self.last.len() + more;
        if needed > self.last.capacity() {
            let capacity = needed.max(2 * self.last.capacity()).min(FREE_BYTES);
            let mut larger = BytesMut::with_capacity(capacity);
            larger.extend_from_slice(&self.last);
            self.last = larger;
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        let mut pieces = std::mem::take(&mut self.full);
        pieces.push(std::mem::take(&mut self.last).freeze());
        pieces
    }
}
