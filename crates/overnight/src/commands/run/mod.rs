//! `overnight run`: one file in, its results out, without a server.
//!
//! ```text
//! paths ──► state (lock, fingerprint, database) ──► engine, one batch ──► summary, exit code
//!             └─ there already: goes on where it stopped
//! ```
//!
//! The input is read where it lies, and results are appended to the output files themselves; what was
//! recorded of them is known to the database in the state folder `OUT.jsonl.overnight`. So the same
//! command again goes on, after Ctrl-C as after a crash.

mod causes;
mod fingerprint;
mod paths;
mod progress;
mod refusal;
mod state;
mod summary;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use overnight_core::batch::{Batch, State as BatchState};
use overnight_core::input::InputLimits;
use overnight_engine::{
    Engine, EngineError, EngineMetrics, EngineParts, EngineSettings, ResultTarget, Space,
};
use overnight_store::Wake;
use prometheus_client::registry::Registry;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::paths::Paths;
use self::progress::{Pace, Progress};
use self::state::State;
use crate::args::{Concurrency, RunArgs};
use crate::config::load::Loaded;
use crate::config::settings::Settings;
use crate::failure;
use crate::wiring::descriptors::Descriptors;
use crate::wiring::signals::Stop;
use crate::wiring::upstreams::{self, UpstreamMaker};
use crate::wiring::{api, engine, logs, system, traces};

/// How often the end of the batch is looked for, and the bar is drawn.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A batch that the engine does not run for so long is stranded.
const GONE_PATIENCE: Duration = Duration::from_secs(30);

/// Log lines of this level and above appear between those of the progress, unless a level is set.
const LOG_LEVEL: &str = "warn";

/// How a run ended.
pub(super) enum End {
    /// The batch ended, now or in an earlier run.
    Ended(Box<Batch>),
    /// Somebody asked to stop; what was in flight is recorded.
    Interrupted,
    /// Somebody asked twice.
    Quit,
}

/// Runs the file to its end, or until somebody interrupts it.
pub(super) async fn run(
    args: RunArgs,
    loaded: Loaded,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ExitCode> {
    let mut settings = loaded.settings.clone();
    if let Concurrency::Fixed(limit) = args.concurrency {
        settings
            .upstreams
            .0
            .iter_mut()
            .for_each(|upstream| upstream.limit = Some(limit));
    }
    let mut progress = Progress::start(args.quiet);
    if !loaded.layers.sets("log.level") {
        LOG_LEVEL.clone_into(&mut settings.log.level);
    }
    logs::start(&settings.log, progress.log_target());
    let stop = Stop::on_signals()?;
    let paths = Paths::new(&args.input, &args.output)?;
    upstreams::require(&settings)?;
    let state = State::open(paths, &settings).await?;
    let before = state.batch().await?;
    let end = if before.state.status().is_terminal() {
        progress.say("this run was complete already; nothing was sent");
        End::Ended(Box::new(before))
    } else {
        progress.begin(&before);
        let job = Job {
            settings: &settings,
            environment: &environment,
            state: &state,
            stop: &stop,
        };
        tokio::select! {
            end = job.run(&mut progress) => end?,
            () = stop.insisted() => End::Quit,
        }
    };
    let pace = progress.finish();
    conclude(end, &state, pace).await
}

/// Tells how it ended.
async fn conclude(end: End, state: &State, pace: Pace) -> anyhow::Result<ExitCode> {
    let batch = match end {
        End::Quit => return Ok(ExitCode::from(failure::INTERRUPTED)),
        End::Interrupted => {
            if !pace.is_quiet {
                summary::interrupted(&state.batch().await?, &state.paths);
            }
            return Ok(ExitCode::from(failure::INTERRUPTED));
        }
        End::Ended(batch) => batch,
    };
    if let BatchState::Failed(errors) = &batch.state {
        refusal::tell(errors, &state.paths);
        state
            .forget()
            .context("the state of the refused run could not be removed")?;
        return Ok(ExitCode::from(failure::INPUT_REFUSED));
    }
    if !pace.is_quiet {
        summary::ended(&batch, &state.paths, pace);
    }
    let failed = batch.tally.failed + batch.tally.unrun;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(failure::LINES_FAILED)
    })
}

