//! `overnight list`: the batches of a server, newest first.
//!
//! The server looks for statuses and texts; what else is asked for is looked for here, page after page, and
//! told as it is found. So a list of any length takes the memory of a page.

mod since;

use std::ops::ControlFlow;
use std::process::ExitCode;

use self::since::Since;
use super::Surroundings;
use super::asking::AskArgs;
use super::errors::in_query;
use super::listing::Listing;
use super::pairs::parse_note;
use crate::client::wire::{Batch, OPEN_STATUSES, Told};
use crate::show::Tone;
use crate::show::table::{Cell, Side, Table};
use crate::show::text::{ago, count, shortened};

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
    /// Those alone that have this in their id, in a value of their metadata or in the name of their input file.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those of this model alone.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Those alone whose metadata has this; of several all.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_note)]
    tag: Vec<(String, String)>,
    /// Those alone that were made since: so long ago (`90m`, `24h`, `7d`), or on a day (`2026-01-31`, in UTC).
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    #[command(flatten)]
    ask: AskArgs,
}

impl ListArgs {
    /// What the server looks for.
    fn query(&self) -> String {
        let statuses = if self.active {
            OPEN_STATUSES.join(",")
        } else {
            self.status.join(",")
        };
        let status = Some(statuses).filter(|statuses| !statuses.is_empty());
        let asked = [("status", status), ("search", self.search.clone())];
        let asked = asked
            .into_iter()
            .filter_map(|(name, value)| Some(format!("&{name}={}", in_query(&value?))));
        asked.collect()
    }

    /// Whether a batch is asked for, as far as that is looked for here.
    fn wants(&self, batch: &Batch) -> bool {
        let has_model = |model: &String| batch.model.as_ref() == Some(model);
        let notes = batch.metadata.as_ref();
        let has_tag = |(key, value): &(String, String)| {
            notes.is_some_and(|notes| notes.get(key) == Some(value))
        };
        self.model.as_ref().is_none_or(has_model) && self.tag.iter().all(has_tag)
    }
}

/// Prints the batches.
pub(super) async fn list(args: ListArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let now = asking.now();
    let since = args.since.map(|since| since.seconds(now));
    let wanted = if args.all { usize::MAX } else { args.limit };
    // What is passed over here has to be looked through.
    let passes_over = args.model.is_some() || !args.tag.is_empty();
    let most = if passes_over { usize::MAX } else { wanted };
    let mut listing = Listing::new(asking.voice, table(), wanted);
    let take = |Told { read: batch, json }: Told<Batch>| {
        // They come newest first.
        if since.is_some_and(|since| batch.created_at < since) {
            return Ok(ControlFlow::Break(()));
        }
        if !args.wants(&batch) {
            return Ok(ControlFlow::Continue(()));
        }
        listing.tell(&json, || row(&batch, now))
    };
    asking.client.each_batch(&args.query(), most, take).await?;
    listing.end("there are none; `overnight submit IN.jsonl` makes one")?;
    Ok(ExitCode::SUCCESS)
}

fn table() -> Table {
    Table::new(&[
        ("ID", Side::Left),
        ("STATUS", Side::Left),
        ("LINES", Side::Right),
        ("OK", Side::Right),
        ("FAILED", Side::Right),
        ("MODEL", Side::Left),
        ("CREATED", Side::Left),
    ])
}

fn row(batch: &Batch, now: u64) -> Vec<Cell> {
    let counts = batch.counts();
    let failed = match counts.failed {
        0 => "0".into(),
        failed => Cell::toned(count(failed), Tone::Bad),
    };
    vec![
        batch.id.as_str().into(),
        Cell::toned(batch.status.as_str(), Tone::of(&batch.status)),
        count(counts.total).into(),
        count(counts.completed).into(),
        failed,
        shortened(batch.model.as_deref().unwrap_or("-"), MODEL_CHARS).into(),
        ago(batch.created_at, now).into(),
    ]
}
