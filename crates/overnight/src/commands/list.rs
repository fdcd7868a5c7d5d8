//! `overnight list`: the batches of a server, newest first.

use std::process::ExitCode;

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use crate::client::wire::{Batch, Told, is_final};
use crate::show::table::{Cell, Side, Table};
use crate::show::text::{ago, count, shortened};
use crate::show::{Tone, print_json};

/// The widest that a model's name is shown.
const MODEL_CHARS: usize = 28;

/// The flags of `overnight list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How many at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Those of these statuses alone, with commas between.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    status: Vec<String>,
    /// Those alone that have not ended.
    #[arg(long, conflicts_with = "status")]
    active: bool,
    /// Those alone that have this in their id or in a value of their metadata.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

impl ListArgs {
    /// Whether a batch is asked for.
    fn wants(&self, batch: &Batch) -> bool {
        let has_status = self.status.is_empty() || self.status.contains(&batch.status);
        let is_wanted = !self.active || !is_final(&batch.status);
        let has_text = self.search.as_ref().is_none_or(|text| {
            let text = text.to_lowercase();
            let values = batch.metadata.iter().flat_map(|notes| notes.values());
            let mut texts = values.chain([&batch.id]);
            texts.any(|own| own.to_lowercase().contains(&text))
        });
        has_status && is_wanted && has_text
    }

    const fn is_filtered(&self) -> bool {
        !self.status.is_empty() || self.active || self.search.is_some()
    }
}

/// Prints the batches.
pub(super) async fn list(args: ListArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let limit = if args.all { usize::MAX } else { args.limit };
    // What is filtered here has to be looked through first.
    let most = if args.is_filtered() {
        usize::MAX
    } else {
        limit
    };
    let batches = asking.client.batches("", most).await?;
    let wanted = batches.into_iter().filter(|batch| args.wants(&batch.read));
    let wanted: Vec<Told<Batch>> = wanted.take(limit).collect();
    if asking.voice.is_json {
        for batch in &wanted {
            print_json(&batch.json)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    print(&asking, &wanted)?;
    Ok(ExitCode::SUCCESS)
}

fn print(asking: &Asking, batches: &[Told<Batch>]) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("STATUS", Side::Left),
        ("LINES", Side::Right),
        ("OK", Side::Right),
        ("FAILED", Side::Right),
        ("MODEL", Side::Left),
        ("CREATED", Side::Left),
    ]);
    let now = asking.now();
    for Told { read: batch, .. } in batches {
        let counts = batch.counts();
        let failed = match counts.failed {
            0 => "0".into(),
            failed => Cell::toned(count(failed), Tone::Bad),
        };
        table.row(vec![
            batch.id.as_str().into(),
            Cell::toned(batch.status.as_str(), Tone::of(&batch.status)),
            count(counts.total).into(),
            count(counts.completed).into(),
            failed,
            shortened(batch.model.as_deref().unwrap_or("-"), MODEL_CHARS).into(),
            ago(batch.created_at, now).into(),
        ]);
    }
    if table.is_empty() {
        asking
            .voice
            .say("there are none; `overnight submit IN.jsonl` makes one");
        return Ok(());
    }
    table.print(asking.voice)
}
