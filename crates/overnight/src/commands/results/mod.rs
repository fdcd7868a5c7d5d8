//! `overnight results`: the answers of a batch, also while it runs.

mod kept;
mod order;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::time::sleep;

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use crate::client::download::{Follower, Which};
use crate::client::wire::Batch;
use crate::commands::convert::back::{self, TableArgs};
use crate::commands::convert::table::Form;
use crate::lines::output::Output;
use crate::show::live::byte_bar;
use crate::show::text::{counted, size};

/// How often a batch that runs is asked for more.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// The flags of `overnight results`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResultsArgs {
    /// The batch: its id, the beginning or end of it, or @last.
    #[arg(value_name = "ID", default_value = "@last")]
    id: String,
    /// Where they go [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The lines that failed, in the place of the answers.
    #[arg(long)]
    errors: bool,
    /// Write what comes while the batch runs, until it has ended; the file grows meanwhile.
    #[arg(long)]
    follow: bool,
    /// In which order: as they ended, or as the lines stand in the input.
    #[arg(
        long,
        value_name = "ORDER",
        default_value = "ended",
        conflicts_with = "follow"
    )]
    order: Order,
    /// As what: result lines, or a table of answers and failures together.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", conflicts_with_all = ["follow", "order"])]
    format: Format,
    /// With `--format csv` (or `parquet`) and `--join`: the column whose value names a line [default: the number
    /// of the row, as `row-1`].
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    ask: AskArgs,
}

/// In which order results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// As the lines ended.
    Ended,
    /// As the lines stand in the input; answers and failures together.
    Input,
}

/// As what results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Result lines.
    Jsonl,
    /// A table, divided by tabs when the file's name ends in `.tsv`.
    Csv,
    /// A table whose columns have kinds.
    Parquet,
}

impl Format {
    /// The table that it is, if it is one.
    fn form(self, output: Option<&Path>) -> Option<Form> {
        let is_tsv = output.and_then(Form::of) == Some(Form::Tsv);
        match self {
            Self::Jsonl => None,
            Self::Csv if is_tsv => Some(Form::Tsv),
            Self::Csv => Some(Form::Csv),
            Self::Parquet => Some(Form::Parquet),
        }
    }
}

/// Writes the results.
pub(super) async fn results(args: ResultsArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let id = asking.client.batch_id(&args.id).await?;
    let batch = asking.client.batch(&id).await?.read;
    let which = if args.errors {
        Which::Errors
    } else {
        Which::Output
    };
    let path = args.output.as_deref();
    if let Some(form) = args.format.form(path) {
        let kept = kept::bring(&asking, &batch).await?;
        let id = args.id_column.as_deref();
        let made = back::write(&kept.found, &args.table, id, form, path)?;
        asking
            .voice
            .say(&format!("wrote {}", counted(made.written, "row")));
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = if args.follow {
        Output::grow(path)?
    } else {
        Output::create(path)?
    };
    let bytes = match args.order {
        Order::Input => order::write(&asking, &batch, &mut output).await?,
        Order::Ended if args.follow => follow(&asking, &batch, which, &mut output).await?,
        Order::Ended => fetch(&asking, &batch, which, &mut output).await?,
    };
    output.finish()?;
    let to = args
        .output
        .as_ref()
        .map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    let text = format!("{} to {to}", size(bytes));
    if args.output.is_some() {
        asking.voice.say(&text);
    } else {
        asking.voice.detail(&text);
    }
    if !batch.is_ended() && !args.follow {
        asking.voice.say(&format!(
            "{id} is {}: these are the results so far; `--follow` waits for the rest",
            batch.status
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is at present of one of the two files.
async fn fetch(
    asking: &Asking,
    batch: &Batch,
    which: Which,
    output: &mut Output,
) -> anyhow::Result<u64> {
    let bar = byte_bar(asking.voice, "receiving", 0);
    if batch.is_ended() {
        let file = match which {
            Which::Output => &batch.output_file_id,
            Which::Errors => &batch.error_file_id,
        };
        let Some(file) = file else {
            return Ok(0);
        };
        let got = asking.client.download(file, output, &bar).await;
        bar.finish_and_clear();
        return got;
    }
    let mut follower = Follower::new(&batch.id, which);
    loop {
        let before = follower.offset;
        let is_over = follower.step(&asking.client, output, &bar).await?;
        if is_over || follower.offset == before {
            bar.finish_and_clear();
            return Ok(before);
        }
    }
}

/// What there is, and what comes until the batch has ended.
async fn follow(
    asking: &Asking,
    batch: &Batch,
    which: Which,
    output: &mut Output,
) -> anyhow::Result<u64> {
    let bar = indicatif::ProgressBar::hidden();
    let mut follower = Follower::new(&batch.id, which);
    loop {
        let before = follower.offset;
        if follower.step(&asking.client, output, &bar).await? {
            return Ok(before);
        }
        output.flush()?;
        if follower.offset == before {
            sleep(LOOK_INTERVAL).await;
        }
    }
}
