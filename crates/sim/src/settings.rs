//! What can be set, each with its meaning, unit, bound and default. The settings are checked once,
//! when a simulator is made from them, so that a typing error is a sentence and not a strange run.

use serde::{Deserialize, Deserializer, Serialize};

use crate::faults::FaultRates;
use crate::log::LogTo;

/// The longest time, in milliseconds, that a token may be set to take: one hour.
pub const TOKEN_MS_MAX: f64 = 3_600_000.0;

/// The most tokens that one answer may be set to have.
pub const OUTPUT_TOKENS_MAX: u32 = 4_000_000;

/// The most slots and the most waiting places that can be set.
pub const PLACES_MAX: usize = 1_000_000;

/// How a simulator behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimSettings {
    /// The names of the models it serves; other names get 404 `model_not_found`. One text with commas
    /// between them is understood as well. Default `["sim"]`.
    #[serde(deserialize_with = "names")]
    pub models: Vec<String>,
    /// Serves every model that is asked for, whatever `models` says. Default false.
    pub any_model: bool,
    /// Answers `GET /v1/models`; without, it is 404 as on servers that have no list. Default true.
    pub list_models: bool,
    /// Answers `GET /metrics` with vLLM's gauges; without, it is 404. Default true.
    pub metrics: bool,
    /// Requests that run at a time, from 1 to [`PLACES_MAX`]; can be changed while it runs.
    /// Default 32.
    pub slots: usize,
    /// Requests that wait in line for a slot, up to [`PLACES_MAX`]; one more gets 429. Default 256.
    pub queue: usize,
    /// The `Retry-After` header of its 429s, in seconds; none by default.
    pub retry_after_seconds: Option<u64>,
    /// Milliseconds until the first token, counted from when the request gets its slot, up to
    /// [`TOKEN_MS_MAX`]. Default 50.
    pub ttft_ms: f64,
    /// Milliseconds for each token after the first, up to [`TOKEN_MS_MAX`]. Default 5.
    pub tpot_ms: f64,
    /// How far a request's two times are from their settings at most, as a share of them, from 0
    /// to 1. Default 0.2, that is plus or minus 20 %.
    pub jitter: f64,
    /// How many tokens an answer has when its request does not cut it shorter.
    pub output_tokens: TokenRange,
    /// The length of an embedding when the request names none, from 1 to 4096. Default 64.
    pub dimensions: usize,
    /// How often it fails, and how. Never by default.
    pub faults: FaultRates,
    /// Decides, with a body's bytes, its durations, answer and faults. Default 0.
    pub seed: u64,
    /// Seconds since 1970 that every answer's `created` says. It is constant so that equal bodies
    /// get equal bytes; the default is the start of 2026.
    pub created: u64,
    /// A body over this many bytes gets 413. Default 256 MiB.
    pub body_bytes_max: usize,
    /// Where a line for each received request goes. Off by default.
    pub log: LogTo,
}

/// An inclusive range that each answer's length is drawn from, evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRange {
    /// The shortest answer, at least 1.
    pub min: u32,
    /// The longest answer, at least `min` and at most [`OUTPUT_TOKENS_MAX`].
    pub max: u32,
}

/// Why no simulator can be made from some settings.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A setting is out of its bounds: tell whoever set it.
    #[error("{key}: {message}")]
    Setting {
        /// The setting's name, as in [`SimSettings`].
        key: &'static str,
        /// What it must be.
        message: String,
    },
    /// The request log cannot be opened: choose another path.
    #[error("the request log {path:?} cannot be opened")]
    Log {
        /// The path as it was set.
        path: std::path::PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
}

/// Names as a list, or as one text with commas between them.
fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of texts")]
    enum Names {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Names::deserialize(from)? {
        Names::List(names) => names,
        Names::Text(text) => text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            models: vec!["sim".to_owned()],
            any_model: false,
            list_models: true,
            metrics: true,
            slots: 32,
            queue: 256,
            retry_after_seconds: None,
            ttft_ms: 50.0,
            tpot_ms: 5.0,
            jitter: 0.2,
            output_tokens: TokenRange { min: 16, max: 64 },
            dimensions: 64,
            faults: FaultRates::default(),
            seed: 0,
            created: 1_767_225_600,
            body_bytes_max: 256 * 1024 * 1024,
            log: LogTo::Off,
        }
    }
}

