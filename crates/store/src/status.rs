//! What people ask about a running engine. A worker saves these on change, at most once a second;
//! nothing on a line's path writes them, and nothing needs them to be correct.

use overnight_core::id::{BatchId, WorkerId};
use overnight_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why every batch waits while the disk has less room than its reserve.
pub const DISK_NEARLY_FULL: &str =
    "the disk is nearly full; lines are sent again when there is room";

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
    /// When this was true.
    pub updated_at: Timestamp,
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
