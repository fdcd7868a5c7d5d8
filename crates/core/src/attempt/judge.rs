//! What a failure means for its line: its end, or another attempt, and when.

use std::time::Duration;

use super::reply::{Blame, NoAnswer, Reply};
use super::standing::{Failure, Health, Settled, Standing, Suspicion};

/// The first pause before another attempt; each further one may be twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// No pause is longer than this.
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// Failures that are not settled double the pause no more often than this: when an outage ends, the lines
/// that it met shall come back soon.
const OPEN_DOUBLINGS_MAX: u8 = 3;

/// A line with nothing to compare it with gets so many probes before it is to blame.
const LONE_PROBES: u8 = 5;

/// Lost in flight with its upstream so often, a line runs alone.
const LOSSES_SUSPECT: u8 = 2;

/// A connection that is lost so often in a row over the same line was not idle by chance.
const STALE_MAX: u8 = 3;

/// How a line's failures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRules {
    /// So many failures that were the line's own end it. Default 5.
    pub attempts_max: u8,
    /// How long a line that has nothing to be compared with is tried at an upstream that never
    /// answered any. Default 10 minutes.
    pub lone_patience: Duration,
    /// The same at an upstream that has answered other lines of the model. Default 1 minute.
    pub lone_patience_known: Duration,
}

impl Default for AttemptRules {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            lone_patience: Duration::from_mins(10),
            lone_patience_known: Duration::from_mins(1),
        }
    }
}

/// What one line has been through. A line that never failed has none of it.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Failures that are not settled.
    suspicions: Vec<Open>,
    /// Failures since the first of them.
    open_failures: u8,
    /// Failures that were the line's own.
    charged: u8,
    /// Those of them of a kind that few of end a line.
    charged_of_few: u8,
    /// Attempts made, whatever came of them.
    attempts: u16,
    /// Failures while there was nothing to compare the line with.
    lone_probes: u8,
    /// When the first of them was, on the engine's own clock.
    lone_since: Option<Duration>,
    /// Idle connections in a row that were lost over it.
    stale: u8,
    /// Failures that were this server's.
    ours: u8,
    /// How often its upstream was lost while it was in flight, others being answered in between.
    losses: u8,
    /// The last of them: the number of the upstream, and how often that had recovered before.
    last_loss: Option<(usize, u64)>,
    /// Whether one of them was while it ran alone.
    lost_alone: bool,
}

/// A failure that is not settled.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// The number of the upstream where it happened.
    upstream: usize,
    suspicion: Suspicion,
    /// Whether few failures of its kind end a line.
    of_few: bool,
    /// Whether the line ran alone.
    alone: bool,
}

impl Trial {
    /// One more attempt was made.
    pub fn attempted(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// How many attempts were made.
    #[must_use]
    pub const fn attempts(&self) -> u16 {
        self.attempts
    }

    /// Whether the line may be what kills its upstreams, so that it must run alone.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.losses >= LOSSES_SUSPECT
    }

    /// Whose fault a reply to this line is at first sight. A connection that was lost while idle is
    /// nobody's, but not time after time: then the line may be what kills the upstream.
    pub fn blame(&mut self, reply: &Reply) -> Blame {
        let blame = Blame::of(reply);
        if blame == Blame::Unreachable {
            // Nothing was sent.
            return blame;
        }
        if blame != Blame::Connection {
            self.stale = 0;
            return blame;
        }
        self.stale = self.stale.saturating_add(1);
        if self.stale <= STALE_MAX {
            return blame;
        }
        Blame::Doubt {
            failures_max: None,
            lost: true,
        }
    }

    /// Another line was found to be what kills the upstream, so this one was only near it, unless it has
    /// taken one down alone.
    pub fn acquit(&mut self) {
        if !self.lost_alone {
            self.losses = 0;
        }
    }

    /// Notes a failure that is not settled yet. While one like it is not settled either, it tells nothing
    /// new: a line that fails time after time before anybody is answered is charged once. `alone` is that of
    /// its [`Circumstances`].
    pub fn suspect(&mut self, upstream: usize, suspicion: Suspicion, blame: Blame, alone: bool) {
        let of_few = matches!(
            blame,
            Blame::Doubt {
                failures_max: Some(_),
                ..
            }
        );
        self.open_failures = self.open_failures.saturating_add(1);
        let open = Open {
            upstream,
            suspicion,
            of_few,
            alone,
        };
        if !self.suspicions.iter().any(|known| known.is_like(&open)) {
            self.suspicions.push(open);
        }
    }

    /// Settles what the evidence settles. `standing` gives that of an upstream, if it is still there.
    /// What failed in several ways before anybody else was answered there is charged once.
    pub fn settle<'s>(&mut self, standing: impl Fn(usize) -> Option<&'s Standing>) {
        let mut charged_at = Vec::new();
        let mut suspicions = std::mem::take(&mut self.suspicions);
        suspicions.retain(|open| {
            match standing(open.upstream).map(|standing| standing.settle(open.suspicion)) {
                Some(Settled::Open) => return true,
                Some(Settled::Charged) => {
                    if !charged_at.contains(&open.upstream) {
                        charged_at.push(open.upstream);
                        self.charged = self.charged.saturating_add(1);
                    }
                    self.charged_of_few = self.charged_of_few.saturating_add(open.of_few.into());
                }
                Some(Settled::Cleared { lost: true }) => self.lose(open),
                Some(Settled::Cleared { lost: false }) | None => {}
            }
            false
        });
        self.suspicions = suspicions;
        if self.suspicions.is_empty() {
            self.open_failures = 0;
        }
    }

    /// The upstream was lost while the line was in flight.
    fn lose(&mut self, open: &Open) {
        let loss = (open.upstream, open.suspicion.recoveries());
        if self.last_loss.replace(loss) != Some(loss) {
            self.losses = self.losses.saturating_add(1);
        }
        self.lost_alone |= open.alone;
    }
}

