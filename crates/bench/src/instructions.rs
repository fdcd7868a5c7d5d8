//! Counts the instructions of the hot path, and holds them against a budget.
//!
//! Instructions are the same on a busy machine and on an idle one. They are not the same with another
//! compiler, so the budget says with which it was recorded.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::counted::{CASES, Case};
use crate::figure::real;

/// Long runs of bytes are copied and cleared by one instruction that counts as one a byte: how long is
/// decided by the processor's model, so none is long enough.
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:\
    glibc.cpu.x86_rep_stosb_threshold=0x7fffffff";

/// What lines may cost.
#[derive(Debug, Serialize, Deserialize)]
struct Budget {
    /// The compiler that it was recorded with.
    compiler: String,
    /// Instructions a line, by case.
    instructions: BTreeMap<String, u64>,
}

/// Counts every case. Prints a table, and fails when one costs too much; or records what they cost.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) fn run(own: &Path, path: &Path, record: bool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut counted = BTreeMap::new();
    let profile = folder.path().join("profile");
    for case in &CASES {
        let mut least = u64::MAX;
        for _ in 0..case.counts {
            let once = count(own, case.name, case.lines, &profile)?;
            let twice = count(own, case.name, 2 * case.lines, &profile)?;
            least = least.min(twice.saturating_sub(once) / case.lines);
        }
        counted.insert(case.name, least);
    }
    let compiler = compiler()?;
    if record {
        let instructions = counted.into_iter();
        let budget = Budget {
            compiler,
            instructions: instructions
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        };
        let text = serde_json::to_string_pretty(&budget)? + "\n";
        print!("{text}");
        return Ok(std::fs::write(path, text)?);
    }
    let text = std::fs::read_to_string(path)?;
    let budget: Budget = serde_json::from_str(&text).context("the budget cannot be read")?;
    println!("| case | instructions a line | budget | |\n| --- | --- | --- | --- |");
    let mut over = Vec::new();
    for Case { name, slack, .. } in &CASES {
        let count = counted.get(name).copied().unwrap_or_default();
        let bound = budget.instructions.get(*name).copied();
        let bound = bound.with_context(|| format!("{name} has no budget"))?;
        let ratio = real(count) / real(bound);
        let change = (ratio - 1.0) * 100.0;
        println!("| {name} | {count} | {bound} | {change:+.1} % |");
        if ratio > *slack {
            over.push(format!("{name} by {change:.1} %"));
        }
    }
    anyhow::ensure!(
        over.is_empty(),
        "over the budget: {}. When that is worth it, record a new one with `scripts/instructions \
         --record` and say why in the commit. The budget is of {}; this is {compiler}.",
        over.join(", "),
        budget.compiler
    );
    Ok(())
}

/// How many instructions one run of a case is, from its beginning to its end.
fn count(own: &Path, case: &str, lines: u64, profile: &Path) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(own)
        .args(["counted", case, &lines.to_string()])
        .env("GLIBC_TUNABLES", TUNABLES)
        .stdin(Stdio::null())
        .output()
        .context("valgrind is needed to count instructions")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{case} of {lines} lines: {said}");
    let text = std::fs::read_to_string(profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.context("callgrind says no total")?;
    Ok(total.trim().parse()?)
}

fn compiler() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
