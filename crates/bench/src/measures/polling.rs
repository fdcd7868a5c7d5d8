//! What it costs that clients look at a running batch a thousand times a second.
//!
//! The cost of a look: windows with and without looks, in turn, while a slow upstream keeps a batch
//! running at an even pace. The slowdown: whole batches at an instant upstream with and without
//! looks, in turn. Those who look share the processor with what they look at, so both are also measured
//! with looks at a server that gives the same bytes to whoever asks: what a look costs at least here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::each;
use crate::bench::Bench;
use crate::client::Client;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::process::Process;
use crate::server::{CLOSE_LOOK, LOOK, Server};
use crate::upstream::{Shape, Upstream};

/// How many connections look, each every 32 ms: enough for a thousand looks a second also when one
/// takes that long because the processor is busy.
const POLLERS: u64 = 32;
const PAUSE: Duration = Duration::from_millis(32);

/// How long a window with or without looks is.
const WINDOW: Duration = Duration::from_secs(5);

/// Lines a second of the batch that is looked at for its cost.
const PACE: u64 = 2_560;

/// An answer about as long as a batch.
const ANSWER: Shape = Shape {
    answer_bytes: 1_200,
    ..Shape::INSTANT
};

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let yardstick = Upstream::start(bench, ANSWER)?;
    let costs = costs(bench, &yardstick)?;
    let runs = slowdowns(bench, &yardstick)?;
    Ok(vec![
        Figure::new(
            "CPU a look (us)",
            each(&costs, |cost| cost.product),
            Target::AtMost(40.0),
        ),
        Figure::new(
            "CPU a look at a server that does nothing else (us)",
            each(&costs, |cost| cost.yardstick),
            Target::None,
        ),
        Figure::new(
            "a batch that is looked at takes, times the same without",
            each(&runs, |run| run.looked_at),
            // A thousand looks of 40 us each are so much of a core.
            Target::AtMost(1.04),
        ),
        Figure::new(
            "a batch takes while the other server is looked at, times the same without",
            each(&runs, |run| run.beside),
            Target::None,
        ),
        Figure::new(
            "looks a second that were answered meanwhile, of a thousand",
            each(&runs, |run| run.looks),
            Target::None,
        ),
    ])
}

/// Microseconds of the processor's time a look.
struct Cost {
    product: f64,
    yardstick: f64,
}

fn costs(bench: &Bench, yardstick: &Upstream) -> anyhow::Result<Vec<Cost>> {
    let shape = Shape {
        latency_ms: 100,
        places: 256,
        ..Shape::INSTANT
    };
    let upstream = Upstream::start(bench, shape)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let windows = 3 * bench.pairs as u64 + 2;
    let file = server.upload_lines(Lines {
        count: windows * WINDOW.as_secs() * PACE,
        bytes: 300,
    })?;
    let batch = server.create(&file)?;
    server.until_status(&batch, CLOSE_LOOK, "in_progress")?;
    let mut costs = Vec::new();
    for _ in 0..bench.pairs {
        let without = window(&server.process)?;
        let cost = Cost {
            product: Looks::of(&server, &batch).cost(&server.process, without)?,
            // It has nothing else to do.
            yardstick: Looks::at(yardstick).cost(&yardstick.process, 0.0)?,
        };
        Bench::say(format_args!(
            "a look at {:.1} us; at the yardstick {:.1}",
            cost.product, cost.yardstick
        ));
        costs.push(cost);
    }
    let last = server.connect()?.get(&format!("/v1/batches/{batch}"))?;
    anyhow::ensure!(last["status"] == "in_progress", "it ended too soon: {last}");
    Ok(costs)
}

/// Seconds of the processor's time that a process uses in a window.
fn window(process: &Process) -> anyhow::Result<f64> {
    let before = process.cpu()?;
    std::thread::sleep(WINDOW);
    Ok(process.cpu()?.saturating_sub(before).as_secs_f64())
}

/// What looks do to the time of a batch.
struct Run {
    /// With looks at it, as a multiple of the time without.
    looked_at: f64,
    /// With looks at the yardstick.
    beside: f64,
    /// How many looks at it were answered a second.
    looks: f64,
}

fn slowdowns(bench: &Bench, yardstick: &Upstream) -> anyhow::Result<Vec<Run>> {
    let upstream = Upstream::start(bench, Shape::INSTANT)?;
    let server = Server::start(bench, &upstream.section(Some(256)))?;
    let file = server.upload_lines(Lines {
        count: bench.scaled(500_000),
        bytes: 300,
    })?;
    let mut runs = Vec::new();
    for pair in 0..=bench.pairs {
        let without = server.run(&file)?.as_secs_f64();
        let (looked_at, looks) = timed(&server, &file, |batch| Looks::of(&server, batch))?;
        let (beside, _) = timed(&server, &file, |_| Looks::at(yardstick))?;
        let run = Run {
            looked_at: looked_at / without,
            beside: beside / without,
            looks,
        };
        Bench::say(format_args!(
            "{:.3} at {looks:.0} looks a second; {:.3} beside the yardstick's",
            run.looked_at, run.beside
        ));
        // The first pair warms everything up.
        if pair > 0 {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// The seconds that a batch takes with looks, and how many of those were answered a second.
fn timed<'a>(
    server: &Server,
    file: &str,
    looks: impl FnOnce(&str) -> Looks<'a>,
) -> anyhow::Result<(f64, f64)> {
    let began = Instant::now();
    let batch = server.create(file)?;
    let pollers = looks(&batch).start()?;
    server.completed(&batch, LOOK)?;
    let took = began.elapsed().as_secs_f64();
    Ok((took, real(pollers.stop()?) / took))
}

/// Where to look, and at what.
struct Looks<'a> {
    address: &'a str,
    path: String,
}

impl<'a> Looks<'a> {
    /// At a batch.
    fn of(server: &'a Server, batch: &str) -> Self {
        Self {
            address: &server.address,
            path: format!("/v1/batches/{batch}"),
        }
    }

    /// At the same bytes each time.
    fn at(yardstick: &'a Upstream) -> Self {
        Self {
            address: yardstick.address(),
            path: "/".to_owned(),
        }
    }

    /// Microseconds of the processor's time a look, beyond the seconds that a window takes without any.
    fn cost(&self, process: &Process, without: f64) -> anyhow::Result<f64> {
        let pollers = self.start()?;
        let with = window(process)?;
        Ok((with - without) * 1e6 / real(pollers.stop()?))
    }

    fn start(&self) -> anyhow::Result<Pollers> {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut threads = Vec::new();
        for _ in 0..POLLERS {
            let (stop, looks) = (Arc::clone(&stop), Arc::<AtomicU64>::clone(&looks));
            let mut client = Client::connect(self.address)?;
            let path = self.path.clone();
            threads.push(std::thread::spawn(move || {
                poll(&mut client, &path, &stop, &looks)
            }));
        }
        Ok(Pollers {
            stop,
            looks,
            threads,
        })
    }
}

/// Threads that look.
struct Pollers {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Pollers {
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
