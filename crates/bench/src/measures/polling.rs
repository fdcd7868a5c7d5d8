//! What it costs that clients look at a running batch a thousand times a second.
//!
//! The cost of a look: windows with and without looks, in turn, while a slow upstream keeps a batch
//! running at an even pace. The slowdown: whole batches at an instant upstream with and without
//! looks, in turn. Those who look share the processor with what they look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::each;
use crate::bench::Bench;
use crate::client::Client;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::{CLOSE_LOOK, LOOK, Server};
use crate::upstream::{Shape, Upstream};

/// How many connections look, each every 32 ms: enough for a thousand looks a second also when one
/// takes that long because the processor is busy.
const POLLERS: u64 = 32;
const PAUSE: Duration = Duration::from_millis(32);

/// How long a window with or without looks is.
const WINDOW: Duration = Duration::from_secs(3);

/// Lines a second of the batch that is looked at for its cost.
const PACE: u64 = 2_560;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let costs = costs(bench)?;
    let runs = slowdowns(bench)?;
    Ok(vec![
        Figure::new("CPU a look (us)", costs, Target::AtMost(40.0)),
        Figure::new(
            "a batch that is looked at takes, times the same without",
            each(&runs, |(slowdown, _)| *slowdown),
            // A thousand looks of 40 us each are so much of a core.
            Target::AtMost(1.04),
        ),
        Figure::new(
            "looks a second that were answered meanwhile, of a thousand",
            each(&runs, |(_, looks)| *looks),
            Target::None,
        ),
    ])
}

/// Microseconds of the processor's time a look, of each pair of windows.
fn costs(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let shape = Shape {
        latency_ms: 100,
        places: 256,
        ..Shape::INSTANT
    };
    let upstream = Upstream::start(bench, shape)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let windows = 2 * bench.pairs as u64 + 2;
    let file = server.upload_lines(Lines {
        count: windows * WINDOW.as_secs() * PACE,
        bytes: 300,
    })?;
    let batch = server.create(&file)?;
    server.until_status(&batch, CLOSE_LOOK, "in_progress")?;
    let window = || -> anyhow::Result<f64> {
        let before = server.process.cpu()?;
        std::thread::sleep(WINDOW);
        Ok((server.process.cpu()?.saturating_sub(before)).as_secs_f64())
    };
    let mut costs = Vec::new();
    for _ in 0..bench.pairs {
        let without = window()?;
        let pollers = Pollers::start(&server, &batch)?;
        let with = window()?;
        let looks = pollers.stop()?;
        let cost = (with - without) * 1e6 / real(looks);
        Bench::say(format_args!("{looks} looks at {cost:.1} us each"));
        costs.push(cost);
    }
    let last = server.connect()?.get(&format!("/v1/batches/{batch}"))?;
    anyhow::ensure!(last["status"] == "in_progress", "it ended too soon: {last}");
    Ok(costs)
}

/// The time of a batch that is looked at, as a multiple of one that is not, and looks a second.
fn slowdowns(bench: &Bench) -> anyhow::Result<Vec<(f64, f64)>> {
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let file = server.upload_lines(Lines {
        count: bench.scaled(500_000),
        bytes: 300,
    })?;
    let mut slowdowns = Vec::new();
    for pair in 0..=bench.pairs {
        let without = server.run(&file)?;
        let began = Instant::now();
        let batch = server.create(&file)?;
        let pollers = Pollers::start(&server, &batch)?;
        server.completed(&batch, LOOK)?;
        let with = began.elapsed();
        let looks = real(pollers.stop()?) / with.as_secs_f64();
        let slowdown = with.as_secs_f64() / without.as_secs_f64();
        Bench::say(format_args!("{slowdown:.3} at {looks:.0} looks a second"));
        // The first pair warms everything up.
        if pair > 0 {
            slowdowns.push((slowdown, looks));
        }
    }
    Ok(slowdowns)
}

/// Threads that look at a batch.
struct Pollers {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Pollers {
    fn start(server: &Server, batch: &str) -> anyhow::Result<Self> {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut threads = Vec::new();
        for _ in 0..POLLERS {
            let (stop, looks) = (Arc::clone(&stop), Arc::<AtomicU64>::clone(&looks));
            let mut client = server.connect()?;
            let path = format!("/v1/batches/{batch}");
            threads.push(std::thread::spawn(move || {
                poll(&mut client, &path, &stop, &looks)
            }));
        }
        Ok(Self {
            stop,
            looks,
            threads,
        })
    }

    /// How many looks there were.
    fn stop(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a poller broke down"))??;
        }
        Ok(self.looks.load(Ordering::Relaxed))
    }
}

fn poll(
    client: &mut Client,
    path: &str,
    stop: &AtomicBool,
    looks: &AtomicU64,
) -> anyhow::Result<()> {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        client.get(path)?;
        looks.fetch_add(1, Ordering::Relaxed);
        next += PAUSE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
