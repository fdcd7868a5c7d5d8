//! A store, blobs, and engines that live and die on them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overnight_core::batch::{Batch, Status};
use overnight_core::id::{BatchId, Entropy, FileId, ProjectId};
use overnight_core::segment::BlobKey;
use overnight_core::time::{Clock, Timestamp};
use overnight_engine::trace::Tracing;
use overnight_engine::upstream::Upstream;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::scripted::{Answer, Script, ScriptedUpstream, Step, chat_answer};
use overnight_engine::upstream::{ModelList, Timeouts};
use overnight_engine::{
    Engine, EngineMetrics, EngineParts, EngineSettings, ResultTarget, UpstreamLimits, UpstreamPart,
};
use overnight_store::blocking::Blocking;
use overnight_store::status::ServedModel;
use overnight_store::{Blobs, Sqlite, Store, Wake};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ground::{NewBatch, Results, check_indexes, create, create_of, put};

/// What outlives an engine.
pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) blobs: Blobs,
    draws: Arc<AtomicU64>,
    /// The time of day at which the next life begins.
    now: Arc<AtomicU64>,
    /// Who is told of the course of batches.
    tracing: Option<Tracing>,
    target: ResultTarget,
    /// What the engines are told.
    pub(crate) settings: EngineSettings,
}

