//! Processes that are measured, and what the system says of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// How many ticks of the processor's time the system counts a second: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

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

    /// The processor time that it has used so far, all threads together.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end: how long it took, and the processor time that it used.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<(Duration, Duration)> {
    let before = children_cpu()?;
    let began = std::time::Instant::now();
    let status = command.status()?;
    let took = began.elapsed();
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok((took, children_cpu()?.saturating_sub(before)))
}

fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let fields = stat_fields(&format!("/proc/{pid}/stat"))?;
    ticks(&fields, 11)
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
    #[expect(clippy::cast_precision_loss, reason = "ticks of one run are few")]
    Ok(Duration::from_secs_f64(sum as f64 / TICKS_PER_SECOND))
}
