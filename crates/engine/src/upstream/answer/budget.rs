//! How many bytes of answers may be in memory at once, over all lanes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use overnight_store::blocking::Blocking;

/// What bounds the bodies of answers.
#[derive(Clone, Debug)]
pub struct AnswerLimits {
    /// The bytes that all answers together may hold in memory, not counting the first
    /// [`super::FREE_BYTES`] of each (`memory.answers`). Default 64 MiB.
    pub memory_bytes: u64,
    /// The bytes of the largest answer that is kept (`answer_bytes_max`). Default 64 MiB;
    /// `u64::MAX` for no bound.
    pub answer_bytes_max: u64,
    /// The folder of the spool files, which are unlinked as soon as they are made.
    pub spool_folder: PathBuf,
    /// Where spool files are written and read. Default: the pool.
    pub blocking: Blocking,
}

impl AnswerLimits {
    /// The default bounds, with spool files in `spool_folder`.
    #[must_use]
    pub const fn new(spool_folder: PathBuf) -> Self {
        Self {
            memory_bytes: 64 << 20,
            answer_bytes_max: 64 << 20,
            spool_folder,
            blocking: Blocking::Pool,
        }
    }
}

/// The bytes that answers may hold. Cloning shares the budget.
///
/// Nothing ever waits for it: an answer that finds it used up goes on in a file.
#[derive(Clone, Debug)]
pub struct AnswerBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: AnswerLimits,
    left: AtomicU64,
}

impl AnswerBudget {
    /// A budget of which nothing is taken.
    #[must_use]
    pub fn new(limits: AnswerLimits) -> Self {
        let left = AtomicU64::new(limits.memory_bytes);
        Self(Arc::new(Shared { limits, left }))
    }

    /// The bounds that it was made with.
    #[must_use]
    pub fn limits(&self) -> &AnswerLimits {
        &self.0.limits
    }

    /// The bytes that nobody has taken at this moment.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.left.load(Ordering::Relaxed)
    }

    /// A permit for no bytes, to be filled as an answer grows.
    pub(super) fn permit(&self) -> BytesPermit {
        BytesPermit {
            budget: self.clone(),
            taken: 0,
            used: 0,
        }
    }

    fn try_take(&self, bytes: u64) -> bool {
        let take = |left: u64| left.checked_sub(bytes);
        self.0
            .left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

/// Leave to hold bytes in memory; given back on drop.
#[derive(Debug)]
pub(super) struct BytesPermit {
    budget: AnswerBudget,
    taken: u64,
    /// Never more than was taken.
    used: u64,
}

impl BytesPermit {
    /// Takes bytes that are going to be used, all of them or nothing; whether it did.
    pub(super) fn try_reserve(&mut self, bytes: u64) -> bool {
        let taken = self.budget.try_take(bytes);
        if taken {
            self.taken += bytes;
        }
        taken
    }

    /// Uses more, all of it or nothing; takes what is missing. Whether it did.
    pub(super) fn try_use(&mut self, bytes: u64) -> bool {
        let used = self.used + bytes;
        let granted = used <= self.taken || self.try_reserve(used - self.taken);
        if granted {
            self.used = used;
        }
        granted
    }
}

impl Drop for BytesPermit {
    fn drop(&mut self) {
        self.budget.0.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}
