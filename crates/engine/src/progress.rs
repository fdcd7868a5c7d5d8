//! Saves how batches and upstreams are doing, for people who ask. Looked at once a second, saved on
//! change.

mod pace;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use overnight_core::id::BatchId;
use overnight_core::usage::Usage;
use overnight_store::StoreError;
use overnight_store::status::{
    BatchProgress, Latency, LimitedBy, PACE_SAMPLES_MAX, Pace, PaceSample, UpstreamStatus,
};
use tokio::time::Instant;

use self::pace::{Rates, latency, tokens_since};
use crate::run::{Run, RunKey};
use crate::shared::Shared;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many samples are kept over all batches, about: they are saved with each change.
const SAMPLES_MAX: usize = 6_000;

/// How many are kept of each batch, however many batches are open.
const SAMPLES_LEAST: usize = 6;

/// How often a sample is kept.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// A batch that does not move is at risk when less than this is left of its window.
const LAST_SECONDS: u64 = 3600;

/// What was seen of a batch the last time.
struct Seen {
    at: Instant,
    ended: u64,
    usage: Usage,
    rates: Rates,
    latency: Option<Latency>,
    history: VecDeque<PaceSample>,
    /// When the last of them was kept.
    sampled: Instant,
    saved: Option<BatchProgress>,
}

