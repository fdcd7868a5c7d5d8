//! A line on its way: where it lies, its bytes if they are at hand, and what it has been through.

use bytes::Bytes;
use overnight_core::attempt::Trial;
use overnight_core::plan::PlanEntry;

/// A line up to this size is held in memory between the feed and the socket; a longer one is
/// streamed from the input when it is sent.
pub(crate) const HELD_BYTES_MAX: u32 = 64 << 10;

/// One line that waits to be sent, or is in flight.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where it lies.
    pub(crate) entry: PlanEntry,
    /// Its bytes; `None` for a long line and for a retry, which are read when they are sent.
    pub(crate) bytes: Option<Bytes>,
    /// What it has been through; `None` until it first fails.
    pub(crate) trial: Option<Box<Trial>>,
}

impl Line {
    /// A line that was never sent.
    pub(crate) fn fresh(entry: PlanEntry, bytes: Option<Bytes>) -> Self {
        Self {
            entry,
            bytes,
            trial: None,
        }
    }

    /// What it has been through, from now on kept.
    pub(crate) fn trial_mut(&mut self) -> &mut Trial {
        self.trial.get_or_insert_default()
    }

    /// Whether it must run alone, because it may be what kills its upstreams.
    pub(crate) fn is_suspect(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.is_suspect())
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&self) -> u16 {
        self.trial.as_ref().map_or(0, |trial| trial.attempts())
    }

    /// How much memory its bytes take while it waits.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }
}
