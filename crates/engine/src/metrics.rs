//! What the engine counts, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use overnight_store::status::UpstreamStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Level = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    upstream: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Attempt {
    upstream: Arc<str>,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InStatus {
    status: &'static str,
}

/// The engine's metrics. Cloning shares them.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    lines: Family<Outcome, Counter>,
    attempts: Family<Attempt, Counter>,
    latency: Family<Named, Histogram, fn() -> Histogram>,
    in_flight: Family<Named, Level>,
    limit: Family<Named, Level>,
    healthy: Family<Named, Level>,
    flushes: Counter,
    flushed_lines: Counter,
    flush_seconds: Histogram,
    batches: Family<InStatus, Level>,
    quarantined: Level,
    blobs_reached: Level,
}

/// The counters of one upstream, looked up once.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamMetrics {
    pub(crate) answered: Counter,
    pub(crate) refused: Counter,
    pub(crate) failed: Counter,
    pub(crate) latency: Histogram,
}

/// The counters of outcomes, looked up once.
#[derive(Clone, Debug)]
pub(crate) struct LineMetrics {
    pub(crate) completed: Counter,
    pub(crate) failed: Counter,
    pub(crate) unrun: Counter,
}

impl EngineMetrics {
    /// Makes the metrics known to a registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            lines: Family::default(),
            attempts: Family::default(),
            latency: Family::new_with_constructor(latency_histogram),
            in_flight: Family::default(),
            limit: Family::default(),
            healthy: Family::default(),
            flushes: Counter::default(),
            flushed_lines: Counter::default(),
            flush_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            batches: Family::default(),
            quarantined: Level::default(),
            blobs_reached: Level::default(),
        };
        metrics.blobs_reached.set(1);
        let overnight = registry.sub_registry_with_prefix("overnight");
        overnight.register("lines", "Lines recorded, by outcome", metrics.lines.clone());
        overnight.register(
            "attempts",
            "Requests to upstreams, by result",
            metrics.attempts.clone(),
        );
        overnight.register_with_unit(
            "attempt",
            "Time from sending a request to the end of its answer",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        overnight.register(
            "upstream_in_flight",
            "Requests in flight",
            metrics.in_flight.clone(),
        );
        overnight.register(
            "upstream_limit",
            "Requests that may be in flight",
            metrics.limit.clone(),
        );
        let healthy = "Whether lines are sent to the upstream (1) or only probes (0)";
        overnight.register("upstream_healthy", healthy, metrics.healthy.clone());
        overnight.register("flushes", "Segments recorded", metrics.flushes.clone());
        overnight.register(
            "flushed_lines",
            "Lines in them",
            metrics.flushed_lines.clone(),
        );
        overnight.register_with_unit(
            "flush",
            "Time to write and record a segment",
            Unit::Seconds,
            metrics.flush_seconds.clone(),
        );
        overnight.register("batches", "Batches, by status", metrics.batches.clone());
        overnight.register(
            "quarantined_blobs",
            "Blobs that are not what was written",
            metrics.quarantined.clone(),
        );
        overnight.register(
            "blobs_reached",
            "Whether what has to be kept can be written (1) or not (0)",
            metrics.blobs_reached.clone(),
        );
        metrics
    }

    /// The counters of one upstream.
    pub(crate) fn upstream(&self, name: &str) -> UpstreamMetrics {
        let upstream: Arc<str> = name.into();
        let attempts = |result| {
            let labels = Attempt {
                upstream: Arc::clone(&upstream),
                result,
            };
            self.attempts.get_or_create_owned(&labels)
        };
        UpstreamMetrics {
            answered: attempts("answered"),
            refused: attempts("refused"),
            failed: attempts("failed"),
            latency: self.latency.get_or_create_owned(&Named {
                upstream: Arc::clone(&upstream),
            }),
        }
    }

    /// The counters of outcomes.
    pub(crate) fn lines(&self) -> LineMetrics {
        let lines = |outcome| self.lines.get_or_create_owned(&Outcome { outcome });
        LineMetrics {
            completed: lines("completed"),
            failed: lines("failed"),
            unrun: lines("unrun"),
        }
    }

    /// A segment was recorded.
    pub(crate) fn flushed(&self, lines: u64, seconds: f64) {
        self.flushes.inc();
        self.flushed_lines.inc_by(lines);
        self.flush_seconds.observe(seconds);
    }

    /// How an upstream is doing.
    pub(crate) fn observe_upstream(&self, status: &UpstreamStatus) {
        use overnight_store::status::UpstreamHealth;
        let labels = Named {
            upstream: status.name.as_str().into(),
        };
        let healthy = matches!(status.health, UpstreamHealth::Healthy);
        self.in_flight.get_or_create(&labels).set(status.in_flight);
        self.limit.get_or_create(&labels).set(status.limit);
        self.healthy.get_or_create(&labels).set(u64::from(healthy));
    }

    /// How many blobs are in quarantine.
    pub(crate) fn observe_blobs_reached(&self, reaches: bool) {
        self.blobs_reached.set(reaches.into());
    }

    pub(crate) fn observe_quarantined(&self, count: u64) {
        self.quarantined.set(count);
    }

    /// How many batches are in a status.
    pub(crate) fn observe_batches(&self, status: &'static str, count: u64) {
        self.batches.get_or_create(&InStatus { status }).set(count);
    }
}

/// From 5 ms to about 45 minutes: a long generation on a busy machine is still inside.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 20))
}
