//! What a run came to, on stderr.

use std::fmt::Write as _;
use std::io::Write as _;

use indicatif::{FormattedDuration, HumanCount};
use overnight_core::batch::Batch;

use super::causes::causes;
use super::paths::Paths;
use super::progress::Pace;
use crate::wiring::system;

/// How many causes of failure are told.
const CAUSES_SHOWN: usize = 5;

/// Tells what came of every line, and where the results are.
pub(super) fn ended(batch: &Batch, paths: &Paths, pace: Pace) {
    print(&ended_text(batch, paths, pace));
}

/// Tells how far the run got, and how it goes on.
pub(super) fn interrupted(batch: &Batch, paths: &Paths) {
    print(&format!(
        "stopped at {} of {} lines; what ended is in {}\ngo on with: {}",
        HumanCount(batch.tally.ended()),
        HumanCount(batch.total()),
        paths.output.display(),
        system::command_line(),
    ));
}

fn print(text: &str) {
    // When there is nobody to tell, the exit code says it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn ended_text(batch: &Batch, paths: &Paths, pace: Pace) -> String {
    let tally = batch.tally;
    let failed = tally.failed + tally.unrun;
    let mut text = format!(
        "{} {}: {} ok, {} failed",
        HumanCount(batch.total()),
        if batch.total() == 1 { "line" } else { "lines" },
        HumanCount(tally.completed),
        HumanCount(failed),
    );
    let here = tally.ended().saturating_sub(pace.before);
    if here > 0 {
        let seconds = pace.elapsed.as_secs_f64().max(0.001);
        let rate = f64::from(u32::try_from(here).unwrap_or(u32::MAX)) / seconds;
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            text,
            " in {} ({rate:.1}/s)",
            FormattedDuration(pace.elapsed)
        );
    }
    let usage = &batch.usage;
    let _ = write!(
        text,
        "; {} input and {} output tokens\nresults: {}",
        HumanCount(usage.input_tokens),
        HumanCount(usage.output_tokens),
        paths.output.display(),
    );
    if failed > 0 {
        let _ = write!(text, "\nfailed lines: {}", paths.errors.display());
        for (cause, count) in causes(&paths.errors)
            .unwrap_or_default()
            .iter()
            .take(CAUSES_SHOWN)
        {
            let _ = write!(text, "\n  {} x {cause}", HumanCount(*count));
        }
        let _ = write!(
            text,
            "\nthose lines as an input of their own: overnight retry-failed {} --input {} -o RETRY.jsonl",
            paths.errors.display(),
            paths.input.display(),
        );
    }
    text
}
