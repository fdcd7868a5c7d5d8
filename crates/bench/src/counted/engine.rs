//! A whole batch through the engine, at an upstream that answers at once.
//!
//! Scripted, under paused time, every run is the same. Over HTTP the upstream is a task of the same
//! thread, so that what is counted there is the client and that task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overnight_core::batch::{Batch, BatchSpec, CompletionWindow, Status};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, Entropy, FileId, ProjectId};
use overnight_core::segment::BlobKey;
use overnight_core::time::{Clock, Timestamp};
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::http::HttpUpstream;
use overnight_engine::upstream::scripted::{Script, ScriptedUpstream, Step, chat_answer};
use overnight_engine::upstream::settings::UpstreamSettings;
use overnight_engine::upstream::{Timeouts, Upstream};
use overnight_engine::{
    Engine, EngineMetrics, EngineParts, EngineSettings, ResultTarget, UpstreamLimits, UpstreamPart,
};
use overnight_store::blocking::Blocking;
use overnight_store::{Blobs, Sqlite, Store, Wake};
use prometheus_client::registry::Registry;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::input::Lines;
use crate::upstream::{Shape, quick};

/// The time of day at which everything begins.
const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Nothing that goes by time happens within a run: under real time the machine's speed would decide
/// how often.
const NEVER: Duration = Duration::from_hours(1);

/// The pause between two looks at the batch.
const LOOK: Duration = Duration::from_millis(100);

const LINE_BYTES: usize = 300;

const IN_FLIGHT: u32 = 256;

/// What the scripted upstream says: an answer of about 400 bytes with its head around it.
const CONTENT_BYTES: usize = 200;

/// With an upstream in memory, time being paused.
pub(super) fn run_scripted(count: u64) -> anyhow::Result<()> {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let answer = chat_answer(&"x".repeat(CONTENT_BYTES));
        let script = Script::by(move |_| Step::Answer(answer.clone()));
        let (timeouts, budget) = bounds();
        run(
            count,
            Arc::new(ScriptedUpstream::new(script, timeouts, budget)),
        )
        .await
    })
}

/// With an upstream behind a socket.
pub(super) fn run_http(count: u64) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = quick::listen().await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(quick::serve(listener, Shape::INSTANT));
        let (timeouts, budget) = bounds();
        let settings = UpstreamSettings {
            models: Some(vec!["m".to_owned()]),
            gauges: false,
            ..UpstreamSettings::new(url)
        };
        run(
            count,
            Arc::new(HttpUpstream::new(settings, timeouts, budget)?),
        )
        .await?;
        serving.abort();
        Ok(())
    })
}

fn bounds() -> (Timeouts, AnswerBudget) {
    let timeouts = Timeouts {
        connect: NEVER,
        head: NEVER,
        idle: NEVER,
    };
    let limits = AnswerLimits {
        blocking: Blocking::Inline,
        ..AnswerLimits::new(std::env::temp_dir())
    };
    (timeouts, AnswerBudget::new(limits))
}

/// Runs one batch to its end.
async fn run(count: u64, upstream: Arc<dyn Upstream>) -> anyhow::Result<()> {
    let store = Sqlite::memory(Blocking::Inline)?;
    let blobs = Blobs::memory().with_blocking(Blocking::Inline);
    let id = create(&store, &blobs, count).await?;
    let engine = Engine::new(EngineParts {
        store: Arc::new(store.clone()),
        blobs,
        upstreams: vec![UpstreamPart {
            name: "instant".to_owned(),
            url: "instant:".to_owned(),
            upstream,
            limits: UpstreamLimits {
                limit: Some(IN_FLIGHT),
                ..UpstreamLimits::default()
            },
        }],
        clock: Clock::new(|| BEGIN),
        entropy: entropy(),
        wake: Wake::new(),
        settings: EngineSettings {
            blocking: Blocking::Inline,
            flush_age: NEVER,
            claim_interval: NEVER,
            renew_interval: NEVER,
            sweep_interval: NEVER,
            ..EngineSettings::default()
        },
        target: ResultTarget::Blobs,
        metrics: EngineMetrics::register(&mut Registry::default()),
        tracing: None,
    });
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.run(stop).await }
    });
    let batch = ended(&store, &id).await?;
    stop.cancel();
    running.await??;
    let is_whole = batch.tally.completed == count;
    anyhow::ensure!(is_whole, "{:?}: {:?}", batch.state.status(), batch.tally);
    Ok(())
}

/// Random bits that are the same in every run.
fn entropy() -> Entropy {
    let draws = AtomicU64::new(1);
    Entropy::new(move || {
        let draw = u128::from(draws.fetch_add(1, Ordering::Relaxed));
        draw.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    })
}

/// Uploads the lines and creates a batch of them.
async fn create(store: &Sqlite, blobs: &Blobs, count: u64) -> anyhow::Result<BatchId> {
    let mut input = Vec::new();
    let bytes = LINE_BYTES;
    Lines { count, bytes }.write_to(&mut input)?;
    let blob = BlobKey::upload(3);
    store.announce(&blob, BEGIN).await?;
    let extent = blobs.put(&blob, vec![input.into()]).await?;
    let file = File {
        id: FileId::new(BEGIN, 2),
        project: ProjectId::default_project(),
        purpose: Purpose::Batch,
        filename: "lines.jsonl".to_owned(),
        bytes: extent.length,
        created_at: BEGIN,
        expires_at: None,
    };
    store.insert_file(&file, &[extent]).await?;
    let spec = BatchSpec {
        input_file: file.id,
        endpoint: "/v1/chat/completions".into(),
        window: CompletionWindow {
            text: "24h".into(),
            length: None,
        },
        metadata: None,
        output_expires_after: None,
    };
    let id = BatchId::new(BEGIN, 1);
    let batch = Batch::new(id.clone(), file.project, spec, BEGIN);
    store.insert_batch(&batch).await?;
    Ok(id)
}

/// The batch once it has ended.
async fn ended(store: &Sqlite, id: &BatchId) -> anyhow::Result<Batch> {
    loop {
        let batch = store.batch(&ProjectId::default_project(), id).await?;
        if batch.state.status() == Status::Completed {
            return Ok(batch);
        }
        anyhow::ensure!(!batch.state.status().is_terminal(), "{:?}", batch.state);
        tokio::time::sleep(LOOK).await;
    }
}
