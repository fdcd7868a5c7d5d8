//! The simulator's own paths, `/sim/...`, to change it and to read its counters while it runs. They
//! are answered in every mode that lets a request through at all.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::mode::Mode;
use crate::reply::{Refusal, Reply};
use crate::settings::SimError;
use crate::sim::Inner;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slots {
    slots: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeFor {
    mode: Mode,
    /// Milliseconds after which the mode is normal again.
    for_ms: Option<u64>,
}

/// `GET /sim/stats`.
pub(crate) fn stats(sim: &Inner) -> Reply {
    Reply::of(&sim.stats())
}

/// `POST /sim/slots` with `{"slots": N}`.
pub(crate) fn set_slots(sim: &Inner, body: &Bytes) -> Result<Reply, Refusal> {
    let Slots { slots } = read(body, r#"it must be {"slots": N}"#)?;
    sim.set_slots(slots).map_err(|error| match error {
        SimError::Setting { key, message } => Refusal::wrong_value(key, &message),
        SimError::Log { .. } => Refusal::wrong_value("slots", "it cannot be set."),
    })?;
    tracing::info!(sim.slots = slots, "the simulator's slots were changed");
    Ok(stats(sim))
}

/// `POST /sim/mode` with `{"mode": "stall", "for_ms": 20000}`. A mode that lets no request through
/// must say for how long: nobody could reach this path to end it.
pub(crate) fn set_mode(sim: &Inner, body: &Bytes) -> Result<Reply, Refusal> {
    let asked: ModeFor = read(
        body,
        r#"it must be {"mode": "normal" or another mode, "for_ms": N}"#,
    )?;
    let shuts_out = matches!(asked.mode, Mode::Refuse | Mode::Reset);
    if shuts_out && asked.for_ms.is_none() {
        return Err(Refusal::missing("for_ms"));
    }
    sim.modes
        .set(asked.mode, asked.for_ms.map(Duration::from_millis));
    tracing::info!(sim.mode = %asked.mode, "the simulator's mode was changed");
    Ok(Reply::of(&asked))
}

fn read<T: for<'de> Deserialize<'de>>(body: &Bytes, expected: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::wrong_value("body", &format!("{error}; {expected}.")))
}