/// One run of the engine on the one batch of a state folder.
struct Job<'a> {
    settings: &'a Settings,
    environment: &'a BTreeMap<String, String>,
    state: &'a State,
    stop: &'a Stop,
}

impl Job<'_> {
    async fn run(&self, progress: &mut Progress) -> anyhow::Result<End> {
        let tasks = TaskTracker::new();
        let after_all = CancellationToken::new();
        let _ends_simulator = after_all.clone().drop_guard();
        let maker = UpstreamMaker {
            settings: self.settings,
            environment: self.environment,
            spool_folder: self.state.folder.path(),
            descriptors: Descriptors::claim(),
            stop: after_all,
            tasks: &tasks,
        };
        let traced = traces::tracing(&self.settings.traces, self.environment)?;
        let (tracing, last_traces) = traced.unzip();
        let engine = Engine::new(EngineParts {
            store: Arc::new(self.state.store.clone()),
            blobs: self.state.blobs.clone(),
            upstreams: maker.make().await?,
            clock: system::clock(),
            entropy: system::entropy()?,
            wake: Wake::new(),
            settings: EngineSettings {
                space: self.space(),
                ..unlimited(self.settings)
            },
            target: ResultTarget::Append {
                output: state::output_key(),
                error: state::error_key(),
            },
            metrics: EngineMetrics::register(&mut Registry::default()),
            tracing,
        });
        let stop = self.stop.asked().child_token();
        let (runner, token) = (engine.clone(), stop.clone());
        let mut running = tasks.spawn(async move { runner.run(token).await });
        let watched = tokio::select! {
            watched = self.watch(&engine, progress) => Some(watched?),
            stopped = &mut running => {
                checked(stopped)?;
                None
            }
        };
        if watched.is_some() {
            stop.cancel();
            checked(running.await)?;
        }
        if let Some(last) = last_traces {
            last.send().await;
        }
        if let Some(batch) = watched {
            return Ok(End::Ended(Box::new(batch)));
        }
        let batch = self.state.batch().await?;
        Ok(if batch.state.status().is_terminal() {
            End::Ended(Box::new(batch))
        } else {
            End::Interrupted
        })
    }

    /// Whether the disk of the output has room.
    fn space(&self) -> Space {
        let folder = Some(Arc::clone(&self.state.folder));
        let space = api::space(folder, self.settings.disk.reserve.0);
        Space::new(move || space())
    }

    /// Shows how the batch gets on, until it has ended.
    async fn watch(&self, engine: &Engine, progress: &mut Progress) -> anyhow::Result<Batch> {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        let mut is_told = false;
        let mut gone_since = None;
        loop {
            look.tick().await;
            if let Some(live) = engine.live(&self.state.batch) {
                if self.stop.asked().is_cancelled() && !is_told {
                    is_told = true;
                    progress.stopping(&live, self.settings.grace.shutdown);
                }
                progress.show(&live);
                gone_since = None;
            } else {
                gone_since.get_or_insert_with(Instant::now);
            }
            let batch = self.state.batch().await?;
            if batch.state.status().is_terminal() {
                return Ok(batch);
            }
            if gone_since.is_some_and(|since: Instant| since.elapsed() > GONE_PATIENCE) {
                bail!(
                    "the run cannot go on; the lines above say why, and the same command tries again"
                );
            }
        }
    }
}

/// What the engine's task ended with.
fn checked(ended: Result<Result<(), EngineError>, JoinError>) -> anyhow::Result<()> {
    Ok(ended.context("the engine panicked; this is a bug")??)
}

/// The engine's settings without what only a server that many people use needs.
fn unlimited(settings: &Settings) -> EngineSettings {
    let settings = engine::engine_settings(settings);
    EngineSettings {
        limits: InputLimits {
            lines_max: 0,
            file_bytes_max: 0,
            embedding_inputs_max: 0,
            ..settings.limits
        },
        results_expire_after: None,
        batch_retention: Duration::MAX,
        ..settings
    }
}
