//! A crowd of workers on one real database: what an installation of a hundred machines asks of it, on one
//! machine.
//!
//! ```text
//! clients (create at an even pace, look now and then) ──► PostgreSQL ◄── a hundred engines
//!                                                                          └── an upstream that only waits
//! ```
//!
//! Engines, driver and statements are the product's; blobs are in memory, and an upstream answers each
//! line after a while without doing anything. So many engines need no more of a machine than their
//! lines do, and what they ask of the database is what as many machines would ask.

mod clients;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use overnight_core::id::Entropy;
use overnight_core::time::{Clock, Timestamp};
use overnight_store::postgres::{Postgres, PostgresSettings};
use overnight_store::{Blobs, Wake};
use serde_json::json;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::clients::Clients;

/// What so many batches a day are spread over.
const DAY: Duration = Duration::from_hours(24);

/// How long batches that are still open at the end are waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// Connections of one worker, besides the one that listens.
const WORKER_CONNECTIONS: usize = 2;

/// Connections of what stands for the processes that serve clients.
const CLIENT_CONNECTIONS: usize = 16;

/// How large the crowd is, and what it is given to do.
#[derive(clap::Args)]
pub(crate) struct CrowdArgs {
    /// The URL of an empty PostgreSQL database.
    #[arg(long)]
    store: String,
    /// How many engines there are.
    #[arg(long, default_value_t = 100)]
    workers: usize,
    /// The pace at which batches are created.
    #[arg(long, default_value_t = 1_000_000)]
    batches_a_day: u32,
    /// The lines of each.
    #[arg(long, default_value_t = 100)]
    lines: u64,
    /// For how long batches are created.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long a line takes at its upstream.
    #[arg(long, default_value_t = 1_000)]
    latency_ms: u64,
}

/// What all parts of the crowd have in common.
#[derive(Clone)]
struct Ground {
    settings: PostgresSettings,
    blobs: Blobs,
    clock: Clock,
    entropy: Entropy,
}

impl Ground {
    fn new(url: &str) -> anyhow::Result<Self> {
        let clock = Clock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let micros = since.unwrap_or_default().as_micros();
            Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        });
        let (seed, draws) = (clock.now().micros(), Arc::new(AtomicU64::new(1)));
        let entropy = Entropy::new(move || {
            let draw = draws.fetch_add(1, Ordering::Relaxed).wrapping_add(seed);
            u128::from(draw).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        });
        Ok(Self {
            settings: PostgresSettings::from_url(url)?,
            blobs: Blobs::memory(),
            clock,
            entropy,
        })
    }

    async fn store(&self, connections_max: usize) -> anyhow::Result<Postgres> {
        let mut settings = self.settings.clone();
        settings.connections_max = connections_max;
        Ok(Postgres::open(settings).await?)
    }
}

/// Lets the crowd work, and prints what became of its batches as JSON.
pub(crate) fn run(args: &CrowdArgs) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work(args))
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
async fn work(args: &CrowdArgs) -> anyhow::Result<()> {
    let ground = Ground::new(&args.store)?;
    let clients = Clients::new(&ground, args.lines).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let latency = Duration::from_millis(args.latency_ms);
    for number in 0..args.workers {
        let (store, wake) = (ground.store(WORKER_CONNECTIONS).await?, Wake::new());
        let (listening, hinted) = (store.clone(), wake.clone());
        let engine = worker::engine(&ground, (store, wake), number, latency);
        let worker = engine.worker().clone();
        let hints = async move { listening.pass_on_hints(&worker, hinted).await };
        tasks.spawn(stop.clone().run_until_cancelled_owned(hints));
        let stop = stop.clone();
        tasks.spawn(async move { engine.run(stop).await });
    }
    println!("{}", json!({"ready": args.workers}));
    let pause = DAY / args.batches_a_day;
    let course = clients
        .create_for(Duration::from_secs(args.seconds), pause)
        .await?;
    println!("{}", json!({"created": course.created()}));
    let report = course.end(PATIENCE).await?;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    println!("{report}");
    Ok(())
}
