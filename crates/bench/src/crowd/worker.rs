//! One worker of the crowd: the real engine, and an upstream that only waits.

use std::sync::Arc;
use std::time::Duration;

use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::scripted::{Script, ScriptedUpstream, Step, chat_answer};
use overnight_engine::upstream::{Timeouts, Upstream};
use overnight_engine::{
    Engine, EngineMetrics, EngineParts, EngineSettings, ResultTarget, UpstreamLimits, UpstreamPart,
};
use overnight_store::Wake;
use overnight_store::postgres::Postgres;
use prometheus_client::registry::Registry;

use super::Ground;

/// Requests at a time at the upstream of each worker.
const PLACES: u32 = 256;

/// What the upstream says: an answer of about 400 bytes with its head around it.
const CONTENT_BYTES: usize = 200;

/// As with a bucket: more is gathered for each segment.
const FLUSH_AGE: Duration = Duration::from_secs(2);

/// No answer takes that long.
const NEVER: Duration = Duration::from_hours(1);

/// An engine that works on the crowd's database.
pub(super) fn engine(
    ground: &Ground,
    (store, wake): (Postgres, Wake),
    number: usize,
    latency: Duration,
) -> Engine {
    Engine::new(EngineParts {
        store: Arc::new(store),
        blobs: ground.blobs.clone(),
        upstreams: vec![UpstreamPart {
            name: format!("gpu-{number}"),
            url: "waits:".to_owned(),
            upstream: upstream(latency),
            limits: UpstreamLimits {
                limit: Some(PLACES),
                ..UpstreamLimits::default()
            },
        }],
        clock: ground.clock.clone(),
        entropy: ground.entropy.clone(),
        wake,
        settings: EngineSettings {
            flush_age: FLUSH_AGE,
            ..EngineSettings::default()
        },
        target: ResultTarget::Blobs,
        metrics: EngineMetrics::register(&mut Registry::default()),
        tracing: None,
    })
}

fn upstream(latency: Duration) -> Arc<dyn Upstream> {
    let answer = chat_answer(&"x".repeat(CONTENT_BYTES));
    let script = Script::by(move |_| Step::Late {
        after: latency,
        answer: answer.clone(),
    });
    let timeouts = Timeouts {
        connect: NEVER,
        head: NEVER,
        idle: NEVER,
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    Arc::new(ScriptedUpstream::new(script, timeouts, budget))
}
