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

/// What a worker says of the place of the blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reach {
    /// Nothing: nobody asks, and nothing speaks against it.
    #[default]
    Unsaid,
    /// It has just written there; said while another worker cannot.
    Proven,
    /// What it writes there fails.
    Lost,
}

/// What a worker sees before it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// How many other workers are there and stay.
    pub others: u64,
    /// Whether one of them has lost its reach of the blobs: the others are to say whether they have
    /// theirs.
    pub others_lost_reach: bool,
    /// How many batches the worker holds when all workers that are there hold about as many: the open
    /// batches by the workers, this one counted, rounded up, and at least one. Those that have lost
    /// their reach of the blobs count only for each other, and hold none once another one has proven
    /// its reach. `None` when no other worker is there.
    pub share: Option<u64>,
    /// Whether a claim may change something: there is a batch to be had, or the worker must show itself
    /// so that it is counted, and gets its share of what comes.
    pub is_worth_a_claim: bool,
}

impl Outlook {
    /// Nobody else is there.
    pub const ALONE: Self = Self {
        others: 0,
        others_lost_reach: false,
        share: None,
        is_worth_a_claim: true,
    };
}

/// The workers that are there and stay, one excepted, by what they say of their reach of the blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others {
    pub(crate) unsaid: u64,
    pub(crate) proven: u64,
    pub(crate) lost: u64,
}

impl Others {
    pub(crate) const fn count(self) -> u64 {
        self.unsaid + self.proven + self.lost
    }

    /// The share of `open` batches of the one that is excepted, whose own reach is given.
    pub(crate) fn share(self, reach: Reach, open: u64) -> Option<u64> {
        let sharing = match reach {
            Reach::Lost if self.proven > 0 => return Some(0),
            Reach::Lost => self.count(),
            Reach::Unsaid | Reach::Proven => self.unsaid + self.proven,
        };
        (self.count() > 0).then(|| open.div_ceil(sharing + 1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_its_reach_has_no_share_once_another_one_has_proven_its_own() {
        let others = |unsaid, proven, lost| Others {
            unsaid,
            proven,
            lost,
        };
        for (there, reach, share) in [
            (others(0, 0, 0), Reach::Unsaid, None),
            (others(0, 0, 0), Reach::Lost, None),
            (others(1, 0, 0), Reach::Unsaid, Some(4)),
            (others(1, 0, 0), Reach::Lost, Some(4)),
            (others(0, 0, 1), Reach::Unsaid, Some(8)),
            (others(0, 0, 1), Reach::Lost, Some(4)),
            (others(1, 1, 1), Reach::Proven, Some(3)),
            (others(1, 1, 1), Reach::Lost, Some(0)),
            (others(9, 9, 9), Reach::Proven, Some(1)),
        ] {
            assert_eq!(there.share(reach, 8), share, "{there:?}, {reach:?}");
        }
    }
}
