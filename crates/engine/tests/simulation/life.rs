//! One life of a process: a runtime of its own, an engine, and the clients that use it meanwhile.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use overnight_core::attempt::AttemptRules;
use overnight_core::id::ProjectId;
use overnight_core::segment::BlobKey;
use overnight_engine::upstream::Upstream;
use overnight_engine::{
    Engine, EngineError, EngineMetrics, EngineParts, EngineSettings, ResultTarget, Space,
    UpstreamLimits, UpstreamPart,
};
use overnight_store::blocking::Blocking;
use overnight_store::faulty::Faulty;
use overnight_store::{Blobs, Sqlite, Store, StoreError, Wake};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::ground::{NewBatch, create};
use crate::seams::{BlobSeam, StoreSeam};
use crate::story::{BatchStory, Fate, MODELS};
use crate::upstream::UpstreamSeam;
use crate::world::{APPENDED, SeamPlant, World, Zombie};

/// How long what is in flight may go on after a deadline.
const GRACE: Duration = Duration::from_secs(10);

/// Once the world is well, every story is over within this time: hundreds of lines, one at a time at
/// an upstream that takes seconds, are the longest.
const PATIENCE: Duration = Duration::from_mins(45);

/// A batch ends so long after its deadline and the grace, the world being well.
const SLACK: Duration = Duration::from_secs(30);

/// Clients look so often.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LifeEnd {
    /// Suddenly.
    Died,
    /// By itself, or because it was told to.
    Stopped,
    /// Everything that clients wanted had happened.
    Over,
}

/// Runs `story` in a runtime of its own with paused time. What it leaves running dies with it.
pub(crate) fn in_runtime<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}

/// Lives once.
pub(crate) fn live(world: &Arc<World>, fate: Fate) -> LifeEnd {
    in_runtime(Box::pin(lived(world, fate)))
}

async fn lived(world: &Arc<World>, fate: Fate) -> LifeEnd {
    let dead = world.be_born(fate);
    let store = world.open();
    let wake = Wake::new();
    let blobs = world.blobs().with_faults(BlobSeam(Arc::clone(world)));
    let swept = world.blobs().sweep_staging().await.unwrap();
    world.note(|| format!("{swept} files of unfinished writes are swept"));
    let engine = engine(world, &store, &blobs, &wake);
    let stop = CancellationToken::new();
    let mut running = Box::pin(engine.run(stop.clone()));
    let mut stopped = None;
    let end = tokio::select! {
        biased;
        () = dead.cancelled() => LifeEnd::Died,
        () = at_age(fate.dies) => LifeEnd::Died,
        ended = &mut running => {
            stopped = Some(ended);
            LifeEnd::Stopped
        }
        () = at_age(fate.stops) => LifeEnd::Stopped,
        () = clients(world, &store, &wake) => LifeEnd::Over,
    };
    world.note(|| format!("{end:?}"));
    if end != LifeEnd::Died && stopped.is_none() {
        stop.cancel();
        stopped = tokio::select! {
            biased;
            () = dead.cancelled() => None,
            // What hangs may keep an engine from stopping.
            () = at_age(fate.dies) => None,
            ended = &mut running => Some(ended),
        };
    }
    let is_killed = stopped.is_none();
    if is_killed && !world.state().is_dead() {
        world.state().die();
    }
    match stopped {
        Some(Ok(())) => {
            lets_go(world, &store, &engine).await;
            settle(world, &blobs).await;
        }
        Some(Err(EngineError::NotDurable(_))) if world.state().disk_failed => {}
        Some(Err(error)) => world.violated(format!("the engine stopped: {error:?}")),
        None => {}
    }
    world.bury(fate.gap);
    if is_killed { LifeEnd::Died } else { end }
}

async fn at_age(age: Option<Duration>) {
    match age {
        Some(age) => tokio::time::sleep(age).await,
        None => std::future::pending().await,
    }
}

