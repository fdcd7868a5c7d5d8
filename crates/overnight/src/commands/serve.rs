//! `overnight serve`: the API and the engine in one process, or one of them, on one data folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use overnight_api::{Api, metrics_router, router};
use overnight_core::id::Entropy;
use overnight_core::time::Clock;
use overnight_engine::trace::Tracing;
use overnight_engine::{
    Engine, EngineError, EngineMetrics, EngineParts, EngineSettings, ResultTarget, Space,
    UpstreamPart,
};
use overnight_store::folder::DataFolder;
use overnight_store::{Blobs, Wake};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::settings::Settings;
use crate::failure::INTERRUPTED;
use crate::wiring::descriptors::Descriptors;
use crate::wiring::listen::Serving;
use crate::wiring::metadata::{self, Metadata};
use crate::wiring::signals::Stop;
use crate::wiring::upstreams::{self, UpstreamMaker};
use crate::wiring::{api, engine, listen, system, traces};

/// What requests leave to tidy up has so much time at the end of the process: a little more than
/// the rest of a body that is refused.
const TIDY_PATIENCE: Duration = Duration::from_secs(6);

/// What the server listens on.
struct Listeners {
    main: TcpListener,
    /// For the metrics alone, with its address as it is set.
    metrics: Option<(TcpListener, String)>,
}

impl Listeners {
    async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let main = listen::bind(&settings.listen, "--listen").await?;
        let metrics = match &settings.metrics_listen {
            Some(address) => {
                let listener = listen::bind(address, "--metrics-listen").await?;
                Some((listener, address.clone()))
            }
            None => None,
        };
        Ok(Self { main, metrics })
    }
}

/// Everything that the parts of a server share.
struct Server {
    settings: Settings,
    descriptors: Descriptors,
    stop: Stop,
    tasks: TaskTracker,
    /// Where everything is kept, unless all of it is on other machines.
    data: Option<Arc<DataFolder>>,
    metadata: Metadata,
    blobs: Blobs,
}

/// What the engine and the surface have in common.
struct Common {
    clock: Clock,
    entropy: Entropy,
    wake: Wake,
}

