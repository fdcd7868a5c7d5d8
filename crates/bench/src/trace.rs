//! Looks into a running process from outside: `strace` counts its calls, `perf` samples its stacks.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::process::tracer;

/// The calls that wait for the disk.
const CALLS: [&str; 4] = ["fsync", "fdatasync", "syncfs", "sync_file_range"];

/// How long attaching may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Samples a second: no round number, so that it does not beat with timers.
const SAMPLES_PER_SECOND: &str = "997";

/// A process that looks into another until it is told to end.
struct Attached(Child);

impl Attached {
    /// Tells it to write down what it has, and waits until it has.
    fn end(&mut self) -> anyhow::Result<()> {
        let id = self.0.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status()?;
        anyhow::ensure!(told.success(), "what looked into the process is gone");
        self.0.wait()?;
        Ok(())
    }
}

/// A running `strace`.
pub(crate) struct Strace {
    attached: Attached,
    log: PathBuf,
    _folder: TempDir,
}

impl Strace {
    /// Watches a process and all its threads from here on.
    pub(crate) fn attach(bench: &Bench, id: u32) -> anyhow::Result<Self> {
        let folder = bench.scratch()?;
        let log = folder.path().join("calls");
        let child = Command::new("strace")
            .args(["-f", "-qq", "-p", &id.to_string()])
            .arg(format!("--trace={}", CALLS.join(",")))
            .arg("--output")
            .arg(&log)
            .spawn()
            .context("strace is needed to count fsyncs")?;
        let strace = Self {
            attached: Attached(child),
            log,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while tracer(id)? == 0 {
            anyhow::ensure!(Instant::now() < deadline, "strace does not attach");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(strace)
    }

    /// How many calls there were.
    pub(crate) fn count(mut self) -> anyhow::Result<u64> {
        self.attached.end()?;
        let log = std::fs::read_to_string(&self.log)?;
        // What another thread interrupts is there twice: once begun, once resumed.
        let begun = log.lines().filter(|line| {
            let call = line.split_whitespace().nth(1).unwrap_or_default();
            let name = call.split('(').next().unwrap_or_default();
            call.contains('(') && CALLS.contains(&name)
        });
        Ok(begun.count() as u64)
    }
}

/// A running `perf record`, which ends with this value.
pub(crate) struct Perf(Attached);

impl Perf {
    /// Samples a process from here on into the next free file of a folder.
    pub(crate) fn attach(folder: &Path, id: u32) -> anyhow::Result<Self> {
        let number = std::fs::read_dir(folder)?.count();
        let child = Command::new("perf")
            .args(["record", "--quiet", "--event", "cpu-clock"])
            .args(["--freq", SAMPLES_PER_SECOND, "--call-graph", "fp"])
            .args(["--pid", &id.to_string(), "--output"])
            .arg(folder.join(format!("server-{number}.data")))
            .spawn()
            .context("perf is needed to sample")?;
        Ok(Self(Attached(child)))
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // It may have ended by itself; then its file says so.
        let _ = self.0.end();
    }
}
