//! Proves that the results of a file are complete: every id of the input is there, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use crate::failure::FAILED;
use crate::lines::ID_KEY;
use crate::lines::ids::{LineId, id_of};
use crate::lines::source::each_line;
use crate::show::text::{count, counted, shortened};
use crate::show::{Voice, insist, print, print_json};

/// How many ids of a kind are named besides the missing ones, which are all named.
const NAMED_MAX: u64 = 20;

/// What is known of an id.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    in_input: u32,
    in_results: u32,
}

/// What was found.
#[derive(Debug, Default)]
struct Reckoning {
    ids: BTreeMap<LineId, Seen>,
    lines: u64,
    results: u64,
    missing: u64,
    doubled: u64,
    unknown: u64,
}

/// Prints the ids that are missing; the exit code is 1 when anything is wrong.
pub(super) fn verify(input: &Path, results: &[PathBuf], voice: Voice) -> anyhow::Result<ExitCode> {
    let mut reckoning = Reckoning::default();
    each_id(input, |id| {
        reckoning.lines += 1;
        reckoning.ids.entry(LineId::of(id)).or_default().in_input += 1;
        Ok(())
    })?;
    for file in results {
        each_id(file, |id| reckoning.take_result(file, id, voice))?;
    }
    // The input is read again for the names, which are not kept.
    each_id(input, |id| reckoning.name_missing(id, voice))?;
    reckoning.conclude(voice)
}

/// Gives out the id of each line.
fn each_id(path: &Path, mut take: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    each_line(path, |line| {
        let Some(id) = id_of(line.bytes) else {
            bail!("{}:{}: this line has no {ID_KEY}", path.display(), line.no);
        };
        take(&id)
    })
}

impl Reckoning {
    fn take_result(&mut self, file: &Path, id: &str, voice: Voice) -> anyhow::Result<()> {
        self.results += 1;
        let seen = self.ids.entry(LineId::of(id)).or_default();
        seen.in_results += 1;
        let (times, kind) = match *seen {
            Seen { in_input: 0, .. } => (&mut self.unknown, "unknown"),
            Seen { in_results: 1, .. } => return Ok(()),
            Seen { .. } => (&mut self.doubled, "doubled"),
        };
        *times += 1;
        if *times > NAMED_MAX {
            return Ok(());
        }
        if voice.is_json {
            return print_json(&json!({ "id": id, "problem": kind, "file": file }));
        }
        let what = match kind {
            "unknown" => "is of no line of the input",
            _ => "is there more than once",
        };
        insist(&format!("{}: {} {what}", file.display(), shortened(id, 80)));
        Ok(())
    }

    fn name_missing(&mut self, id: &str, voice: Voice) -> anyhow::Result<()> {
        let Some(seen) = self
            .ids
            .get_mut(&LineId::of(id))
            .filter(|seen| seen.in_results == 0)
        else {
            return Ok(());
        };
        // A second line of that id is not missing as well.
        seen.in_results = 1;
        self.missing += 1;
        if voice.is_json {
            return print_json(&json!({ "id": id, "problem": "missing" }));
        }
        print(id)
    }

    fn conclude(&self, voice: Voice) -> anyhow::Result<ExitCode> {
        let twice = self.ids.values().filter(|seen| seen.in_input > 1).count() as u64;
        let wrong = self.missing + self.doubled + self.unknown + twice;
        if voice.is_json {
            print_json(&json!({
                "valid": wrong == 0,
                "lines": self.lines,
                "results": self.results,
                "missing": self.missing,
                "doubled": self.doubled,
                "unknown": self.unknown,
                "doubled_in_input": twice,
            }))?;
        }
        if wrong == 0 {
            voice.say(&format!(
                "each of {} has its result, once",
                counted(self.lines, "line")
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let mut parts = Vec::new();
        for (number, what) in [
            (self.missing, "missing"),
            (self.doubled, "doubled"),
            (self.unknown, "of no line"),
            (twice, "more than once in the input"),
        ] {
            if number > 0 {
                parts.push(format!("{} {what}", count(number)));
            }
        }
        insist(&format!(
            "{} and {} do not match: {}",
            counted(self.lines, "line"),
            counted(self.results, "result"),
            parts.join(", "),
        ));
        Ok(ExitCode::from(FAILED))
    }
}
