//! Saves how batches and upstreams are doing, for people who ask. Looked at once a second, saved on
//! change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use overnight_core::id::BatchId;
use overnight_store::status::{BatchProgress, UpstreamStatus};
use tokio::time::Instant;

use crate::run::{Run, RunKey};
use crate::shared::Shared;
use crate::sweep::count_batches;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(1);

/// A rate forgets what was this long ago to about a third.
const RATE_SECONDS: f64 = 20.0;

/// A batch that does not move is at risk when less than this is left of its window.
const LAST_SECONDS: u64 = 3600;

/// What was seen of a batch the last time.
struct Seen {
    at: Instant,
    ended: u64,
    rate: f64,
    saved: Option<BatchProgress>,
}

/// Looks and saves, for ever.
pub(crate) async fn report(shared: Arc<Shared>) {
    let mut seen: HashMap<BatchId, Seen> = HashMap::new();
    let mut upstreams: Vec<UpstreamStatus> = Vec::new();
    loop {
        let runs = shared.runs();
        seen.retain(|batch, _| runs.iter().any(|run| run.batch_id() == batch));
        let mut changed = Vec::new();
        let mut urgent = Vec::new();
        for run in &runs {
            let progress = look(&shared, run, &mut seen);
            if is_at_risk(&shared, run, &progress) {
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
        save(&shared, &changed, &mut upstreams).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn save(shared: &Shared, changed: &[BatchProgress], known: &mut Vec<UpstreamStatus>) {
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
    let saved = async {
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
        count_batches(shared).await
    };
    if let Err(error) = saved.await {
        tracing::warn!(%error, "the progress of batches was not saved");
    }
}

fn look(shared: &Shared, run: &Arc<Run>, seen: &mut HashMap<BatchId, Seen>) -> BatchProgress {
    let now = Instant::now();
    let ended = run.recorder.tally().ended();
    let seen = seen.entry(run.batch_id().clone()).or_insert_with(|| Seen {
        at: now,
        ended,
        rate: 0.0,
        saved: None,
    });
    let passed = now.duration_since(seen.at).as_secs_f64();
    if passed > 0.0 {
        // Line counts are far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let rate = ended.saturating_sub(seen.ended) as f64 / passed;
        let keep = if seen.rate == 0.0 {
            0.0
        } else {
            (-passed / RATE_SECONDS).exp()
        };
        seen.rate = seen.rate * keep + rate * (1.0 - keep);
        (seen.at, seen.ended) = (now, ended);
    }
    BatchProgress {
        batch: run.batch_id().clone(),
        in_flight: run.in_flight(),
        retrying: shared.lanes.retrying(run.key()),
        lines_per_second: (seen.rate * 100.0).round() / 100.0,
        eta_seconds: eta(run.total().saturating_sub(ended), seen.rate),
        reason: shared.reason(run),
        updated_at: shared.clock.now(),
    }
}

fn eta(left: u64, rate: f64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "line counts are far below 2^53")]
    let seconds = left as f64 / rate;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .map(|eta| eta.as_secs())
}

/// Whether the batch will miss its deadline at its present rate. One that nothing keeps from moving and
/// that still does not move is at risk in its last hour.
fn is_at_risk(shared: &Shared, run: &Run, progress: &BatchProgress) -> bool {
    let left = run.expires_at().since(shared.clock.now()).as_secs();
    let stands_still = progress.eta_seconds.is_none() && progress.reason.is_none();
    progress.eta_seconds.is_some_and(|eta| eta > left) || (stands_still && left < LAST_SECONDS)
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