/// One life: a runtime's worth of time on the house's store.
pub(crate) struct Life {
    pub(crate) store: Sqlite,
    pub(crate) engine: Engine,
    pub(crate) stop: CancellationToken,
    blobs: Blobs,
    clock: Clock,
    entropy: Entropy,
    wake: Wake,
    tasks: TaskTracker,
    metrics: Registry,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            blobs: Blobs::memory(),
            draws: Arc::default(),
            now: Arc::new(AtomicU64::new(1_800_000_000_000_000)),
            tracing: None,
            target: ResultTarget::Blobs,
            settings: EngineSettings {
                blocking: Blocking::Inline,
                ..EngineSettings::default()
            },
        }
    }

    /// One whose engines append to two files, as for a single batch.
    pub(crate) fn appending() -> Self {
        let mut house = Self::new();
        let [output, error] = ["results/output", "results/error"].map(BlobKey::from);
        for key in [&output, &error] {
            let path = house.folder.path().join(key.as_str().replace('/', "-"));
            house.blobs = house.blobs.with_appended(key.clone(), &path).unwrap();
        }
        house.target = ResultTarget::Append { output, error };
        house
    }

    /// One whose engines tell of the course of batches.
    pub(crate) fn traced(tracing: Tracing) -> Self {
        Self {
            tracing: Some(tracing),
            ..Self::new()
        }
    }

    /// Runs `story` in a runtime of its own with paused time. What it leaves running dies with it.
    pub(crate) fn live<T>(story: impl AsyncFnOnce() -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(story())
    }

    /// The file of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// The time of day at which the next life begins is that much earlier.
    pub(crate) fn turn_back(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap();
        self.now.fetch_sub(micros, Ordering::Relaxed);
    }

    /// Opens the store as a new process would.
    pub(crate) fn open(&self) -> Sqlite {
        Sqlite::open(&self.database(), Blocking::Inline).unwrap()
    }

    /// Opens the store and starts an engine on it, with an upstream.
    pub(crate) fn start(&self, upstream: &Arc<ScriptedUpstream>) -> Life {
        self.start_with(vec![part("scripted", upstream, UpstreamLimits::default())])
    }

    /// Opens the store and starts an engine on it, with several upstreams.
    pub(crate) fn start_with(&self, upstreams: Vec<UpstreamPart>) -> Life {
        let store = self.open();
        self.begin(store.clone(), Arc::new(store), upstreams)
    }

    /// Starts an engine on `engine_store`, with an upstream; its clients use `store`.
    pub(crate) fn start_on(
        &self,
        store: Sqlite,
        engine_store: Arc<dyn Store>,
        upstream: &Arc<ScriptedUpstream>,
    ) -> Life {
        let part = part("scripted", upstream, UpstreamLimits::default());
        self.begin(store, engine_store, vec![part])
    }

    fn begin(
        &self,
        store: Sqlite,
        engine_store: Arc<dyn Store>,
        upstreams: Vec<UpstreamPart>,
    ) -> Life {
        let (began, now) = (Instant::now(), Arc::clone(&self.now));
        let base = now.load(Ordering::Relaxed);
        let clock = Clock::new(move || {
            let at = Timestamp::from_micros(base).plus(began.elapsed());
            now.fetch_max(at.micros(), Ordering::Relaxed);
            at
        });
        let draws = Arc::clone(&self.draws);
        let entropy = Entropy::new(move || {
            let draw = u128::from(draws.fetch_add(1, Ordering::Relaxed) + 1);
            draw.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        });
        let (wake, mut metrics) = (Wake::new(), Registry::default());
        let engine = Engine::new(EngineParts {
            store: engine_store,
            blobs: self.blobs.clone(),
            upstreams,
            clock: clock.clone(),
            entropy: entropy.clone(),
            wake: wake.clone(),
            settings: self.settings.clone(),
            target: self.target.clone(),
            metrics: EngineMetrics::register(&mut metrics),
            tracing: self.tracing.clone(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (runner, token) = (engine.clone(), stop.clone());
        tasks.spawn(async move { runner.run(token).await.unwrap() });
        tasks.close();
        let blobs = self.blobs.clone();
        Life {
            store,
            engine,
            stop,
            blobs,
            clock,
            entropy,
            wake,
            tasks,
            metrics,
        }
    }
}

impl Life {
    /// Uploads lines and creates a batch of them while no engine runs.
    pub(crate) async fn prepare(house: &House, store: &Sqlite, lines: &[String]) -> BatchId {
        let at = Timestamp::from_micros(house.now.load(Ordering::Relaxed));
        let id = BatchId::new(at, 1);
        let new = NewBatch {
            file: FileId::new(at, 2),
            blob: BlobKey::upload(3),
            id: id.clone(),
            window: None,
            at,
        };
        create(store, &house.blobs, new, lines.concat()).await;
        id
    }

    /// Uploads lines and creates a batch of them.
    pub(crate) async fn create(&self, lines: &[String], window: Option<Duration>) -> BatchId {
        let new = self.new_batch(window);
        let id = new.id.clone();
        create(&self.store, &self.blobs, new, lines.concat()).await;
        self.wake.wake();
        id
    }

    /// Uploads lines in parts of so many bytes and creates a batch of them.
    pub(crate) async fn create_in_parts(&self, lines: &[String], part_bytes: usize) -> BatchId {
        let new = self.new_batch(None);
        let id = new.id.clone();
        let mut extents = Vec::new();
        for part in lines.concat().as_bytes().chunks(part_bytes) {
            let key = BlobKey::upload(self.entropy.draw());
            let part = String::from_utf8(part.to_vec()).unwrap();
            extents.push(put(&self.store, &self.blobs, (&key, new.at), part).await);
        }
        create_of(&self.store, new, &extents).await;
        self.wake.wake();
        id
    }

    fn new_batch(&self, window: Option<Duration>) -> NewBatch {
        let (at, draw) = (self.clock.now(), || self.entropy.draw());
        NewBatch {
            id: BatchId::new(at, draw()),
            file: FileId::new(at, draw()),
            blob: BlobKey::upload(draw()),
            window,
            at,
        }
    }

    pub(crate) async fn batch(&self, id: &BatchId) -> Batch {
        self.store
            .batch(&ProjectId::default_project(), id)
            .await
            .unwrap()
    }

    pub(crate) async fn cancel(&self, id: &BatchId) -> Batch {
        let at = self.clock.now();
        let batch = self
            .store
            .cancel(&ProjectId::default_project(), id, at)
            .await
            .unwrap();
        self.wake.wake();
        batch
    }

    pub(crate) async fn set_paused(&self, id: &BatchId, paused: bool) {
        let (project, at) = (ProjectId::default_project(), self.clock.now());
        let set = self.store.set_paused(&project, id, paused, at).await;
        set.unwrap();
        self.wake.wake();
    }

    /// Waits until the batch has ended, for at most that long.
    pub(crate) async fn end(&self, id: &BatchId, patience: Duration) -> Option<Batch> {
        let ended = async {
            loop {
                let batch = self.batch(id).await;
                if batch.state.status().is_terminal() {
                    return batch;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(patience, ended).await.ok()
    }

    /// The value of a metric, named with its labels; `None` when it is not there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let mut values = text.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = values.find(|(named, _)| *named == name)?;
        value.parse().ok()
    }

    /// Stops as a signal would, and waits for the end.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Reads the result files of an ended batch and holds them against its counts.
    pub(crate) async fn results(&self, id: &BatchId, ids: &[String]) -> Results {
        let batch = self.batch(id).await;
        let results = Results::read(&self.store, &self.blobs, id).await;
        results.agree_with(&batch, ids);
        check_indexes(&self.store, &self.blobs, id, ids).await;
        results
    }
}

/// An upstream that serves the model `m`.
pub(crate) fn upstream(script: Script) -> Arc<ScriptedUpstream> {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        head: Duration::from_mins(10),
        idle: Duration::from_mins(1),
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    let upstream = ScriptedUpstream::new(script, timeouts, budget);
    upstream.list_models(Ok(serving(&["m"])));
    Arc::new(upstream)
}

/// The list of an upstream that serves these models.
pub(crate) fn serving(models: &[&str]) -> ModelList {
    let model = |id: &&str| ServedModel {
        id: (*id).to_owned(),
        created: None,
        owned_by: None,
    };
    ModelList::Models(models.iter().map(model).collect())
}

/// An upstream as an engine is given it.
pub(crate) fn part(
    name: &str,
    upstream: &Arc<ScriptedUpstream>,
    limits: UpstreamLimits,
) -> UpstreamPart {
    UpstreamPart {
        name: name.to_owned(),
        url: "scripted:".to_owned(),
        upstream: Arc::clone(upstream) as Arc<dyn Upstream>,
        limits,
    }
}

/// What happens to a request, by its number from 0.
pub(crate) fn numbered(step: impl Fn(u64) -> Step + Send + Sync + 'static) -> Script {
    let number = AtomicU64::new(0);
    Script::by(move |_| step(number.fetch_add(1, Ordering::Relaxed)))
}

/// So many lines for the model `m`; the user's words are the line's number.
pub(crate) fn lines(count: usize) -> Vec<String> {
    lines_of("m", 0..count)
}

/// Lines of these numbers for a model.
pub(crate) fn lines_of(model: &str, numbers: Range<usize>) -> Vec<String> {
    let line = |number: usize| {
        format!(
            r#"{{"custom_id":"r-{number}","method":"POST","url":"/v1/chat/completions","body":{{"model":"{model}","messages":[{{"role":"user","content":"<{number}>"}}]}}}}{}"#,
            "\n"
        )
    };
    numbers.map(line).collect()
}

/// The ids of [`lines`].
pub(crate) fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("r-{number}")).collect()
}

/// Whether the batch ended so.
pub(crate) fn ended(batch: Option<&Batch>) -> Option<Status> {
    batch.map(|batch| batch.state.status())
}

/// How long [`good`] takes.
const LATENCY: Duration = Duration::from_millis(500);

/// A good answer after half a second.
pub(crate) fn good() -> Step {
    Step::Late {
        after: LATENCY,
        answer: chat_answer("ok"),
    }
}

/// An answer with that status at once.
pub(crate) fn refusal(status: u16) -> Step {
    let body = r#"{"error":{"message":"no"}}"#;
    Step::Late {
        after: Duration::from_millis(5),
        answer: Answer::new(status, body),
    }
}

/// A limit that somebody set.
pub(crate) fn fixed(limit: u32) -> UpstreamLimits {
    UpstreamLimits {
        limit: Some(limit),
        ..UpstreamLimits::default()
    }
}
