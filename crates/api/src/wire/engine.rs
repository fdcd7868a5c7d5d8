//! What the engine says of itself: shapes of our own, not part of OpenAI's surface.

use overnight_core::batch::Batch;
use overnight_core::id::BatchId;
use overnight_store::status::{
    BatchProgress, Latency, LimitedBy, PAUSED, Pace, PaceSample, UpstreamHealth, UpstreamStatus,
};
use overnight_store::store::Overview;
use serde::Serialize;
use serde::ser::SerializeMap as _;

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
    tokens_per_second: TokenRates,
    eta_range_seconds: Option<(u64, u64)>,
    limit: u64,
    limited_by: Option<&'static str>,
    latency_ms: Option<Latency>,
    paused: bool,
    parent: Option<&'a str>,
    children: &'a [BatchId],
    history: Vec<Sample>,
    updated_at: Option<u64>,
}

/// Tokens a second.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TokenRates {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// How a batch was at a time.
#[derive(Debug, Serialize)]
struct Sample {
    at: u64,
    lines_per_second: f64,
    in_flight: u64,
    limit: u64,
}

impl From<&PaceSample> for Sample {
    fn from(sample: &PaceSample) -> Self {
        Self {
            at: sample.at.seconds(),
            lines_per_second: sample.lines_per_second,
            in_flight: sample.in_flight,
            limit: sample.limit,
        }
    }
}

/// What is known of a batch beside its object.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    /// What its run last said, if it has said anything.
    pub(crate) progress: Option<&'a BatchProgress>,
    /// The batches that were made of its failed lines.
    pub(crate) children: &'a [BatchId],
    /// Why nothing is sent of any batch, if that is so: on a full disk the run cannot even save why
    /// its batch waits.
    pub(crate) held: Option<&'static str>,
}

impl<'a> ProgressObject<'a> {
    /// A batch with what is known of it. An ended batch does nothing, whatever its run said last;
    /// and a batch that was just paused says so before its run does.
    pub(crate) fn new(batch: &'a Batch, known: Known<'a>) -> Self {
        let Known {
            progress,
            children,
            held,
        } = known;
        let is_running = !batch.state.status().is_terminal();
        let running = progress.filter(|_| is_running);
        let said = running.and_then(|progress| progress.reason.as_deref());
        let pace = running.map(|progress| &progress.pace);
        let paused = batch.is_paused();
        let limited_by = match (paused, held.is_some() && is_running) {
            (true, _) => Some(LimitedBy::Paused),
            (false, true) => Some(LimitedBy::Disk),
            (false, false) => pace.and_then(|pace| pace.limited_by),
        };
        let reason = match held.filter(|_| is_running) {
            Some(held) => Some(held),
            None if paused => Some(PAUSED),
            None => said,
        };
        Self {
            object: "batch.progress",
            batch_id: batch.id.as_str(),
            status: batch.state.status().as_str(),
            request_counts: RequestCounts::from(batch),
            in_flight: running.map_or(0, |progress| progress.in_flight),
            retrying: running.map_or(0, |progress| progress.retrying),
            lines_per_second: running.map_or(0.0, |progress| progress.lines_per_second),
            eta_seconds: running.and_then(|progress| progress.eta_seconds),
            reason,
            tokens_per_second: pace.map_or_else(TokenRates::default, TokenRates::of),
            eta_range_seconds: pace.and_then(|pace| pace.eta_range_seconds),
            limit: pace.map_or(0, |pace| pace.limit),
            limited_by: limited_by.map(LimitedBy::as_str),
            latency_ms: pace.and_then(|pace| pace.latency),
            paused,
            parent: batch.parent.as_ref().map(BatchId::as_str),
            children,
            history: pace.map_or_else(Vec::new, |pace| {
                pace.history.iter().map(Sample::from).collect()
            }),
            updated_at: progress.map(|progress| progress.updated_at.seconds()),
        }
    }
}

impl TokenRates {
    fn of(pace: &Pace) -> Self {
        Self {
            input: pace.input_tokens_per_second,
            output: pace.output_tokens_per_second,
        }
    }
}

/// How everything is getting on at a glance.
#[derive(Debug, Serialize)]
pub(crate) struct OverviewObject {
    object: &'static str,
    batches: Counts,
    lines_per_second: f64,
    tokens_per_second: TokenRates,
    in_flight: u64,
    limit: u64,
    upstreams: Counts,
    version: &'static str,
}

impl OverviewObject {
    /// The batches of a project, and all upstreams.
    pub(crate) fn new(seen: &Overview, upstreams: &[UpstreamStatus]) -> Self {
        let batches = seen.batches.iter();
        let healthy = |health| {
            let like = upstreams
                .iter()
                .filter(|upstream| upstream.health == health);
            like.count() as u64
        };
        // `sum` of nothing is -0.0, which nobody wants to read.
        let sum = |of: fn(&BatchProgress) -> f64| {
            let each = seen.progress.iter().map(of);
            each.fold(0.0, |all, one| all + one)
        };
        Self {
            object: "overview",
            batches: Counts(
                batches
                    .map(|(status, count)| (status.as_str(), *count))
                    .collect(),
            ),
            lines_per_second: sum(|progress| progress.lines_per_second),
            tokens_per_second: TokenRates {
                input: sum(|progress| progress.pace.input_tokens_per_second),
                output: sum(|progress| progress.pace.output_tokens_per_second),
            },
            in_flight: upstreams.iter().map(|upstream| upstream.in_flight).sum(),
            limit: upstreams.iter().map(|upstream| upstream.limit).sum(),
            upstreams: Counts(
                UpstreamHealth::ALL
                    .map(|health| (health.as_str(), healthy(health)))
                    .into(),
            ),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Numbers by name, in order.
#[derive(Debug)]
struct Counts(Vec<(&'static str, u64)>);

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in &self.0 {
            map.serialize_entry(name, count)?;
        }
        map.end()
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