impl Open {
    fn is_like(&self, other: &Self) -> bool {
        let key = |open: &Self| (open.upstream, open.of_few, open.suspicion.failure());
        key(self) == key(other)
    }
}

/// The circumstances of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The upstream's health with this failure counted.
    pub health: Health,
    /// Whether nothing else was in flight there, by intent.
    pub alone: bool,
    /// Whether the upstream's health and its list of models are fine.
    pub vouched: bool,
    /// What speaks for the upstream when no line of the model waits that never failed, so that there is
    /// nothing to compare with; `None` while there is.
    pub lone: Option<Lone>,
    /// The engine's own clock.
    pub now: Duration,
}

/// What speaks for an upstream besides other lines.
#[derive(Clone, Copy, Debug)]
pub struct Lone {
    /// Whether any line of the model was ever answered there.
    pub ever_good: bool,
}

/// What happens to a line after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What the attempt brought back is its outcome.
    Final,
    /// The same, and it was found to be what takes its upstreams down.
    Fatal,
    /// It is sent again, not before a pause of at most `backoff`; the caller draws the jitter.
    Retry {
        /// The longest pause.
        backoff: Duration,
    },
    /// It is sent again as soon as there is a permit: the attempt cost it nothing.
    Again,
}

/// Judges one attempt. The caller has told [`Standing`] of it and settled the [`Trial`] before.
pub fn judge(
    blame: Blame,
    trial: &mut Trial,
    circumstances: &Circumstances,
    rules: &AttemptRules,
) -> Verdict {
    match blame {
        Blame::Nobody | Blame::Line => Verdict::Final,
        Blame::Ours => {
            trial.ours = trial.ours.saturating_add(1);
            if trial.ours >= rules.attempts_max {
                return Verdict::Final;
            }
            Verdict::Retry {
                backoff: backoff(trial.ours),
            }
        }
        Blame::Overload { .. } | Blame::Unreachable | Blame::Connection => Verdict::Again,
        Blame::Doubt { failures_max, lost } => {
            // While the upstream is not there for anybody, failing says nothing of the line.
            if circumstances.alone && circumstances.vouched && trial.is_suspect() {
                let takes_down = match Failure::of(failures_max, lost) {
                    Failure::Lost => true,
                    // What stays up after a 5xx was not taken down by it.
                    Failure::Broke => trial.lost_alone,
                    Failure::Other => false,
                };
                if takes_down {
                    return Verdict::Fatal;
                }
            }
            // What few of end a line is counted by itself: the first of them, in the first moment of
            // an outage, must not end a line for failures of another kind before.
            let (charged, charged_max) = match failures_max {
                Some(few) => (trial.charged_of_few, few),
                None => (trial.charged, rules.attempts_max),
            };
            let spent = charged.saturating_add(1) >= charged_max;
            if spent && circumstances.health == Health::Well {
                return Verdict::Final;
            }
            if is_lone_failure(trial, circumstances, rules) {
                return Verdict::Final;
            }
            Verdict::Retry {
                backoff: backoff(
                    trial
                        .charged
                        .saturating_add(trial.open_failures.min(OPEN_DOUBLINGS_MAX)),
                ),
            }
        }
    }
}

/// Whether a line with nothing to compare it with has failed often and long enough.
fn is_lone_failure(trial: &mut Trial, circumstances: &Circumstances, rules: &AttemptRules) -> bool {
    let Some(lone) = circumstances.lone else {
        trial.lone_probes = 0;
        trial.lone_since = None;
        return false;
    };
    trial.lone_probes = trial.lone_probes.saturating_add(1);
    let since = *trial.lone_since.get_or_insert(circumstances.now);
    let patience = if lone.ever_good {
        rules.lone_patience_known
    } else {
        rules.lone_patience
    };
    circumstances.vouched
        && trial.lone_probes >= LONE_PROBES
        && circumstances.now.saturating_sub(since) >= patience
}

/// The longest pause after that many charged failures. The pause itself is drawn between nothing
/// and this ("full jitter"), so that lines that failed together do not come back together.
#[must_use]
pub fn backoff(charged: u8) -> Duration {
    let factor = 1_u32.checked_shl(u32::from(charged)).unwrap_or(u32::MAX);
    BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX)
}

/// Whether a reply that is a line's outcome means that its time ran out, which has a code of its own.
#[must_use]
pub const fn timed_out(reply: &Reply) -> bool {
    match reply {
        Reply::Answered { .. } => false,
        Reply::NoAnswer(why) => match why {
            NoAnswer::HeadTimeout | NoAnswer::IdleTimeout => true,
            NoAnswer::Refused
            | NoAnswer::StaleConnection
            | NoAnswer::Reset
            | NoAnswer::NotHttp
            | NoAnswer::CutBody
            | NoAnswer::TooLarge
            | NoAnswer::Ours => false,
        },
    }
}

#[cfg(test)]
mod tests;
