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
//! well: then all lines failed, and none of them is to blame. Every outage and every recovery from one
//! begins a new stretch, so that a good answer after an outage cannot charge a failure from within it.
//!
//! A doubt that no probe confirms was none: many bad lines met, or failed while good ones took their time.
//! Were they cleared, they would meet again, for ever. A connection that was lost is cleared by a doubt all
//! the same: the line that takes its upstream down for a moment is found by running alone. A probe takes
//! nothing down: the upstream was not well before it was sent.

use super::stretches::{Stretch, Stretches};

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
    /// In which stretch it happened: of doubts when a connection was lost, else of outages.
    stretch: u64,
    /// How often the upstream had recovered before.
    recoveries: u64,
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

    /// How often the upstream had recovered before it: what was lost between two recoveries was lost once.
    pub(super) const fn recoveries(self) -> u64 {
        self.recoveries
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
    /// What doubts and recoveries divide.
    doubts: Stretches,
    /// What outages and recoveries divide.
    outages: Stretches,
    recoveries: u64,
    /// The first send after the latest doubt began, until that or a later one is answered.
    doubted_before: Option<Sent>,
    /// Whether a connection was refused in the present doubt.
    was_refused: bool,
    failures_in_a_row: u32,
    probes_failed: u32,
    ever_good: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            next: 0,
            health: Health::Well,
            doubts: Stretches::default(),
            outages: Stretches::default(),
            recoveries: 0,
            doubted_before: None,
            was_refused: false,
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
            self.begin_stretch();
            if self.outages.present().is_outage {
                self.outages.begin(Stretch::default());
            }
            self.health = Health::Well;
            self.was_refused = false;
        }
        // What was sent before may have been answered before.
        if self.doubted_before.is_some_and(|first| sent >= first) {
            self.doubted_before = None;
            self.recoveries += 1;
        }
        self.doubts.answered(sent);
        self.outages.answered(sent);
        self.failures_in_a_row = 0;
        self.probes_failed = 0;
        self.ever_good = true;
        recovered
    }

    /// A request failed in a way that may be the line's fault or the upstream's. `in_flight` counts
    /// the requests of this model at this upstream, this one included.
    /// A failure of what was sent before the doubt began is no probe (`is_probe`), and tells nothing new.
    pub fn failed(&mut self, failure: Failure, is_probe: bool, in_flight: u32) -> Suspicion {
        // What was not well before was not taken down by it.
        let failure = if is_probe { Failure::Other } else { failure };
        let suspicion = Suspicion {
            failed_before: Sent(self.next),
            stretch: self.stretches(failure).number(),
            recoveries: self.recoveries,
            failure,
        };
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match self.health {
            Health::Well => {
                if self.failures_in_a_row >= DOUBT_FAILURES.max(in_flight / 2) {
                    self.begin_doubt();
                }
            }
            Health::Doubtful | Health::Parked => {
                let was_last = in_flight <= 1 && self.was_refused;
                if is_probe {
                    self.probe_failed();
                } else if was_last && self.health == Health::Doubtful {
                    // None that was in flight beside the refused one was answered.
                    self.probe_failed();
                    self.outages.present_mut().is_gone = true;
                }
            }
        }
        suspicion
    }

    /// The upstream is not there at all, and nobody is to blame: it is parked at once, unless `others` are
    /// in flight, which may yet be answered.
    pub fn unreachable(&mut self, is_probe: bool, others: bool) {
        if self.health == Health::Well {
            self.begin_doubt();
        }
        self.was_refused = true;
        if is_probe || (self.health != Health::Parked && !others) {
            self.probe_failed();
        }
        let present = self.outages.present_mut();
        present.is_gone = present.is_outage;
    }

    /// It may have gone down with a line that ran alone: another tells, as a probe.
    pub fn doubt(&mut self) {
        if self.health == Health::Well {
            self.begin_doubt();
        }
    }

    /// Whether lines are sent, and how.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Whether a line that was sent after its latest doubt was answered: what was sent before tells nothing
    /// of how it is now.
    #[must_use]
    pub const fn is_sure(&self) -> bool {
        matches!(self.health, Health::Well) && self.doubted_before.is_none()
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
        let is_lost = suspicion.failure == Failure::Lost;
        let may_have_broken = suspicion.failure == Failure::Broke;
        let stretches = self.stretches(suspicion.failure);
        let Some((own, next)) = stretches.get(suspicion.stretch) else {
            return Settled::Cleared { lost: is_lost };
        };
        if !own.is_outage {
            let charges = |good| good >= suspicion.failed_before;
            if own.good.is_some_and(charges) {
                return Settled::Charged;
            }
            if next.is_none() {
                return Settled::Open;
            }
        }
        let outage = if own.is_outage { Some(own) } else { next };
        let is_gone = outage.is_some_and(|outage| outage.is_gone);
        let age = stretches.number() - suspicion.stretch;
        let is_present = age == u64::from(!own.is_outage);
        if may_have_broken && is_present && !is_gone {
            // Some answer for a while before they are gone.
            return Settled::Open;
        }
        Settled::Cleared {
            lost: is_lost || (may_have_broken && is_gone),
        }
    }

    const fn stretches(&self, failure: Failure) -> &Stretches {
        match failure {
            Failure::Lost => &self.doubts,
            Failure::Broke | Failure::Other => &self.outages,
        }
    }

    fn probe_failed(&mut self) {
        self.health = Health::Parked;
        self.doubts.present_mut().is_outage = true;
        if !self.outages.present().is_outage {
            self.outages.begin(Stretch {
                is_outage: true,
                ..Stretch::default()
            });
        }
        self.probes_failed = self.probes_failed.saturating_add(1);
    }

    fn begin_doubt(&mut self) {
        self.begin_stretch();
        self.doubted_before = Some(Sent(self.next));
        self.health = Health::Doubtful;
    }

    fn begin_stretch(&mut self) {
        self.doubts.begin(Stretch::default());
        self.failures_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests;
