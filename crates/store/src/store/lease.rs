//! What a worker is told of the batches that it holds, and of those that it may take.

use overnight_core::batch::{Batch, Lease, Status};
use overnight_core::id::BatchId;

/// A batch to run, and the right to run it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// As it is now.
    pub batch: Batch,
    /// The right to run it.
    pub lease: Lease,
}

/// A batch that a worker still holds, and where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The batch.
    pub batch: BatchId,
    /// The epoch under which it is held.
    pub epoch: u64,
    /// Its status, which a client may have moved.
    pub status: Status,
    /// Whether a client wants nothing more of it to be sent.
    pub is_paused: bool,
}

/// What a worker sees before it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// How many other workers are there and stay.
    pub others: u64,
    /// How many batches the worker holds when all workers that are there hold about as many: the open
    /// batches by the workers, this one counted, rounded up, and at least one. `None` when no other
    /// worker is there.
    pub share: Option<u64>,
    /// Whether a claim may change something: there is a batch to be had, or the worker must show itself
    /// so that it is counted, and gets its share of what comes.
    pub is_worth_a_claim: bool,
}

impl Outlook {
    /// Nobody else is there.
    pub const ALONE: Self = Self {
        others: 0,
        share: None,
        is_worth_a_claim: true,
    };
}
