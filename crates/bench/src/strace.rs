//! Counts how often a process makes the disk keep something.

use std::path::PathBuf;
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

/// A running `strace`.
pub(crate) struct Strace {
    child: Child,
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
            child,
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
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status()?;
        anyhow::ensure!(told.success(), "strace is gone");
        self.child.wait()?;
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
