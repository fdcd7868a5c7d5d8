//! `overnight cancel`: ends batches early; what has ended is kept.

use std::process::ExitCode;

use serde_json::json;

use super::asking::AskArgs;
use super::{Surroundings, watch};
use crate::client::wire::{Batch, Told};
use crate::show::text::{count, counted};

/// The flags of `overnight cancel`.
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// The batches: ids, their beginnings or ends, or @last.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Wait until they have ended.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Cancels the batches, and prints their ids.
pub(super) async fn cancel(args: CancelArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let mut ids = Vec::new();
    for text in &args.ids {
        ids.push(asking.client.batch_id(text).await?);
    }
    for id in &ids {
        let path = format!("/v1/batches/{id}/cancel");
        let batch: Told<Batch> = asking.client.post(&path, &json!({})).await?;
        asking.print_batch(&batch)?;
        let counts = batch.read.counts();
        asking.voice.say(&format!(
            "{id} {}: {} of {} have ended and are kept",
            batch.read.status,
            count(counts.completed + counts.failed),
            counted(counts.total, "line"),
        ));
    }
    if args.wait {
        return watch::until_ended(&asking, ids, watch::Code::OfWatching).await;
    }
    Ok(ExitCode::SUCCESS)
}
