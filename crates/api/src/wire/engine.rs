//! What the engine says of itself: shapes of our own, not part of OpenAI's surface.

use overnight_core::batch::Batch;
use overnight_store::status::{BatchProgress, UpstreamStatus};
use serde::Serialize;

use super::batch::RequestCounts;

/// How a batch is getting on.
#[derive(Debug, Serialize)]
pub(crate) struct ProgressObject<'a> {
    object: &'static str,
    batch_id: &'a str,
    status: &'static str,
    request_counts: RequestCounts,
    in_flight: u64,
    retrying: u64,
    lines_per_second: f64,
    eta_seconds: Option<u64>,
    reason: Option<&'a str>,
    updated_at: Option<u64>,
}

impl<'a> ProgressObject<'a> {
    /// A batch with what its run last said, if it has said anything. An ended batch does nothing,
    /// whatever its run said last.
    ///
    /// On a full disk the run cannot even save why the batch waits, so that is `held` here.
    pub(crate) fn new(
        batch: &'a Batch,
        progress: Option<&'a BatchProgress>,
        held: Option<&'a str>,
    ) -> Self {
        let is_running = !batch.state.status().is_terminal();
        let running = progress.filter(|_| is_running);
        let said = running.and_then(|progress| progress.reason.as_deref());
        Self {
            object: "batch.progress",
            batch_id: batch.id.as_str(),
            status: batch.state.status().as_str(),
            request_counts: RequestCounts::from(batch),
            in_flight: running.map_or(0, |progress| progress.in_flight),
            retrying: running.map_or(0, |progress| progress.retrying),
            lines_per_second: running.map_or(0.0, |progress| progress.lines_per_second),
            eta_seconds: running.and_then(|progress| progress.eta_seconds),
            reason: held.filter(|_| is_running).or(said),
            updated_at: progress.map(|progress| progress.updated_at.seconds()),
        }
    }
}

/// How an upstream is getting on, as one worker sees it.
#[derive(Debug, Serialize)]
pub(crate) struct UpstreamObject<'a> {
    object: &'static str,
    name: &'a str,
    url: &'a str,
    worker: &'a str,
    health: &'static str,
    reason: Option<&'a str>,
    models: Vec<&'a str>,
    any_model: bool,
    in_flight: u64,
    limit: u64,
    updated_at: u64,
}

impl<'a> From<&'a UpstreamStatus> for UpstreamObject<'a> {
    fn from(upstream: &'a UpstreamStatus) -> Self {
        Self {
            object: "upstream",
            name: &upstream.name,
            url: &upstream.url,
            worker: upstream.worker.as_str(),
            health: upstream.health.as_str(),
            reason: upstream.reason.as_deref(),
            models: upstream
                .models
                .iter()
                .map(|model| model.id.as_str())
                .collect(),
            any_model: upstream.any_model,
            in_flight: upstream.in_flight,
            limit: upstream.limit,
            updated_at: upstream.updated_at.seconds(),
        }
    }
}