/// A stopped engine holds nothing.
async fn lets_go(world: &World, store: &Sqlite, engine: &Engine) {
    let at = world.state().time_of_day();
    let held = store.renew(engine.worker(), at).await.unwrap();
    if !held.is_empty() && world.is_quiet() {
        world.violated(format!("a stopped engine holds {held:?}"));
    }
}

/// Nobody died, so that what is written late is written.
async fn settle(world: &World, blobs: &Blobs) {
    if world.plant == Some(SeamPlant::RowBeforeBlob) {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let _ = blobs.list("segments").next().await;
    }
}

fn engine(world: &Arc<World>, store: &Sqlite, blobs: &Blobs, wake: &Wake) -> Engine {
    let upstreams = world.story.upstreams.iter().enumerate();
    let upstreams = upstreams.map(|(number, story)| UpstreamPart {
        name: format!("u{number}"),
        url: "scripted:".to_owned(),
        upstream: Arc::new(UpstreamSeam::new(world, number)) as Arc<dyn Upstream>,
        limits: UpstreamLimits {
            limit: story.limit,
            ..UpstreamLimits::default()
        },
    });
    let space = {
        let world = Arc::clone(world);
        Space::new(move || world.has_space())
    };
    Engine::new(EngineParts {
        store: Arc::new(Faulty::new(store.clone(), StoreSeam(Arc::clone(world)))),
        blobs: blobs.clone(),
        upstreams: upstreams.collect(),
        clock: world.clock(),
        entropy: world.entropy(),
        wake: wake.clone(),
        settings: EngineSettings {
            blocking: Blocking::Inline,
            attempts: AttemptRules {
                lone_patience: Duration::from_secs(20),
                lone_patience_known: Duration::from_secs(10),
                ..AttemptRules::default()
            },
            expiry_grace: GRACE,
            claim_interval: Duration::from_secs(2),
            renew_interval: Duration::from_secs(2),
            space,
            ..EngineSettings::default()
        },
        target: if world.story.appends {
            let [output, error] = APPENDED.map(|(key, _)| BlobKey::from(key));
            ResultTarget::Append { output, error }
        } else {
            ResultTarget::Blobs
        },
        metrics: EngineMetrics::register(&mut Registry::default()),
        tracing: None,
    })
}

