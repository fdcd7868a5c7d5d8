//! The engine's settings from the configuration.

use std::time::Duration;

use overnight_core::attempt::AttemptRules;
use overnight_core::input::InputLimits;
use overnight_engine::EngineSettings;

use crate::config::settings::Settings;

/// A put into a bucket takes long and costs money, so more is gathered for each.
const BUCKET_FLUSH_AGE: Duration = Duration::from_secs(2);

/// What an input file may hold: the engine refuses a batch by it, and the surface tells it before.
pub(crate) fn input_limits(settings: &Settings) -> InputLimits {
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    InputLimits {
        lines_max: settings.limits.lines_max,
        file_bytes_max: settings.limits.file_bytes_max.0,
        embedding_inputs_max: settings.limits.embedding_inputs_max,
        line_bytes_max: bytes(settings.limits.line_bytes_max.0),
        models_max: bytes(u64::from(settings.limits.models_max)),
    }
}

/// What the engine is told.
pub(crate) fn engine_settings(settings: &Settings) -> EngineSettings {
    EngineSettings {
        limits: input_limits(settings),
        single_model: settings.limits.single_model,
        attempts: AttemptRules {
            attempts_max: settings.attempts_max,
            ..AttemptRules::default()
        },
        cancel_grace: settings.grace.cancel.0,
        expiry_grace: settings.grace.expiry.0,
        shutdown_grace: settings.grace.shutdown.0,
        flush_age: if settings.blobs.is_some() {
            settings.flush.age.0.max(BUCKET_FLUSH_AGE)
        } else {
            settings.flush.age.0
        },
        results_expire_after: settings.retention.results.unless_zero(),
        batch_retention: settings.retention.batches.0,
        answer_bytes_max: settings.memory.answer_bytes_max.0,
        organization: settings.organization.clone(),
        ..EngineSettings::default()
    }
}