impl SimSettings {
    /// An upstream that answers as fast as its sockets: no time a token, so no timer is touched,
    /// and more slots than anybody fills.
    #[must_use]
    pub fn instant() -> Self {
        Self {
            ttft_ms: 0.0,
            tpot_ms: 0.0,
            slots: 4096,
            queue: PLACES_MAX,
            ..Self::default()
        }
    }

    /// Whether every setting is within its bounds.
    ///
    /// # Errors
    ///
    /// [`SimError::Setting`] for the first that is not.
    pub fn check(&self) -> Result<(), SimError> {
        let is_named = |models: &[String]| {
            !models.is_empty() && models.iter().all(|model| !model.trim().is_empty())
        };
        if !self.any_model && !is_named(&self.models) {
            return Err(SimError::Setting {
                key: "models",
                message: "must name at least one model, and none that is empty".to_owned(),
            });
        }
        check_places("slots", self.slots, 1)?;
        check_places("queue", self.queue, 0)?;
        check_range("ttft_ms", self.ttft_ms, TOKEN_MS_MAX)?;
        check_range("tpot_ms", self.tpot_ms, TOKEN_MS_MAX)?;
        check_range("jitter", self.jitter, 1.0)?;
        for (key, rate) in self.faults.named() {
            check_range(key, rate, 1.0)?;
        }
        check_range("faults", self.faults.total(), 1.0)?;
        let TokenRange { min, max } = self.output_tokens;
        if min < 1 || max < min || max > OUTPUT_TOKENS_MAX {
            let message = format!("must be 1 <= min <= max <= {OUTPUT_TOKENS_MAX}");
            return Err(SimError::Setting {
                key: "output_tokens",
                message,
            });
        }
        let longest = crate::answers::DIMENSIONS_MAX;
        if self.dimensions < 1 || self.dimensions > longest {
            let message = format!("must be from 1 to {longest}");
            return Err(SimError::Setting {
                key: "dimensions",
                message,
            });
        }
        Ok(())
    }
}

/// Refuses a number of places outside of its bounds.
pub(crate) fn check_places(key: &'static str, count: usize, least: usize) -> Result<(), SimError> {
    if (least..=PLACES_MAX).contains(&count) {
        return Ok(());
    }
    Err(SimError::Setting {
        key,
        message: format!("must be from {least} to {PLACES_MAX}"),
    })
}

fn check_range(key: &'static str, value: f64, most: f64) -> Result<(), SimError> {
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(SimError::Setting {
        key,
        message: format!("must be from 0 to {most}, is {value}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_key(change: impl FnOnce(&mut SimSettings)) -> &'static str {
        let mut settings = SimSettings::default();
        change(&mut settings);
        match settings.check() {
            Err(SimError::Setting { key, .. }) => key,
            other => panic!("the settings passed as {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_within_their_bounds() {
        SimSettings::default().check().unwrap();
        SimSettings::instant().check().unwrap();
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        assert_eq!(broken_key(|s| s.models.clear()), "models");
        assert_eq!(broken_key(|s| s.models.push(String::new())), "models");
        assert_eq!(broken_key(|s| s.slots = 0), "slots");
        assert_eq!(broken_key(|s| s.queue = PLACES_MAX + 1), "queue");
        assert_eq!(broken_key(|s| s.ttft_ms = -1.0), "ttft_ms");
        assert_eq!(broken_key(|s| s.tpot_ms = f64::NAN), "tpot_ms");
        assert_eq!(broken_key(|s| s.jitter = 1.5), "jitter");
        assert_eq!(broken_key(|s| s.faults.cut = 2.0), "faults.cut");
        assert_eq!(
            broken_key(|s| s.output_tokens = TokenRange { min: 3, max: 2 }),
            "output_tokens"
        );
        assert_eq!(broken_key(|s| s.dimensions = 0), "dimensions");
    }

    #[test]
    fn the_rates_together_are_at_most_one() {
        let greedy = FaultRates {
            error: 0.6,
            garbage: 0.6,
            ..FaultRates::default()
        };
        assert_eq!(broken_key(|s| s.faults = greedy), "faults");
    }

    #[test]
    fn a_misspelt_setting_is_refused_and_a_missing_one_is_the_default() {
        let read: SimSettings = serde_json::from_str(r#"{"slots":4}"#).unwrap();
        assert_eq!(
            read,
            SimSettings {
                slots: 4,
                ..SimSettings::default()
            }
        );
        assert!(serde_json::from_str::<SimSettings>(r#"{"slot":4}"#).is_err());
    }
}
