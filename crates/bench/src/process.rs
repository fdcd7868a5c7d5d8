//! Processes that are measured, and what the system says of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::figure::real;

/// How many ticks of the processor's time the system counts a second: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The pause between two looks at a process's memory.
const MEMORY_LOOK: Duration = Duration::from_millis(50);

/// A process that ends with this value.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command and waits for the first line that it prints.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<(Self, String)> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        anyhow::ensure!(!line.is_empty(), "{command:?} ended at once");
        // Whoever prints more must not be stopped by it.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Ok((Self { child }, line.trim().to_owned()))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has used so far, all threads together.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let fields = stat_fields(&format!("/proc/{}/stat", self.id()))?;
        ticks(&fields, 11)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Watches its memory from here on.
    pub(crate) fn watch_memory(&self) -> MemoryWatch {
        let (id, stop) = (self.id(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !stopped.load(Ordering::Relaxed) {
                most = most.max(own_memory(id).unwrap_or_default());
                std::thread::sleep(MEMORY_LOOK);
            }
            most
        });
        MemoryWatch { stop, thread }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A look at a process's memory, some times a second.
pub(crate) struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    /// The most bytes of memory of its own that it was seen to have.
    pub(crate) fn most(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let most = self.thread.join();
        most.map_err(|_| anyhow::anyhow!("the watch broke down"))
    }
}

/// Runs a command to its end: how long it took, and the processor time that it used.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<(Duration, Duration)> {
    let before = children_cpu()?;
    let began = Instant::now();
    let status = command.status()?;
    let took = began.elapsed();
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok((took, children_cpu()?.saturating_sub(before)))
}

/// The number of the process that traces another; 0 when none does.
pub(crate) fn tracer(id: u32) -> anyhow::Result<u64> {
    status(id, "TracerPid:")
}

/// The bytes of memory of its own that a process has.
fn own_memory(id: u32) -> anyhow::Result<u64> {
    Ok(status(id, "RssAnon:")? << 10)
}

/// The processor time of the children of this process that have ended.
fn children_cpu() -> anyhow::Result<Duration> {
    let fields = stat_fields("/proc/self/stat")?;
    ticks(&fields, 13)
}

/// The fields of a `stat` file behind the name, which may hold anything.
fn stat_fields(path: &str) -> anyhow::Result<Vec<u64>> {
    let text = fs::read_to_string(path)?;
    let (_, rest) = text.rsplit_once(')').context("no name")?;
    Ok(rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect())
}

/// Two neighbouring fields, of user and of system time, as one.
fn ticks(fields: &[u64], at: usize) -> anyhow::Result<Duration> {
    let sum: u64 = fields
        .get(at..at + 2)
        .context("too few fields")?
        .iter()
        .sum();
    Ok(Duration::from_secs_f64(real(sum) / TICKS_PER_SECOND))
}

/// A number from a process's `status`, without its unit.
fn status(id: u32, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next());
    Ok(number.context("no such field")?.parse()?)
}
