//! One upstream as the lanes see it: its permits, its pauses, and how each model is doing there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::{Health, Standing};
use overnight_core::limit::{Limiter, LimiterSettings, RateBudget};
use overnight_store::status::ServedModel;

use super::Lane;
use tokio::sync::Notify;

use crate::engine::UpstreamPart;
use crate::upstream::{ModelList, Upstream};

/// The pause before the first probe of a parked upstream, doubled with each that fails.
const PROBE_PAUSE_FIRST: Duration = Duration::from_millis(250);

/// No pause between probes is longer.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The same while the upstream's health and list are fine: then the lines that are left may be what
/// fails, and each of them needs several probes.
const PROBE_PAUSE_VOUCHED_MAX: Duration = Duration::from_secs(1);

/// After it was idle for a line that must run alone, an upstream works for so many times as long.
const WORK_PER_IDLE: u32 = 3;

/// But no longer than this.
const WORK_MAX: Duration = Duration::from_mins(10);

/// What an upstream serves.
pub(super) enum Serves {
    /// Nothing is known: it has not answered yet.
    Unknown,
    /// Every model: it has no list.
    Any,
    /// These.
    Listed(Vec<ServedModel>),
}

/// One upstream.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) limiter: Limiter,
    pub(super) in_flight: u32,
    /// Whether the one request in flight must stay the only one.
    pub(super) is_exclusive: bool,
    /// Since when it falls idle for a line that must run alone.
    idle_since: Option<Duration>,
    /// When it may do so again.
    idle_next: Duration,
    pub(super) rpm: Option<RateBudget>,
    pub(super) tpm: Option<RateBudget>,
    pub(super) serves: Serves,
    /// Why its list could not be had at the last try.
    pub(super) list_error: Option<String>,
    listed_at: Option<Duration>,
    /// Whether its health and its list were fine when they were last asked for.
    pub(super) vouched: bool,
    /// Notified when its health should be asked for at once, or its list.
    pub(super) doubted: Arc<Notify>,
    /// The lanes that it serves; the next one to be looked at first.
    pub(super) lanes: Vec<usize>,
    pub(super) posts: BTreeMap<usize, Post>,
}

/// One model at one upstream.
#[derive(Default)]
pub(super) struct Post {
    pub(super) standing: Standing,
    pub(super) in_flight: u32,
    pub(super) next_probe: Duration,
    /// What the last failure was, as the rest of a sentence that begins with the upstream.
    pub(super) why: String,
}

impl Post {
    /// How lines may be sent: `None` not now, else whether as a probe.
    pub(super) fn opening(&self, now: Duration) -> Option<bool> {
        match self.standing.health() {
            Health::Well => Some(false),
            Health::Doubtful | Health::Parked => {
                (self.in_flight == 0 && self.next_probe <= now).then_some(true)
            }
        }
    }

    /// Sets the time of the next probe, if one is needed. `jitter`, between 0 and 1, keeps them from coming
    /// in step with what they find.
    pub(super) fn schedule_probe(&mut self, is_vouched: bool, jitter: f64, now: Duration) {
        if self.standing.health() == Health::Parked {
            let doublings = self.standing.probes_failed().saturating_sub(1).min(8);
            let most = if is_vouched {
                PROBE_PAUSE_VOUCHED_MAX
            } else {
                PROBE_PAUSE_MAX
            };
            let pause = PROBE_PAUSE_FIRST.saturating_mul(1 << doublings).min(most);
            self.next_probe = now + pause.mul_f64(0.75 + jitter / 4.0);
        }
    }
}

impl Place {
    pub(super) fn new(part: UpstreamPart) -> Self {
        let limits = part.limits;
        let limiter = limits.limit.map_or_else(
            || {
                let defaults = LimiterSettings::default();
                let max = limits.limit_max.unwrap_or(defaults.max).max(1);
                LimiterSettings {
                    max,
                    start: defaults.start.min(max),
                    ..defaults
                }
            },
            LimiterSettings::fixed,
        );
        Self {
            name: part.name,
            url: part.url,
            upstream: part.upstream,
            limiter: Limiter::new(limiter),
            in_flight: 0,
            is_exclusive: false,
            idle_since: None,
            idle_next: Duration::ZERO,
            rpm: limits.rpm.map(|rpm| RateBudget::new(rpm.into())),
            tpm: limits.tpm.map(RateBudget::new),
            serves: Serves::Unknown,
            list_error: None,
            listed_at: None,
            vouched: false,
            doubted: Arc::default(),
            lanes: Vec::new(),
            posts: BTreeMap::new(),
        }
    }

    /// Whether it serves the model, as far as its list is known.
    pub(super) fn serves(&self, model: &str) -> bool {
        match &self.serves {
            Serves::Unknown => false,
            Serves::Any => true,
            Serves::Listed(models) => models.iter().any(|served| served.id == model),
        }
    }

