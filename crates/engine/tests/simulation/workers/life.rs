//! What happens in a story of several workers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use overnight_core::batch::Status;
use overnight_core::id::{BatchId, ProjectId, WorkerId};
use overnight_core::segment::BlobKey;
use overnight_engine::halt::Halt;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::scripted::{Script, ScriptedUpstream, Step};
use overnight_engine::upstream::{Call, CallBody, Gauges, ModelList, Received, Timeouts, Upstream};
use overnight_engine::{
    Engine, EngineMetrics, EngineParts, EngineSettings, ResultTarget, UpstreamLimits, UpstreamPart,
};
use overnight_store::blocking::Blocking;
use overnight_store::faulty::Faulty;
use overnight_store::status::ServedModel;
use overnight_store::{Store, StoreError, Wake};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::story::{Kind, LEASE, Trouble};
use super::world::{BlobSeam, Seam, World};
use crate::ground::{NewBatch, Results, check_indexes, create};
use crate::story::Kind as LineKind;
use crate::upstream::{answer, name_of};

/// Something is done, and looked at, so often.
const STEP: Duration = Duration::from_millis(50);

/// Once the world is well, every story is over within this time.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a dead worker held is somebody else's so long behind the end of its lease: claims are asked
/// for twice a second.
const SLACK: Duration = Duration::from_millis(700);

/// Wall clocks are off by so many seconds, forward or backward.
const CLOCKS_OFF: u64 = 40;

/// A worker that is there.
struct Worker {
    number: usize,
    id: WorkerId,
    halt: Halt,
    stop: CancellationToken,
    wake: Wake,
    running: JoinHandle<()>,
    /// When it is well again.
    troubled: Option<(Duration, Kind)>,
    /// Since when it is well.
    well_since: Duration,
}

/// What a killed worker held, and when it should be somebody else's.
struct Legacy {
    due: Duration,
    killed: Duration,
    worker: WorkerId,
    batches: Vec<BatchId>,
}

/// The workers of a story.
pub(crate) struct Workers {
    world: Arc<World>,
    there: Vec<Worker>,
    /// When others come.
    coming: Vec<Duration>,
    legacies: Vec<Legacy>,
    /// How many there were.
    count: usize,
    tasks: TaskTracker,
}

/// Plays a story, and checks it.
pub(super) async fn live(world: &Arc<World>) {
    let mut workers = Workers::new(world);
    for _ in 0..world.story.workers {
        workers.join();
    }
    let mut troubles = world.story.troubles.iter().peekable();
    let mut clients = Clients::default();
    let until = world.story.quiet + PATIENCE;
    while clients.done.len() < world.story.batches.len() {
        while let Some(trouble) = troubles.next_if(|trouble| trouble.at <= world.now()) {
            workers.meet(*trouble).await;
        }
        workers.step().await;
        clients.act(world, &workers).await;
        assert!(world.now() < until, "a batch does not end, all being well");
        no_violation(world);
        tokio::time::sleep(STEP).await;
    }
    workers.end().await;
    no_violation(world);
    for (index, story) in world.story.batches.iter().enumerate() {
        let project = ProjectId::default_project();
        let batch = world.store.batch(&project, &story.id).await.unwrap();
        let is_possible = match batch.state.status() {
            Status::Completed => batch.tally.unrun == 0,
            Status::Cancelled => story.cancelled.is_some(),
            Status::Validating
            | Status::InProgress
            | Status::Finalizing
            | Status::Cancelling
            | Status::Failed
            | Status::Expired => false,
        };
        assert!(is_possible, "batch {index} is {}", batch.state.status());
        let (_, mut ids) = world.input(index);
        if batch.plan.is_none() {
            ids.clear();
        }
        let results = Results::read(&world.store, &world.blobs, &story.id).await;
        results.agree_with(&batch, &ids);
        check_indexes(&world.store, &world.blobs, &story.id, &ids).await;
    }
}

fn no_violation(world: &World) {
    let violations = std::mem::take(&mut world.state().violations);
    assert!(violations.is_empty(), "{violations:#?}");
}

/// What clients have done and seen, by the numbers of their batches.
#[derive(Default)]
struct Clients {
    created: BTreeSet<usize>,
    cancelled: BTreeSet<usize>,
    done: BTreeSet<usize>,
}

