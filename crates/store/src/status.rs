//! What people ask about a running engine. A worker saves these on change, at most once a second;
//! nothing on a line's path writes them, and nothing needs them to be correct.

use overnight_core::id::{BatchId, WorkerId};
use overnight_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why every batch waits while the disk has less room than its reserve.
pub const DISK_NEARLY_FULL: &str =
    "the disk is nearly full; lines are sent again when there is room";

/// Why batches wait whose worker cannot write what has to be kept.
pub const BLOBS_NOT_REACHED: &str =
    "what has to be kept cannot be written (the log says why); that is tried again until it can be";

/// Why a batch waits that somebody paused.
pub const PAUSED: &str = "it is paused; nothing more is sent until it is resumed";

/// How a batch is getting on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchProgress {
    /// The batch.
    pub batch: BatchId,
    /// Its requests that are with an upstream.
    pub in_flight: u64,
    /// Its lines that wait for another attempt.
    pub retrying: u64,
    /// Lines ended a second, over the last minute or so.
    pub lines_per_second: f64,
    /// Seconds until the last line ends at that rate; unknown while nothing moves.
    pub eta_seconds: Option<u64>,
    /// Why it waits, as a sentence; `None` while it moves.
    pub reason: Option<String>,
    /// How fast it is, and what it could be.
    #[serde(default)]
    pub pace: Pace,
    /// When this was true.
    pub updated_at: Timestamp,
}

/// How many samples of a batch's pace are kept: ten minutes of them.
pub const PACE_SAMPLES_MAX: usize = 60;

/// How fast a batch is, and what it could be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Tokens of requests that were answered a second, over the last minute or so.
    pub input_tokens_per_second: f64,
    /// Tokens of their answers a second.
    pub output_tokens_per_second: f64,
    /// Between how many and how many seconds the last line should end, as the rate has varied of
    /// late; unknown while nothing moves.
    pub eta_range_seconds: Option<(u64, u64)>,
    /// How many requests the upstreams of its models may have at once, those of others included.
    pub limit: u64,
    /// What keeps it from being faster, if one thing does.
    pub limited_by: Option<LimitedBy>,
    /// How long its recent lines took; unknown before the first has ended.
    pub latency: Option<Latency>,
    /// How it was, every ten seconds, the oldest first; at most [`PACE_SAMPLES_MAX`].
    pub history: Vec<PaceSample>,
}

/// What keeps a batch from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// Its upstreams have as much to do as they may, or do not answer.
    Upstream,
    /// It has no more lines than those that are with an upstream.
    Input,
    /// Somebody paused it.
    Paused,
    /// The disk is nearly full.
    Disk,
}

impl LimitedBy {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Upstream, Self::Input, Self::Paused, Self::Disk];

    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Input => "input",
            Self::Paused => "paused",
            Self::Disk => "disk",
        }
    }
}

/// How long the last attempts of recent lines took, in milliseconds: of so many percent of them at
/// most that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Of half of them.
    pub p50: u32,
    /// Of 95 percent.
    pub p95: u32,
    /// Of 99 percent.
    pub p99: u32,
    /// Of all of them.
    pub max: u32,
}

/// How a batch was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaceSample {
    /// When.
    pub at: Timestamp,
    /// As in [`BatchProgress`].
    pub lines_per_second: f64,
    /// As in [`BatchProgress`].
    pub in_flight: u64,
    /// As in [`Pace`].
    pub limit: u64,
}

/// Whether lines are sent to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamHealth {
    /// Nothing is known yet.
    Unknown,
    /// It answers.
    Healthy,
    /// Its last answers raise doubt; one line at a time is tried.
    Doubtful,
    /// Nothing is sent but probes.
    Parked,
}

impl UpstreamHealth {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Healthy, Self::Doubtful, Self::Parked];

    /// The word in metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Doubtful => "doubtful",
            Self::Parked => "parked",
        }
    }
}

/// How an upstream is getting on, as one worker sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Who says so.
    pub worker: WorkerId,
    /// The upstream's name.
    pub name: String,
    /// Its address, without credentials.
    pub url: String,
    /// Whether lines are sent to it.
    pub health: UpstreamHealth,
    /// Why not, as a sentence.
    pub reason: Option<String>,
    /// The models that it serves, under the names that lines use, with what the upstream's list
    /// said.
    pub models: Vec<ServedModel>,
    /// Whether it takes every model, because it has no list.
    pub any_model: bool,
    /// Requests that are with it.
    pub in_flight: u64,
    /// How many it may have at once.
    pub limit: u64,
    /// When this was true.
    pub updated_at: Timestamp,
}

/// One model of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedModel {
    /// The name that lines use.
    pub id: String,
    /// Unix seconds, as the upstream's list says.
    pub created: Option<u64>,
    /// As the upstream's list says.
    pub owned_by: Option<String>,
}
