//! Counters of what came in and how it ended. Each request ends in exactly one of them, so that at
//! any quiet instant `received = answered + refused + rejected + failed + gone`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::meter::Usage;

/// The counters; they only grow, except `in_flight`.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) received: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) in_flight_peak: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) gone: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
    pub(crate) ended_stop: AtomicU64,
    pub(crate) ended_length: AtomicU64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A whole answer.
    Answered,
    /// 429.
    Refused,
    /// Another 4xx: the request was wrong.
    Rejected,
    /// A fault or an outage mode ended it.
    Failed,
    /// The client went before there was an answer.
    Gone,
}

impl Tally {
    pub(crate) fn begin(&self) -> u64 {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.in_flight_peak.fetch_max(now, Relaxed);
        self.received.fetch_add(1, Relaxed)
    }

    pub(crate) fn end(&self, end: End) {
        let counter = match end {
            End::Answered => &self.answered,
            End::Refused => &self.refused,
            End::Rejected => &self.rejected,
            End::Failed => &self.failed,
            End::Gone => &self.gone,
        };
        counter.fetch_add(1, Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Adds a whole answer's tokens.
    pub(crate) fn add_usage(&self, usage: Usage) {
        self.prompt_tokens.fetch_add(usage.prompt, Relaxed);
        self.completion_tokens.fetch_add(usage.completion, Relaxed);
        let ended = if usage.cut {
            &self.ended_length
        } else {
            &self.ended_stop
        };
        ended.fetch_add(1, Relaxed);
    }
}