impl Clients {
    /// Does what is due by now, and notes which batches have ended.
    async fn act(&mut self, world: &Arc<World>, workers: &Workers) {
        let (now, at) = (world.now(), world.clock(0).now());
        let project = ProjectId::default_project();
        for (index, story) in world.story.batches.iter().enumerate() {
            if story.created <= now && self.created.insert(index) {
                let new = NewBatch {
                    id: story.id.clone(),
                    file: story.file.clone(),
                    blob: BlobKey::upload(story.blob),
                    window: None,
                    at,
                };
                create(&world.store, &world.blobs, new, world.input(index).0).await;
                world.note(|| format!("batch {index} is created"));
                workers.hint();
            }
            let is_due = story.cancelled.is_some_and(|due| due <= now);
            if is_due && self.cancelled.insert(index) {
                match world.store.cancel(&project, &story.id, at).await {
                    Ok(_) | Err(StoreError::Illegal(_)) => {}
                    Err(error) => panic!("a cancel was answered with {error:?}"),
                }
                world.note(|| format!("batch {index} is cancelled"));
                workers.hint();
            }
            if self.created.contains(&index) && !self.done.contains(&index) {
                let batch = world.store.batch(&project, &story.id).await.unwrap();
                if batch.state.status().is_terminal() {
                    world.note(|| format!("batch {index} is {}", batch.state.status()));
                    self.done.insert(index);
                }
            }
        }
    }
}

impl Workers {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            there: Vec::new(),
            coming: Vec::new(),
            legacies: Vec::new(),
            count: 0,
            tasks: TaskTracker::new(),
        }
    }

    /// Another worker comes.
    pub(super) fn join(&mut self) {
        let number = self.count;
        self.count += 1;
        let engine = engine(&self.world, number);
        let (stop, id) = (CancellationToken::new(), engine.0.worker().clone());
        self.world.note(|| format!("worker {number} comes: {id}"));
        let (runner, token, world) = (engine.0.clone(), stop.clone(), Arc::clone(&self.world));
        let running = self.tasks.spawn(async move {
            if let Err(error) = runner.run(token).await {
                world.violated(&format!("worker {number} ends: {error:?}"));
            }
        });
        self.there.push(Worker {
            number,
            id,
            halt: engine.0.halt(),
            stop,
            wake: engine.1,
            running,
            troubled: None,
            well_since: self.world.now(),
        });
    }

    /// How many batches each worker holds.
    pub(super) fn holdings(&self) -> Vec<usize> {
        let held = self.world.leases.held();
        let holds = |worker: &Worker| {
            let mut count = 0;
            for (_, holder) in &held {
                count += usize::from(*holder == worker.id);
            }
            count
        };
        self.there.iter().map(holds).collect()
    }

    /// A hint, as a database passes it on.
    fn hint(&self) {
        for worker in &self.there {
            worker.wake.wake();
        }
    }

    /// Something happens to one of those that are well.
    pub(super) async fn meet(&mut self, trouble: Trouble) {
        let now = self.world.now();
        let well: Vec<usize> = (0..self.there.len())
            .filter(|place| self.there[*place].troubled.is_none())
            .collect();
        let kind = trouble.kind;
        if kind == Kind::Joined {
            self.join();
            return;
        }
        if well.is_empty() {
            return;
        }
        let place = well[usize::try_from(trouble.worker).unwrap() % well.len()];
        let worker = &mut self.there[place];
        let number = worker.number;
        self.world.note(|| format!("worker {number}: {kind:?}"));
        match kind {
            Kind::Stopped(time) => {
                worker.halt.stop();
                worker.troubled = Some((now + time, kind));
            }
            Kind::CutOff(time) => {
                self.world.cut_off(number, now + time);
                worker.troubled = Some((now + time, kind));
            }
            Kind::WithoutBlobs(time) => {
                self.world.without_blobs(number, now + time);
                worker.troubled = Some((now + time, kind));
            }
            Kind::Killed(gap) => {
                let worker = self.there.remove(place);
                worker.halt.stop();
                self.coming.push(now + gap);
                self.bequeath(&worker);
            }
            Kind::Told(gap) => {
                let worker = self.there.remove(place);
                worker.stop.cancel();
                worker.running.await.unwrap();
                self.coming.push(self.world.now() + gap);
            }
            Kind::Joined => {}
        }
    }

    /// What a dead worker held must be taken over in time; where the store fails by chance, nobody can
    /// say how long that takes.
    fn bequeath(&mut self, dead: &Worker) {
        if self.world.story.store_faults > 0 {
            return;
        }
        let now = self.world.now();
        let held = self.world.leases.held().into_iter();
        let held = held.filter(|(_, worker)| *worker == dead.id);
        self.legacies.push(Legacy {
            due: now + LEASE + SLACK,
            killed: now,
            worker: dead.id.clone(),
            batches: held.map(|(batch, _)| batch).collect(),
        });
    }

    /// Troubles end, others come, and what dead workers held is looked at.
    pub(super) async fn step(&mut self) {
        let now = self.world.now();
        for worker in &mut self.there {
            if let Some((_, kind)) = worker.troubled.filter(|(until, _)| *until <= now) {
                if let Kind::Stopped(_) = kind {
                    worker.halt.go_on();
                }
                let number = worker.number;
                self.world.note(|| format!("worker {number} is well again"));
                (worker.troubled, worker.well_since) = (None, now);
            }
        }
        let before = self.coming.len();
        self.coming.retain(|due| *due > now);
        for _ in self.coming.len()..before {
            self.join();
        }
        let (due, later) = self
            .legacies
            .drain(..)
            .partition(|legacy| legacy.due <= now);
        self.legacies = later;
        for legacy in due {
            self.is_taken_over(&legacy).await;
        }
    }

    /// Unless something happened to others as well meanwhile, or nobody was there.
    async fn is_taken_over(&self, legacy: &Legacy) {
        let Legacy { killed, .. } = legacy;
        let stayed = |worker: &Worker| worker.well_since <= *killed;
        let mut others = self.there.iter();
        let all_well = others.all(|worker| worker.troubled.is_none());
        if !all_well || !self.there.iter().any(stayed) || self.count_of_late(*killed) > 0 {
            return;
        }
        let held = self.world.leases.held();
        for batch in &legacy.batches {
            let project = ProjectId::default_project();
            let now = self.world.store.batch(&project, batch).await.unwrap();
            let is_left = held.contains(&(batch.clone(), legacy.worker.clone()));
            if is_left && !now.state.status().is_terminal() {
                let text = format!("{batch} is not taken over from {}", legacy.worker);
                self.world.violated(&text);
            }
        }
    }

    /// How many came or were unwell since then.
    fn count_of_late(&self, since: Duration) -> usize {
        let late = self.there.iter().filter(|worker| worker.well_since > since);
        late.count()
    }

    /// Every worker is told to end, and holds nothing then.
    pub(super) async fn end(self) {
        for worker in self.there {
            if let Some((_, Kind::Stopped(_))) = worker.troubled {
                worker.halt.go_on();
            }
            worker.stop.cancel();
            worker.running.await.unwrap();
        }
    }
}

