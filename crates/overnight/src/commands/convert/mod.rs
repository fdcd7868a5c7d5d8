//! `overnight convert`: tables and folders to requests, and results back to a table.
//!
//! ```text
//! .csv, .tsv, .parquet ──► table ──► rows ──┐
//!                                           ├──► template ──► request ──► IN.jsonl
//! folder ──► texts, images ─────────────────┘
//!
//! results ──► found ──► answer ──┬──► back ──► sink ──► .csv, .tsv, .parquet
//! --join table ──► rows ─────────┘
//! ```

mod answer;
pub(crate) mod back;
mod folder;
mod request;
mod rows;
mod sink;
pub(crate) mod table;
mod template;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use self::back::TableArgs;
use self::request::RequestArgs;
use self::table::Form;
use super::Surroundings;
use crate::failure::UsageError;
use crate::lines::found::Found;
use crate::show::text::counted;
use crate::show::{VoiceArgs, print_json};

/// The flags of `overnight convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConvertArgs {
    /// A table (`.csv` or `.tsv` with a head, `.parquet`) or a folder of texts and images, which becomes requests;
    /// or files of results (`.jsonl`), which become a table.
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    /// Where it goes [default: stdout]. A table is CSV, unless the name ends in `.tsv` or `.parquet`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The column whose value names a line [default: the number of the row, as `row-1`].
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    /// Lines, or rows.
    pub(crate) written: u64,
    /// Files of a folder that are neither text nor image; rows without a result.
    pub(crate) without: u64,
}

/// What the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table,
    Folder,
    Results,
}

fn kind(path: &Path) -> Option<Kind> {
    if path.is_dir() {
        return Some(Kind::Folder);
    }
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        _ if Form::of(path).is_some() => Some(Kind::Table),
        "jsonl" | "ndjson" => Some(Kind::Results),
        _ => None,
    }
}

/// Writes what the input becomes.
pub(super) fn convert(args: &ConvertArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let kinds: Vec<Option<Kind>> = args.inputs.iter().map(|path| kind(path)).collect();
    let (made, what) = match kinds.as_slice() {
        [Some(Kind::Table)] => (rows::convert(args)?, "request"),
        [Some(Kind::Folder)] => (folder::convert(args, voice)?, "request"),
        kinds if kinds.iter().all(|kind| *kind == Some(Kind::Results)) => {
            (from_results(args)?, "row")
        }
        _ => {
            let text =
                "name one table (.csv, .tsv, .parquet), one folder, or files of results (.jsonl)";
            return Err(UsageError(text.to_owned()).into());
        }
    };
    let mut told = format!("wrote {}", counted(made.written, what));
    if made.without > 0 {
        let what = if what == "row" {
            "row without a result"
        } else {
            "file left out"
        };
        told = format!("{told}; {} {what}", made.without);
    }
    voice.say(&told);
    if voice.is_json && args.output.is_some() {
        print_json(&json!({ "written": made.written, "without": made.without }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a table of files of results.
fn from_results(args: &ConvertArgs) -> anyhow::Result<Made> {
    let mut found = Found::default();
    for path in &args.inputs {
        found.read(path)?;
    }
    let output = args.output.as_deref();
    let form = output.and_then(Form::of).unwrap_or(Form::Csv);
    back::write(&found, &args.table, args.id.as_deref(), form, output)
}
