//! What was measured before: a line of JSON a measure and run, and the table of the newest ones.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measures::MEASURES;

/// What stands before and after the table in a document.
const MARKS: (&str, &str) = ("<!-- benchmarks: begin -->", "<!-- benchmarks: end -->");

/// One measure of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it ended: seconds since 1970.
    at: u64,
    /// The commit that was measured.
    commit: String,
    machine: String,
    measure: String,
    scale: f64,
    figures: Vec<Figure>,
}

impl Entry {
    /// What came out just now.
    pub(crate) fn new(bench: &Bench, measure: &str, figures: Vec<Figure>) -> anyhow::Result<Self> {
        Ok(Self {
            at: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            commit: commit(),
            machine: machine()?,
            measure: measure.to_owned(),
            scale: bench.scale,
            figures,
        })
    }

    /// Adds it to the history.
    pub(crate) fn append(&self, history: &Path) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(history)?;
        writeln!(file, "{}", serde_json::to_string(self)?)?;
        Ok(())
    }

    /// Its rows of a table.
    pub(crate) fn rows(&self) -> String {
        let mut rows = String::new();
        let is_whole = (self.scale - 1.0).abs() < f64::EPSILON;
        let measure = if is_whole {
            self.measure.clone()
        } else {
            format!("{} (at {} of its size)", self.measure, self.scale)
        };
        for figure in &self.figures {
            let row = figure.row(is_whole);
            // A string takes everything.
            let _ = writeln!(rows, "| {measure} {row}");
        }
        rows
    }
}

/// The head of the table whose rows are [`Entry::rows`].
pub(crate) const HEAD: &str = "\
| measure | figure | median | from, to (runs) | target | |
| --- | --- | --- | --- | --- | --- |
";

/// Puts the newest figures of each measure between the marks of a document.
pub(crate) fn document(history: &Path, document: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(history)
        .with_context(|| format!("no history at {}", history.display()))?;
    let entries: Vec<Entry> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let newest: Vec<&Entry> = MEASURES
        .iter()
        .filter_map(|(name, _)| entries.iter().rfind(|entry| entry.measure == *name))
        .collect();
    let mut machines: Vec<&str> = newest.iter().map(|entry| entry.machine.as_str()).collect();
    machines.dedup();
    let rows: String = newest.iter().map(|entry| entry.rows()).collect();
    let table = format!("Machine: {}.\n\n{HEAD}{rows}", machines.join("; and "));
    let (begin, end) = MARKS;
    let text = std::fs::read_to_string(document)?;
    let (before, rest) = text.split_once(begin).context("no mark for the table")?;
    let (_, after) = rest.split_once(end).context("no mark behind the table")?;
    std::fs::write(document, format!("{before}{begin}\n{table}{end}{after}"))?;
    Ok(())
}

/// The commit of the folder, with a plus when files differ from it; empty without one.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_default();
    let changed = git(&[
        "status",
        "--porcelain",
        "--",
        "crates",
        "Cargo.toml",
        "Cargo.lock",
    ]);
    let mark = if changed.is_ok_and(|changed| changed.is_empty()) {
        ""
    } else {
        "+"
    };
    commit + mark
}

/// The processor, how many threads it runs, the memory, and the kernel.
fn machine() -> anyhow::Result<String> {
    let processor = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&processor, "model name").unwrap_or("unknown processor");
    let threads = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory: u64 = field(&memory, "MemTotal")
        .and_then(|value| value.split_whitespace().next())
        .context("no MemTotal")?
        .parse()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let (gibibytes, kernel) = (memory >> 20, kernel.trim());
    Ok(format!(
        "{threads} processors ({model}), {gibibytes} GiB of memory, Linux {kernel}"
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
