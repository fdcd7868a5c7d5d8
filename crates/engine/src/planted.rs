//! Bugs that tests plant, to prove that their checks would find such bugs.
//!
//! A bug is there on the thread that planted it, and nowhere else. Without the feature `planted`
//! nobody can plant one, and the compiler leaves out every place that asks for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use crate::run::RunKey;

/// A bug that only the engine's own code can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The timer is not told of what is due sooner than it knows.
    LostWakeUp,
    /// A line that waits for another attempt is dropped.
    DroppedRetry,
    /// A batch that ends early forgets the lines that wait for another attempt.
    ForgottenBackoff,
    /// With what is behind the recorded results, their last byte is cut off.
    CutOneByteEarly,
    /// Lines are sent without a look at the lease.
    SendsWithoutLeave,
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
    /// Lines that waited for another attempt.
    static BACKOFF: RefCell<BTreeSet<(RunKey, u32)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Plants a bug on this thread, or removes the one that is there.
#[cfg(feature = "planted")]
pub fn plant(plant: Option<Plant>) {
    PLANTED.set(plant);
    BACKOFF.with_borrow_mut(BTreeSet::clear);
}

pub(crate) fn is_planted(plant: Plant) -> bool {
    cfg!(feature = "planted") && PLANTED.get() == Some(plant)
}

/// Where the tail of a result file is cut off, so many bytes of it being recorded.
pub(crate) fn end_of_recorded(bytes: u64) -> u64 {
    bytes.saturating_sub(u64::from(is_planted(Plant::CutOneByteEarly)))
}

/// A line of a run begins to wait for another attempt.
pub(crate) fn in_backoff(run: RunKey, line: u32) {
    if is_planted(Plant::ForgottenBackoff) {
        BACKOFF.with_borrow_mut(|lines| lines.insert((run, line)));
    }
}

/// Whether a batch that ends early forgets the line.
pub(crate) fn is_forgotten(run: RunKey, line: u32) -> bool {
    is_planted(Plant::ForgottenBackoff) && BACKOFF.with_borrow(|lines| lines.contains(&(run, line)))
}