/// Looks and saves, for ever.
pub(crate) async fn report(shared: Arc<Shared>) {
    let mut seen: HashMap<BatchId, Seen> = HashMap::new();
    let mut upstreams: Vec<UpstreamStatus> = Vec::new();
    loop {
        let runs = shared.runs();
        seen.retain(|batch, _| runs.iter().any(|run| run.batch_id() == batch));
        let samples_max = (SAMPLES_MAX / runs.len().max(1)).clamp(SAMPLES_LEAST, PACE_SAMPLES_MAX);
        let mut changed = Vec::new();
        let mut urgent = Vec::new();
        for run in &runs {
            let progress = look(&shared, run, &mut seen, samples_max);
            let left = run.expires_at().since(shared.clock.now());
            if !run.is_paused() && is_at_risk(&progress, left.as_secs()) {
                urgent.push((run.expires_at().micros(), run.key()));
            }
            if let Some(seen) = seen.get_mut(run.batch_id())
                && differs(seen.saved.as_ref(), &progress)
            {
                seen.saved = Some(progress.clone());
                changed.push(progress);
            }
        }
        shared.lanes.set_urgent(&urgent);
        if let Err(error) = save(&shared, &changed, &mut upstreams).await {
            tracing::warn!(%error, "the progress of batches was not saved");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn save(
    shared: &Shared,
    changed: &[BatchProgress],
    known: &mut Vec<UpstreamStatus>,
) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let statuses = shared.lanes.statuses(&shared.worker, now);
    for status in &statuses {
        shared.metrics.observe_upstream(status);
    }
    let without_time = |status: &UpstreamStatus| UpstreamStatus {
        updated_at: now,
        ..status.clone()
    };
    let upstreams_changed = !statuses.iter().cloned().eq(known.iter().map(without_time));
    if !changed.is_empty() {
        shared.store.save_progress(changed).await?;
    }
    if upstreams_changed {
        shared
            .store
            .save_upstreams(&shared.worker, &statuses)
            .await?;
        *known = statuses;
    }
    Ok(())
}

fn look(
    shared: &Shared,
    run: &Arc<Run>,
    seen: &mut HashMap<BatchId, Seen>,
    samples_max: usize,
) -> BatchProgress {
    let now = Instant::now();
    let (ended, usage) = (run.recorder.tally().ended(), run.recorder.usage());
    let seen = seen.entry(run.batch_id().clone()).or_insert_with(|| Seen {
        at: now,
        ended,
        usage,
        rates: Rates::default(),
        latency: None,
        history: VecDeque::new(),
        sampled: now,
        saved: None,
    });
    let passed = now.duration_since(seen.at).as_secs_f64();
    if passed > 0.0 {
        let lines = ended.saturating_sub(seen.ended);
        seen.rates
            .add(lines, tokens_since(&usage, &seen.usage), passed);
        if lines > 0 || seen.latency.is_none() {
            seen.latency = latency(run.recorder.took());
        }
        (seen.at, seen.ended, seen.usage) = (now, ended, usage);
    }
    let left = run.total().saturating_sub(ended);
    let reason = shared.reason(run);
    let (limit, waits) = shared.lanes.room(run.key());
    let (input_tokens, output_tokens) = seen.rates.tokens();
    let mut progress = BatchProgress {
        batch: run.batch_id().clone(),
        in_flight: run.in_flight(),
        retrying: shared.lanes.retrying(run.key()),
        lines_per_second: seen.rates.lines.shown(),
        eta_seconds: seen.rates.lines.eta(left),
        pace: Pace {
            input_tokens_per_second: input_tokens,
            output_tokens_per_second: output_tokens,
            eta_range_seconds: seen.rates.lines.eta_range(left),
            limit,
            limited_by: limited_by(shared, run, reason.is_some(), (limit, waits)),
            latency: seen.latency,
            history: Vec::new(),
        },
        reason,
        updated_at: shared.clock.now(),
    };
    seen.sample(&progress, samples_max, now);
    progress.pace.history = seen.history.iter().copied().collect();
    progress
}

impl Seen {
    /// Keeps a sample when it is time for one.
    fn sample(&mut self, progress: &BatchProgress, samples_max: usize, now: Instant) {
        if !self.history.is_empty() && now.duration_since(self.sampled) < SAMPLE_INTERVAL {
            return;
        }
        self.sampled = now;
        while self.history.len() >= samples_max {
            self.history.pop_front();
        }
        self.history.push_back(PaceSample {
            at: progress.updated_at,
            lines_per_second: progress.lines_per_second,
            in_flight: progress.in_flight,
            limit: progress.pace.limit,
        });
    }
}

/// What keeps the batch from being faster; `None` when other batches share its upstreams with it, or
/// it has not begun.
fn limited_by(
    shared: &Shared,
    run: &Run,
    has_reason: bool,
    (limit, waits): (u64, bool),
) -> Option<LimitedBy> {
    let in_flight = run.in_flight();
    if run.is_paused() {
        Some(LimitedBy::Paused)
    } else if shared.is_full() {
        Some(LimitedBy::Disk)
    } else if has_reason || (limit > 0 && in_flight >= limit) {
        Some(LimitedBy::Upstream)
    } else {
        (in_flight > 0 && !waits).then_some(LimitedBy::Input)
    }
}

/// Whether the batch will miss its deadline at its present rate, or have less than a tenth of its time
/// to spare: a rate is an estimate, and one that aims at the deadline misses it half of the time. One
/// that nothing keeps from moving and that still does not move is at risk in its last hour.
const fn is_at_risk(progress: &BatchProgress, left_seconds: u64) -> bool {
    match (progress.eta_seconds, &progress.reason) {
        (Some(eta), _) => eta.saturating_mul(10) > left_seconds.saturating_mul(9),
        (None, None) => left_seconds < LAST_SECONDS,
        (None, Some(_)) => false,
    }
}

fn differs(saved: Option<&BatchProgress>, now: &BatchProgress) -> bool {
    saved.is_none_or(|saved| {
        BatchProgress {
            updated_at: now.updated_at,
            ..saved.clone()
        } != *now
    })
}

/// A number for the next run of this process.
pub(crate) fn next_key(last: &mut u64) -> RunKey {
    *last += 1;
    RunKey(*last)
}

#[cfg(test)]
mod tests {
    use overnight_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_batch_is_at_risk_when_it_will_be_late_or_stands_still_near_its_end() {
        let progress = |eta_seconds, reason: Option<&str>| BatchProgress {
            batch: BatchId::new(Timestamp::from_seconds(1), 1),
            in_flight: 0,
            retrying: 0,
            lines_per_second: 0.0,
            eta_seconds,
            pace: Pace::default(),
            reason: reason.map(str::to_owned),
            updated_at: Timestamp::from_seconds(1),
        };
        assert!(is_at_risk(&progress(Some(91), None), 100));
        assert!(is_at_risk(&progress(Some(91), Some("it waits")), 100));
        assert!(!is_at_risk(&progress(Some(90), None), 100));
        assert!(is_at_risk(&progress(None, None), LAST_SECONDS - 1));
        assert!(!is_at_risk(&progress(None, None), LAST_SECONDS));
        assert!(!is_at_risk(&progress(None, Some("it waits")), 1));
    }
}