/// Everything that clients do in this life; ends when nothing is left to do and every batch ended.
async fn clients(world: &Arc<World>, store: &Sqlite, wake: &Wake) {
    let limit = world.now().max(world.story.quiet) + PATIENCE;
    loop {
        let mut is_over = true;
        for (index, batch) in world.story.batches.iter().enumerate() {
            act(world, store, index, batch, wake).await;
            is_over &= look(world, store, index, batch).await;
        }
        for zombie in world.zombies() {
            bring_back(world, store, zombie).await;
        }
        if is_over {
            return;
        }
        if world.now() > limit {
            world.violated("a batch did not end, all being well".to_owned());
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Does what a batch's client wants to have done by now.
async fn act(world: &World, store: &Sqlite, index: usize, batch: &BatchStory, wake: &Wake) {
    let (now, at) = (world.now(), world.state().time_of_day());
    let project = ProjectId::default_project();
    let (created, cancelled, deleted) = {
        let fate = &world.state().batches[index];
        (fate.created, fate.cancelled, fate.deleted)
    };
    let is_due = |time: Option<Duration>| time.is_some_and(|time| time <= now);
    if !created && is_due(Some(batch.created)) {
        let new = NewBatch {
            id: batch.id.clone(),
            file: batch.file.clone(),
            blob: BlobKey::upload(batch.blob),
            window: batch.window,
            at,
        };
        create(store, &world.blobs(), new, input(index, batch)).await;
        world.state().batches[index].created = true;
        world.note(|| format!("batch {index} of {} lines is created", batch.lines.len()));
        wake.wake();
    }
    if created && !cancelled && is_due(batch.cancelled) {
        match store.cancel(&project, &batch.id, at).await {
            Ok(_) | Err(StoreError::Illegal(_)) => {}
            Err(error) => panic!("a cancel was answered with {error:?}"),
        }
        world.state().batches[index].cancelled = true;
        world.note(|| format!("batch {index} is cancelled by its client"));
        wake.wake();
    }
    if created && !deleted && is_due(batch.file_deleted) {
        store.delete_file(&project, &batch.file, at).await.unwrap();
        world.state().batches[index].deleted = true;
        world.note(|| format!("the input of batch {index} is deleted"));
    }
}

/// Looks at a batch as its client does; whether it has ended.
async fn look(world: &World, store: &Sqlite, index: usize, story: &BatchStory) -> bool {
    if !world.state().batches[index].created {
        return false;
    }
    let project = ProjectId::default_project();
    let batch = store.batch(&project, &story.id).await.unwrap();
    let mut state = world.state();
    state.observe(index, &batch);
    let ended = batch.state.status().is_terminal();
    let overdue = state.time_of_day().since(batch.expires_at);
    let well = state
        .age()
        .min(state.now().saturating_sub(state.story.quiet));
    // After a jump of the clock deadlines are held back.
    if !ended && state.story.jumps.is_empty() && overdue.min(well) > GRACE + SLACK {
        state.violated(format!("batch {index} is {overdue:?} over its deadline"));
    }
    ended
}

/// What a former caller was told had failed happens after all.
async fn bring_back(world: &World, store: &Sqlite, zombie: Zombie) {
    let Zombie {
        mut lease,
        mut segment,
        ..
    } = zombie;
    let newest = world.state().newest_lease(&lease);
    if world.plant == Some(SeamPlant::NoEpochCheck)
        && let Some(newest) = newest
    {
        // A store that does not compare epochs takes it as if it were of the present one.
        segment.epoch = newest.epoch;
        segment.seq += 1_000;
        lease = newest;
    }
    let answer = store.record(&lease, &segment).await;
    world.note(|| {
        let (epoch, seq) = (segment.epoch, segment.seq);
        format!("late: segment {epoch}/{seq} is answered with {answer:?}")
    });
    match answer {
        Ok(()) => world.state().recorded(&lease, &segment),
        Err(StoreError::Fenced) => {}
        Err(error) => world.violated(format!("a late segment was answered with {error:?}")),
    }
}

/// The bytes of a batch's input file.
fn input(index: usize, batch: &BatchStory) -> String {
    let mut input = String::new();
    for (line, number) in batch.lines.iter().zip(1..) {
        let (model, padding) = (MODELS[line.model], " ".repeat(line.padding));
        let _ = writeln!(
            input,
            r#"{{"custom_id":"b{index}-{number}","method":"POST","url":"/v1/chat/completions","body":{{"model":"{model}","messages":[{{"role":"user","content":"<{index}-{number}>{padding}"}}]}}}}"#
        );
    }
    if batch.broken {
        input.push_str("this is no request\n");
    }
    input
}

/// A life without clients, long enough for a sweep, in a world that is well.
pub(crate) fn live_in_peace(world: &Arc<World>) {
    in_runtime(async {
        world.be_born(Fate::default());
        let (store, stop) = (world.open(), CancellationToken::new());
        let blobs = world.blobs().with_faults(BlobSeam(Arc::clone(world)));
        world.blobs().sweep_staging().await.unwrap();
        let engine = engine(world, &store, &blobs, &Wake::new());
        let mut running = Box::pin(engine.run(stop.clone()));
        tokio::select! {
            biased;
            ended = &mut running => panic!("the engine ended with {ended:?}"),
            () = tokio::time::sleep(Duration::from_secs(1)) => stop.cancel(),
        }
        running.await.unwrap();
        world.bury(Duration::ZERO);
    });
}
