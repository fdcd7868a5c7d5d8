//! What servers answer, as far as commands look into it. Unknown keys are passed over, and what is
//! printed as JSON is the answer itself.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{ENDED_EARLY, INPUT_REFUSED, LINES_FAILED};

/// An object, read, and as it came.
#[derive(Clone, Debug)]
pub(crate) struct Told<T> {
    /// What is looked into.
    pub(crate) read: T,
    /// What is printed.
    pub(crate) json: Value,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(from)?;
        let read = T::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { read, json })
    }
}

/// A page of a list, or all of one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Page<T> {
    /// The objects.
    pub(crate) data: Vec<T>,
    /// Whether there are more behind them.
    #[serde(default)]
    pub(crate) has_more: bool,
}

/// A batch.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Batch {
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) model: Option<String>,
    pub(crate) status: String,
    pub(crate) errors: Option<Page<LineError>>,
    pub(crate) input_file_id: String,
    pub(crate) output_file_id: Option<String>,
    pub(crate) error_file_id: Option<String>,
    pub(crate) completion_window: String,
    pub(crate) created_at: u64,
    pub(crate) in_progress_at: Option<u64>,
    pub(crate) expires_at: Option<u64>,
    pub(crate) completed_at: Option<u64>,
    pub(crate) failed_at: Option<u64>,
    pub(crate) expired_at: Option<u64>,
    pub(crate) cancelled_at: Option<u64>,
    pub(crate) request_counts: Option<Counts>,
    pub(crate) usage: Option<Usage>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// How many lines a batch has, and how many ended.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
}

/// The tokens of a batch.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// Why an input was refused.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LineError {
    pub(crate) code: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) message: String,
}

impl Batch {
    /// Whether its status will not change.
    pub(crate) fn is_ended(&self) -> bool {
        is_final(&self.status)
    }

    /// How many lines there are, and how many ended.
    pub(crate) fn counts(&self) -> Counts {
        self.request_counts.unwrap_or_default()
    }

    /// When it ended.
    pub(crate) fn ended_at(&self) -> Option<u64> {
        self.completed_at
            .or(self.failed_at)
            .or(self.expired_at)
            .or(self.cancelled_at)
    }

    /// The exit code that tells scripts how it ended; 0 also while it runs.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.status.as_str() {
            "failed" => INPUT_REFUSED,
            "expired" | "cancelled" => ENDED_EARLY,
            "completed" if self.counts().failed > 0 => LINES_FAILED,
            _ => 0,
        }
    }
}

/// The statuses of batches that have not ended.
pub(crate) const OPEN_STATUSES: [&str; 4] =
    ["validating", "in_progress", "finalizing", "cancelling"];

/// Whether a batch of that status does not change any more.
pub(crate) fn is_final(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "expired" | "cancelled")
}

/// What is asked for with a new batch.
#[derive(Debug, Serialize)]
pub(crate) struct NewBatch<'a> {
    pub(crate) input_file_id: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) completion_window: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// How a batch is getting on. What older servers do not say is absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    pub(crate) in_flight: u64,
    pub(crate) retrying: u64,
    pub(crate) lines_per_second: f64,
    pub(crate) eta_seconds: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) tokens_per_second: Option<TokenRates>,
    pub(crate) limit: Option<u64>,
    pub(crate) latency_ms: Option<Latency>,
    pub(crate) paused: bool,
    pub(crate) parent: Option<String>,
    pub(crate) children: Vec<String>,
}

/// Tokens a second.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenRates {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// How long recent lines took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

/// A file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) purpose: String,
    pub(crate) filename: String,
    pub(crate) bytes: u64,
    pub(crate) created_at: u64,
    pub(crate) expires_at: Option<u64>,
}

/// An inference server, as a server of batches sees it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) health: String,
    pub(crate) reason: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) any_model: bool,
    pub(crate) in_flight: u64,
    pub(crate) limit: u64,
}

/// Why lines of a batch failed, by cause, the most frequent one first.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failures {
    /// The causes.
    pub(crate) data: Vec<Told<FailureGroup>>,
    /// The lines that failed.
    pub(crate) total: u64,
}

/// Lines that failed for the same cause.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FailureGroup {
    /// The message with all left out in which lines differ; the cause's name.
    pub(crate) signature: String,
    pub(crate) code: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) count: u64,
    pub(crate) first_line: Option<u64>,
    /// The message of one of them.
    pub(crate) sample: Option<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// A line of a batch.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(rename = "line")]
    pub(crate) number: u64,
    pub(crate) custom_id: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) attempts: Option<u64>,
    pub(crate) preview: Option<String>,
}
