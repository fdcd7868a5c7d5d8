//! The simulator's settings in the configuration. Their form is the simulator's own; what they mean is said
//! here, since the simulator stands apart.

use overnight_sim::settings::SimSettings;
use serde::Deserialize;
use serde_json::Value as Json;

use super::setting::{Entry, Setting, join};

/// Meanings by key, in the order of the reference. A test keeps them equal to what there is.
const MEANINGS: [(&str, &str); 22] = [
    ("models", "The names of the models that it serves."),
    ("any_model", "Serves every model that is asked for."),
    ("list_models", "Answers `GET /v1/models`."),
    ("metrics", "Answers `GET /metrics` with vLLM's gauges."),
    ("slots", "Requests that run at a time."),
    (
        "queue",
        "Requests that wait for a slot; one more is answered 429.",
    ),
    (
        "retry_after_seconds",
        "The `Retry-After` header of its 429s, in seconds.",
    ),
    ("ttft_ms", "Milliseconds to the first token."),
    ("tpot_ms", "Milliseconds for each further token."),
    (
        "jitter",
        "How far these two times are from their settings at most, from 0 to 1.",
    ),
    ("output_tokens.min", "The fewest tokens of an answer."),
    ("output_tokens.max", "The most tokens of an answer."),
    (
        "dimensions",
        "The length of an embedding when its request names none.",
    ),
    (
        "faults.error",
        "The share of attempts that are answered 500.",
    ),
    (
        "faults.timeout",
        "The share of attempts that are never answered.",
    ),
    ("faults.cut", "The share of attempts whose answer is cut."),
    (
        "faults.garbage",
        "The share of attempts whose answer is not JSON.",
    ),
    (
        "faults.busy",
        "The share of attempts that are answered 429 at once.",
    ),
    (
        "seed",
        "Decides durations, answers and faults, together with a body's bytes.",
    ),
    (
        "created",
        "The `created` of every answer, in seconds since 1970.",
    ),
    (
        "body_bytes_max",
        "The bytes of a body; a larger one is answered 413.",
    ),
    (
        "log",
        "Where a line for each request goes: `off` or a table `{ file = PATH }`.",
    ),
];

/// The section `[sim]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct SimSection(pub(crate) SimSettings);

impl Setting for SimSection {
    fn list(&self, key: &str, _meaning: &str, entries: &mut Vec<Entry>) {
        let json = serde_json::to_value(&self.0).unwrap_or_default();
        for (name, meaning) in MEANINGS {
            let value = name.split('.').try_fold(&json, |json, part| json.get(part));
            entries.push(Entry {
                key: join(key, name),
                kind: value.map_or("number", kind_of),
                value: value.and_then(toml_of),
                meaning: meaning.to_owned(),
            });
        }
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Bool(_) => "true or false",
        Json::Number(_) | Json::Null => "number",
        Json::String(_) => "text",
        Json::Array(_) => "list of texts",
        Json::Object(_) => "table of texts",
    }
}

fn toml_of(value: &Json) -> Option<String> {
    toml::Value::try_from(value)
        .ok()
        .map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys_of(prefix: &str, value: &Json, keys: &mut BTreeSet<String>) {
        match value {
            Json::Object(map) => {
                map.iter()
                    .for_each(|(name, value)| keys_of(&join(prefix, name), value, keys));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                keys.insert(prefix.to_owned());
            }
        }
    }

    #[test]
    fn every_setting_of_the_simulator_has_a_meaning() {
        let mut keys = BTreeSet::new();
        keys_of(
            "",
            &serde_json::to_value(SimSettings::default()).unwrap(),
            &mut keys,
        );
        let meant: BTreeSet<_> = MEANINGS.iter().map(|(key, _)| (*key).to_owned()).collect();
        assert_eq!(meant, keys);
    }
}
