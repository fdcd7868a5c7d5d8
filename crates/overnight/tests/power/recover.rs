//! What starts on a folder after the power failed: the real drivers and the real engine, in this
//! process, under paused time, with an upstream that answers every line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overnight_core::id::{Entropy, ProjectId};
use overnight_core::time::{Clock, Timestamp};
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::scripted::{Script, ScriptedUpstream};
use overnight_engine::upstream::{Timeouts, Upstream};
use overnight_engine::{
    Engine, EngineMetrics, EngineParts, EngineSettings, ResultTarget, UpstreamLimits, UpstreamPart,
};
use overnight_store::{Blobs, Blocking, DataFolder, Sqlite, Store as _, Wake};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Batches that are open after the failure end within this time.
const PATIENCE: Duration = Duration::from_mins(5);

/// More batches or files are on no page.
pub(crate) const PAGE: usize = 1_000;

/// A process that was started on a folder.
pub(crate) struct Recovered {
    pub(crate) store: Sqlite,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Clock,
    pub(crate) data: DataFolder,
}

/// Runs `life` in a runtime of its own with paused time.
pub(crate) fn in_runtime<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(life)
}

impl Recovered {
    /// Starts as `overnight serve` does, at that time of day.
    pub(crate) async fn start(folder: &Path, now: Timestamp) -> Self {
        let data = DataFolder::lock(folder).unwrap();
        let store = Sqlite::open(&data.database(), Blocking::Inline).unwrap();
        let blobs = Blobs::folder_on(&data.blobs(), Blocking::Inline).unwrap();
        blobs.sweep_staging().await.unwrap();
        let began = Instant::now();
        let clock = Clock::new(move || now.plus(began.elapsed()));
        Self {
            store,
            blobs,
            clock,
            data,
        }
    }

    /// Runs the engine until no batch is open.
    pub(crate) async fn run_to_the_end(&self) {
        let all_ended = async {
            loop {
                let project = ProjectId::default_project();
                let batches = self.store.batches(&project, None, PAGE).await.unwrap();
                let is_open = |state: overnight_core::batch::Status| !state.is_terminal();
                if !batches
                    .items
                    .iter()
                    .any(|batch| is_open(batch.state.status()))
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        self.run_until(async {
            let ended = tokio::time::timeout(PATIENCE, all_ended).await;
            assert!(ended.is_ok(), "a batch does not end");
        })
        .await;
    }

    /// Runs the engine for as long as a sweep takes.
    pub(crate) async fn sweep(&self) {
        self.run_until(tokio::time::sleep(Duration::from_secs(1)))
            .await;
    }

    async fn run_until(&self, over: impl Future<Output = ()>) {
        let (engine, stop) = (self.engine(), CancellationToken::new());
        let mut running = Box::pin(engine.run(stop.clone()));
        tokio::select! {
            biased;
            ended = &mut running => panic!("the engine ended with {ended:?}"),
            () = over => stop.cancel(),
        }
        running.await.unwrap();
    }

    fn engine(&self) -> Engine {
        let limits = AnswerLimits {
            blocking: Blocking::Inline,
            ..AnswerLimits::new(self.data.path().to_owned())
        };
        let timeouts = Timeouts {
            connect: Duration::from_secs(1),
            head: Duration::from_secs(1),
            idle: Duration::from_secs(1),
        };
        let upstream = ScriptedUpstream::new(Script::of([]), timeouts, AnswerBudget::new(limits));
        let draws = AtomicU64::new(0);
        let entropy = Entropy::new(move || {
            let draw = u128::from(draws.fetch_add(1, Ordering::Relaxed) + 1);
            draw.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        });
        Engine::new(EngineParts {
            store: Arc::new(self.store.clone()),
            blobs: self.blobs.clone(),
            upstreams: vec![UpstreamPart {
                name: "scripted".to_owned(),
                url: "scripted:".to_owned(),
                upstream: Arc::new(upstream) as Arc<dyn Upstream>,
                limits: UpstreamLimits::default(),
            }],
            clock: self.clock.clone(),
            entropy,
            wake: Wake::new(),
            settings: EngineSettings {
                blocking: Blocking::Inline,
                ..EngineSettings::default()
            },
            target: ResultTarget::Blobs,
            metrics: EngineMetrics::register(&mut Registry::default()),
            tracing: None,
        })
    }
}
