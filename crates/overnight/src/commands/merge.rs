//! `overnight merge`: several files of results into one, with one line an id.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::Surroundings;
use crate::lines::found::Found;
use crate::lines::output::Output;
use crate::show::text::{count, counted};
use crate::show::{VoiceArgs, print_json};

/// The flags of `overnight merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Files of results, the oldest first. Of each id the last success is kept, or the last failure when it
    /// never succeeded.
    #[arg(value_name = "OUT.jsonl", required = true)]
    files: Vec<PathBuf>,
    /// Where the lines go [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep successes only.
    #[arg(long)]
    only_ok: bool,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Writes one line an id.
pub(super) fn merge(args: &MergeArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let mut found = Found::default();
    for file in &args.files {
        found.read(file)?;
    }
    let mut output = Output::create(args.output.as_deref())?;
    let (mut written, mut failed) = (0_u64, 0_u64);
    for line in found.in_order() {
        failed += u64::from(!line.is_ok);
        if line.is_ok || !args.only_ok {
            output.put_line(&found.bytes(line)?)?;
            written += 1;
        }
    }
    output.finish()?;
    voice.say(&format!(
        "{} of {} kept: {} ok, {} failed",
        counted(written, "line"),
        count(found.read),
        count(found.len() as u64 - failed),
        count(failed),
    ));
    if voice.is_json && args.output.is_some() {
        print_json(&json!({ "read": found.read, "written": written, "failed": failed }))?;
    }
    Ok(ExitCode::SUCCESS)
}