    pub(super) fn set_models(&mut self, list: Result<ModelList, String>, now: Duration) {
        match list {
            Ok(list) => {
                self.serves = match (list, &self.serves) {
                    (ModelList::Models(models), _) => Serves::Listed(models),
                    (ModelList::NoList, Serves::Unknown | Serves::Any) => Serves::Any,
                    // Something between us and the upstream answers in its place.
                    (ModelList::NoList, Serves::Listed(_)) => {
                        self.list_error = Some("its list of models is gone".to_owned());
                        return;
                    }
                };
                self.listed_at = Some(now);
                self.list_error = None;
            }
            Err(why) => {
                if self.list_error.as_ref() != Some(&why) {
                    tracing::warn!(upstream.name = self.name, reason = why, "no list of models");
                }
                self.list_error = Some(why);
            }
        }
    }

    /// Whether it was ever asked for its list, whatever it answered.
    pub(super) const fn was_asked(&self) -> bool {
        self.listed_at.is_some() || self.list_error.is_some()
    }

    /// Whether it has answered with its list after that time.
    pub(super) fn has_listed_since(&self, since: Duration) -> bool {
        self.list_error.is_none() && self.listed_at.is_some_and(|at| at > since)
    }

    pub(super) fn set_lane(&mut self, lane: usize, serves: bool) {
        let known = self.lanes.contains(&lane);
        if serves && !known {
            self.lanes.push(lane);
            self.posts.entry(lane).or_default();
        } else if !serves && known {
            self.lanes.retain(|other| *other != lane);
        }
    }

    /// Whether a model is well here.
    pub(super) fn is_well(&self, lane: usize) -> bool {
        let post = self.posts.get(&lane);
        post.is_none_or(|post| post.standing.health() == Health::Well)
    }

    /// Whether another request may go out now.
    pub(super) fn is_open(&mut self, now: Duration) -> bool {
        !self.is_exclusive
            && self.in_flight < self.limiter.limit()
            && self.limiter.paused_until() <= now
            && self.rate_wait(now).is_zero()
    }

    /// Whether it sends nothing else until it is idle, because a line that must run alone `waits`.
    pub(super) fn falls_idle(&mut self, waits: bool, now: Duration) -> bool {
        let falls = waits && now >= self.idle_next;
        self.idle_since = falls.then(|| self.idle_since.unwrap_or(now));
        falls
    }

    /// A line that had to run alone has done so: the others go on for some times as long as that took.
    pub(super) fn was_idle(&mut self, now: Duration) {
        if let Some(since) = self.idle_since.take() {
            let took = now.saturating_sub(since);
            self.idle_next = now + took.saturating_mul(WORK_PER_IDLE).min(WORK_MAX);
        }
    }

    /// How long its rates a minute make it wait.
    pub(super) fn rate_wait(&mut self, now: Duration) -> Duration {
        let rpm = self
            .rpm
            .as_mut()
            .map_or(Duration::ZERO, |budget| budget.wait(now));
        let tpm = self
            .tpm
            .as_mut()
            .map_or(Duration::ZERO, |budget| budget.wait(now));
        rpm.max(tpm)
    }

    /// Whether a line that may go out waits in one of its lanes.
    pub(super) fn is_waited_for(&self, lanes: &[Lane]) -> bool {
        let mut served = self.lanes.iter().filter_map(|lane| lanes.get(*lane));
        served.any(|lane| !lane.turns.is_empty())
    }

    /// When the first of the pauses ends that keep it from sending; `None` when it does not wait for
    /// a time.
    pub(super) fn opens_at(&mut self, now: Duration) -> Option<Duration> {
        let pause = Some(self.limiter.paused_until()).filter(|until| *until > now);
        let rate = Some(self.rate_wait(now)).filter(|wait| !wait.is_zero());
        let probes = self
            .posts
            .values()
            .filter(|post| post.in_flight == 0 && post.next_probe > now)
            .map(|post| post.next_probe);
        let rate = rate.map(|wait| now + wait);
        probes.chain(pause).chain(rate).min()
    }

    /// How much of its limit is used.
    pub(super) fn load(&self) -> f64 {
        f64::from(self.in_flight) / f64::from(self.limiter.limit().max(1))
    }

    /// Whether any model is not well here that lines wait for.
    pub(super) fn is_in_doubt(&self, lanes: &[Lane]) -> bool {
        self.posts_in_use(lanes)
            .any(|post| post.standing.health() != Health::Well)
    }

    /// The models that lines wait for or are in flight to. What is known of others is old: nobody
    /// probes them.
    pub(super) fn posts_in_use(&self, lanes: &[Lane]) -> impl Iterator<Item = &Post> {
        self.posts.iter().filter_map(|(index, post)| {
            let waits = lanes
                .get(*index)
                .is_some_and(|lane| !lane.queues.is_empty());
            (waits || post.in_flight > 0).then_some(post)
        })
    }
}