fn engine(world: &Arc<World>, number: usize) -> (Engine, Wake) {
    let wake = Wake::new();
    let seam = Seam {
        world: Arc::clone(world),
        worker: number,
    };
    let store =
        Faulty::new(world.store.clone(), seam.clone()).with_leases(Arc::clone(&world.leases));
    let off = i64::try_from(world.draw(CLOCKS_OFF)).unwrap() - 20;
    let upstream = Arc::new(Sender::new(world, number));
    let engine = Engine::new(EngineParts {
        store: Arc::new(store),
        blobs: world.blobs.clone().with_faults(BlobSeam(seam.clone())),
        upstreams: vec![UpstreamPart {
            name: "u".to_owned(),
            url: "scripted:".to_owned(),
            upstream: Arc::clone(&upstream) as Arc<dyn Upstream>,
            limits: UpstreamLimits::default(),
        }],
        clock: world.clock(off),
        entropy: world.entropy(),
        wake: wake.clone(),
        settings: EngineSettings {
            blocking: Blocking::Inline,
            ..EngineSettings::default()
        },
        target: ResultTarget::Blobs,
        metrics: EngineMetrics::register(&mut Registry::default()),
        tracing: None,
    });
    // Nothing is sent before the engine runs.
    let _ = upstream.worker.set(engine.worker().clone());
    (engine, wake)
}

/// The upstream as one worker meets it: it answers well, and tells the world who sends what.
struct Sender {
    world: Arc<World>,
    number: usize,
    worker: std::sync::OnceLock<WorkerId>,
    inner: ScriptedUpstream,
}

impl Sender {
    fn new(world: &Arc<World>, number: usize) -> Self {
        let script = {
            let world = Arc::clone(world);
            Script::by(move |seen| {
                let Some(name) = name_of(&seen.body) else {
                    return Step::Reset;
                };
                Step::Late {
                    after: Duration::from_millis(1 + world.draw(world.story.slowness)),
                    answer: answer(LineKind::Good, name),
                }
            })
        };
        let timeouts = Timeouts {
            connect: Duration::from_secs(2),
            head: Duration::from_mins(10),
            idle: Duration::from_mins(1),
        };
        let limits = AnswerLimits {
            blocking: Blocking::Inline,
            ..AnswerLimits::new(world.folder.path().to_owned())
        };
        let inner = ScriptedUpstream::new(script, timeouts, AnswerBudget::new(limits));
        inner.list_models(Ok(ModelList::Models(vec![ServedModel {
            id: "m0".to_owned(),
            created: None,
            owned_by: None,
        }])));
        Self {
            world: Arc::clone(world),
            number,
            worker: std::sync::OnceLock::new(),
            inner,
        }
    }
}

#[async_trait]
impl Upstream for Sender {
    async fn send(&self, call: Call) -> Received {
        if let CallBody::Held(bytes) = &call.body
            && let (Some(line), Some(worker)) = (name_of(bytes), self.worker.get())
        {
            let number = self.number;
            self.world
                .note(|| format!("worker {number} sends {line:?}"));
            self.world.sends((number, worker), line);
        }
        self.inner.send(call).await
    }

    async fn models(&self) -> Result<ModelList, String> {
        self.inner.models().await
    }

    async fn gauges(&self) -> Option<Gauges> {
        self.inner.gauges().await
    }

    async fn is_up(&self) -> bool {
        self.inner.is_up().await
    }
}