/// Serves until a signal, or until going on would put what is kept at risk.
pub(super) async fn serve(
    settings: Settings,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ExitCode> {
    if settings.role.runs_batches() {
        upstreams::require(&settings)?;
    }
    let stop = Stop::on_signals()?;
    let listeners = Listeners::bind(&settings).await?;
    let kept = metadata::open(&settings, &environment).await?;
    sweep_staging(&kept.blobs).await?;
    let server = Server {
        settings,
        descriptors: Descriptors::claim(),
        stop,
        tasks: TaskTracker::new(),
        data: kept.folder,
        metadata: kept.metadata,
        blobs: kept.blobs,
    };
    // Upstreams outlive the engine, which ends what is in flight with them.
    let after_all = CancellationToken::new();
    let insisted = server.stop.clone();
    let result = tokio::select! {
        result = server.run(listeners, &environment, after_all.clone()) => result,
        () = insisted.insisted() => Ok(ExitCode::from(INTERRUPTED)),
    };
    after_all.cancel();
    result
}

/// How the process ends. What is damaged is told before what came of it.
fn conclude(
    ended: Result<Result<(), EngineError>, JoinError>,
    damage: Option<String>,
) -> anyhow::Result<ExitCode> {
    if let Some(damage) = damage {
        bail!(damage);
    }
    ended.context("the engine panicked; this is a bug")??;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Deletes what former processes left half-written.
async fn sweep_staging(blobs: &Blobs) -> anyhow::Result<()> {
    let swept = blobs
        .sweep_staging()
        .await
        .context("what a former process left cannot be swept")?;
    if swept > 0 {
        tracing::info!(
            files = swept,
            "unfinished writes of a former process were swept"
        );
    }
    Ok(())
}

/// Waits for what requests leave to tidy up. It asks the database, which may not answer.
async fn tidied(requests: &TaskTracker) {
    requests.close();
    if timeout(TIDY_PATIENCE, requests.wait()).await.is_err() {
        tracing::warn!("what requests have left is tidied up at the next start");
    }
}

impl Server {
    async fn run(
        self,
        listeners: Listeners,
        environment: &BTreeMap<String, String>,
        after_all: CancellationToken,
    ) -> anyhow::Result<ExitCode> {
        let mut registry = Registry::default();
        let role = self.settings.role;
        registry.register(
            "overnight_process",
            "What the process does",
            Info::new([("role", role.as_str())]),
        );
        let common = Common {
            clock: system::clock(),
            entropy: system::entropy()?,
            wake: Wake::new(),
        };
        let (mut engine, mut last_traces) = (None, None);
        if role.runs_batches() {
            let upstreams = self.upstreams(environment, after_all).await?;
            let traced = traces::tracing(&self.settings.traces, environment)?;
            let (tracing, last) = traced.unzip();
            engine = Some(self.engine(&common, (upstreams, tracing), &mut registry));
            last_traces = last;
        }
        // Who runs nothing is hinted at nothing.
        let worker = engine.as_ref().map(|engine| engine.worker().clone());
        let hinted = common.wake.clone();
        let api = self.api(common, engine.clone(), registry)?;
        let (damaged, requests) = (api.damaged.clone(), api.tasks.clone());
        let url = listen::url(&listeners.main)?;
        let http = self.http(listeners, api)?;
        let asked = self.stop.asked();
        let running = self.tasks.spawn(async move {
            if let Some(engine) = engine {
                return engine.run(asked).await;
            }
            asked.cancelled().await;
            Ok(())
        });
        listen::announce(&format!("overnight is ready on {url}"))?;
        if role.serves_clients() {
            listen::announce(&format!(
                "  point an OpenAI client at base_url=\"{url}/v1\""
            ))?;
            listen::announce(&format!("  see what it does at {url}/dashboard/"))?;
        }
        let data = match (&self.data, &self.settings.blobs) {
            (Some(folder), _) => folder.path().display().to_string(),
            (None, bucket) => format!("{bucket:?}"),
        };
        tracing::info!(url, %data, role = role.as_str(), "ready");
        let hints = async {
            if let Some(worker) = worker {
                self.metadata.pass_on_hints(&worker, hinted).await;
            }
        };
        let hints = self.stop.asked().run_until_cancelled_owned(hints);
        let engine = async {
            let ended = running.await;
            // Without an engine there is nothing to serve for.
            self.stop.ask();
            ended
        };
        let ((), ended, damage, _) = tokio::join!(http, engine, self.damage(&damaged), hints);
        tidied(&requests).await;
        if let Some(last) = last_traces {
            last.send().await;
        }
        conclude(ended, damage)
    }

    fn engine(
        &self,
        common: &Common,
        (upstreams, tracing): (Vec<UpstreamPart>, Option<Tracing>),
        registry: &mut Registry,
    ) -> Engine {
        let space = api::space(self.data.clone(), self.settings.disk.reserve.0);
        Engine::new(EngineParts {
            store: self.metadata.store(),
            blobs: self.blobs.clone(),
            upstreams,
            clock: common.clock.clone(),
            entropy: common.entropy.clone(),
            wake: common.wake.clone(),
            settings: EngineSettings {
                space: Space::new(move || space()),
                ..engine::engine_settings(&self.settings)
            },
            target: ResultTarget::Blobs,
            metrics: EngineMetrics::register(registry),
            tracing,
        })
    }

    /// The surface; what an engine of this process has to say is said by it.
    fn api(
        &self,
        common: Common,
        engine: Option<Engine>,
        registry: Registry,
    ) -> anyhow::Result<Api> {
        let concern = move || engine.as_ref().and_then(Engine::concern);
        let settings = api::api_settings(&self.settings, self.descriptors, common.clock.now())?;
        Ok(Api {
            store: self.metadata.store(),
            blobs: self.blobs.clone(),
            wake: common.wake,
            settings,
            clock: common.clock,
            entropy: common.entropy,
            access: api::access(&self.settings)?,
            tasks: TaskTracker::new(),
            damaged: CancellationToken::new(),
            stopping: self.stop.asked(),
            render_metrics: api::render(registry),
            role: self.settings.role.as_str(),
            ready: Arc::new(move || concern().map_or(Ok(()), Err)),
            has_space: api::space(self.data.clone(), self.settings.disk.reserve.0),
        })
    }

    async fn upstreams(
        &self,
        environment: &BTreeMap<String, String>,
        stop: CancellationToken,
    ) -> anyhow::Result<Vec<UpstreamPart>> {
        let spool_folder = match &self.data {
            Some(folder) => folder.path(),
            None => temporary_folder(environment)?,
        };
        let maker = UpstreamMaker {
            settings: &self.settings,
            environment,
            spool_folder,
            descriptors: self.descriptors,
            stop,
            tasks: &self.tasks,
        };
        maker.make().await
    }

    /// Serves on every address until the process is asked to stop.
    fn http(&self, listeners: Listeners, api: Api) -> anyhow::Result<impl Future<Output = ()>> {
        let serving = |router| Serving {
            router,
            limits: api::connection_limits(&self.settings, self.descriptors),
            stop: self.stop.asked(),
            grace: self.settings.grace.shutdown.0,
        };
        let metrics = match listeners.metrics {
            Some((listener, address)) => {
                let url = listen::url(&listener)?;
                tracing::info!(url, "metrics have an address of their own");
                let router = metrics_router(api::metrics_api(&api, &address));
                Some(listen::serve(listener, serving(router)))
            }
            None => None,
        };
        let whole = if self.settings.role.serves_clients() {
            router(api)
        } else {
            metrics_router(api)
        };
        let main = listen::serve(listeners.main, serving(whole));
        let metrics = async move {
            if let Some(metrics) = metrics {
                metrics.await;
            }
        };
        Ok(async move {
            tokio::join!(main, metrics);
        })
    }

    /// Ends the process when the disk or the database is damaged, and says so; returns when it ends for
    /// another reason.
    async fn damage(&self, seen_by_requests: &CancellationToken) -> Option<String> {
        let damage = tokio::select! {
            // What is wrong comes before that the process ends for it.
            biased;
            what = self.metadata.damaged() => Some(format!(
                "the database in {folder} cannot be trusted any more ({what}); check the disk, then \
                 see what `overnight verify --data {folder}` says, and restore the folder from a \
                 backup with `overnight restore` if it is damaged",
                folder = self.settings.data.display(),
            )),
            () = seen_by_requests.cancelled() => {
                Some("the disk did not keep what was written; check it before starting again".to_owned())
            }
            () = self.stop.asked().cancelled_owned() => None,
        };
        self.stop.ask();
        damage
    }
}

/// Where a process without a folder of its own writes, and nowhere else: answers that are on their way.
fn temporary_folder(environment: &BTreeMap<String, String>) -> anyhow::Result<&Path> {
    let folder = environment.get("TMPDIR").map_or("/tmp", String::as_str);
    let folder = Path::new(folder);
    tempfile::tempfile_in(folder).with_context(|| {
        format!(
            "answers that do not fit into memory go to {}, which cannot be written: mount a volume \
             there (an emptyDir, a tmpfs), or name another folder with TMPDIR",
            folder.display()
        )
    })?;
    Ok(folder)
}
