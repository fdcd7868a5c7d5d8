//! How well one model at one upstream is doing: the evidence that settles whose fault a failure was.
//!
//! ```text
//! Well ──(failures in a row)──► Doubtful ──(a probe fails)──► Parked
//!   ▲                              │                            │
//!   └──────(a line is answered)────┴────────────────────────────┘
//! ```
//!
//! A failure is only a *suspicion* at first. It is charged to its line when a line that was sent after
//! the failure is answered well, and cleared when a probe confirms before that that the upstream is not
//! well: then all lines failed, and none of them is to blame. Every doubt and every recovery begins a new
//! *period*, so that a good answer after an outage cannot charge a failure from within it.
//!
//! A doubt that no probe confirms was none: many bad lines met, or failed while good ones took their time.
//! Were they cleared, they would meet again, for ever. A connection that was lost is cleared by a doubt all
//! the same: the line that takes its upstream down for a moment is found by running alone.

use std::collections::VecDeque;

/// How many finished periods are remembered; a suspicion from an older one is cleared.
const PERIODS_KEPT: usize = 64;

/// So many failures in a row, without a good answer between them, raise doubt, or half of the requests
/// in flight if that is more: bad lines, even many, must not stop the others.
const DOUBT_FAILURES: u32 = 3;

/// A send's place in the order of all sends of its model at its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent(u64);

/// Whether lines are sent, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As many as the limit allows.
    Well,
    /// One at a time, to see whether another fails too.
    Doubtful,
    /// One at a time, with pauses between them.
    Parked,
}

/// A failure that is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Only a send from here on can charge it.
    failed_before: Sent,
    /// In which period it happened.
    period: u64,
    failure: Failure,
}

/// How a request failed, as far as it may tell that its line kills the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was lost.
    Lost,
    /// The upstream broke over it: a 5xx, or silence. Some servers answer so with their last breath.
    Broke,
    /// Anything else.
    Other,
}

impl Failure {
    /// Reads it off a [`super::Blame::Doubt`].
    #[must_use]
    pub const fn of(failures_max: Option<u8>, lost: bool) -> Self {
        match (lost, failures_max) {
            (true, _) => Self::Lost,
            (false, None) => Self::Broke,
            (false, Some(_)) => Self::Other,
        }
    }
}

impl Suspicion {
    /// How the request failed.
    pub(super) const fn failure(self) -> Failure {
        self.failure
    }
}

/// What became of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing is known yet.
    Open,
    /// It was the line's fault.
    Charged,
    /// It was the upstream's; `lost` when that went down with it.
    Cleared { lost: bool },
}

/// The evidence for one model at one upstream.
#[derive(Clone, Debug)]
pub struct Standing {
    next: u64,
    health: Health,
    period: u64,
    present: Period,
    /// The periods before it, the newest first.
    past: VecDeque<Period>,
    failures_in_a_row: u32,
    probes_failed: u32,
    ever_good: bool,
}

/// What is remembered of a period.
#[derive(Clone, Copy, Debug, Default)]
struct Period {
    /// The latest send that was answered well in it.
    good: Option<Sent>,
    /// Whether a probe confirmed that the upstream was not well.
    is_outage: bool,
    /// Whether the upstream was not there at all.
    is_gone: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            next: 0,
            health: Health::Well,
            period: 0,
            present: Period::default(),
            past: VecDeque::new(),
            failures_in_a_row: 0,
            probes_failed: 0,
            ever_good: false,
        }
    }
}

impl Standing {
    /// A request goes out.
    pub fn send(&mut self) -> Sent {
        let sent = Sent(self.next);
        self.next += 1;
        sent
    }

    /// A request was answered well, or in a way that is plainly its line's own fault: the
    /// upstream works. True when it was in doubt or parked until now.
    pub fn answered(&mut self, sent: Sent) -> bool {
        let recovered = self.health != Health::Well;
        if recovered {
            self.begin_period();
            self.health = Health::Well;
        }
        self.present.good = self.present.good.max(Some(sent));
        self.failures_in_a_row = 0;
        self.probes_failed = 0;
        self.ever_good = true;
        recovered
    }

    /// A request failed in a way that may be the line's fault or the upstream's. `in_flight` counts
    /// the requests of this model at this upstream, this one included.
    /// A failure of what was sent before the doubt began is no probe (`is_probe`), and tells nothing new.
    pub fn failed(&mut self, failure: Failure, is_probe: bool, in_flight: u32) -> Suspicion {
        let suspicion = Suspicion {
            failed_before: Sent(self.next),
            period: self.period,
            // What was not well before did not break over it.
            failure: match failure {
                Failure::Broke if is_probe => Failure::Other,
                Failure::Lost | Failure::Broke | Failure::Other => failure,
            },
        };
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match self.health {
            Health::Well => {
                if self.failures_in_a_row >= DOUBT_FAILURES.max(in_flight / 2) {
                    self.begin_period();
                    self.health = Health::Doubtful;
                }
            }
            Health::Doubtful | Health::Parked => {
                if is_probe {
                    self.probe_failed();
                }
            }
        }
        suspicion
    }

    /// The upstream is not there at all: it is parked at once, and nobody is to blame.
    pub fn unreachable(&mut self, is_probe: bool) {
        if self.health == Health::Well {
            self.begin_period();
        }
        if is_probe || self.health != Health::Parked {
            self.probe_failed();
        }
        self.present.is_gone = true;
    }

    /// Whether lines are sent, and how.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// How many probes failed since it was last well: the pauses between probes grow with it.
    #[must_use]
    pub const fn probes_failed(&self) -> u32 {
        self.probes_failed
    }

    /// Whether any line was ever answered.
    #[must_use]
    pub const fn ever_good(&self) -> bool {
        self.ever_good
    }

    /// What became of a suspicion that [`Self::failed`] gave.
    pub(super) fn settle(&self, suspicion: Suspicion) -> Settled {
        let Some(age) = self.period.checked_sub(suspicion.period) else {
            return Settled::Open;
        };
        let age = usize::try_from(age).unwrap_or(usize::MAX);
        let is_lost = suspicion.failure == Failure::Lost;
        if age > self.past.len() {
            return Settled::Cleared { lost: is_lost };
        }
        // From its own period to the present one, as far as no outage lies between.
        let since = self.past.iter().take(age).rev().chain([&self.present]);
        for (number, period) in since.enumerate() {
            if number > 0 && is_lost || period.is_outage {
                let broke = suspicion.failure == Failure::Broke && period.is_gone;
                return Settled::Cleared {
                    lost: is_lost || broke,
                };
            }
            if period
                .good
                .is_some_and(|good| good >= suspicion.failed_before)
            {
                return Settled::Charged;
            }
        }
        Settled::Open
    }

    fn probe_failed(&mut self) {
        self.health = Health::Parked;
        self.present.is_outage = true;
        self.probes_failed = self.probes_failed.saturating_add(1);
    }

    fn begin_period(&mut self) {
        self.past.push_front(std::mem::take(&mut self.present));
        self.past.truncate(PERIODS_KEPT);
        self.period += 1;
        self.failures_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests;
