//! `overnight pause` and `overnight resume`: stops sending the lines of a batch, and goes on.

use std::process::ExitCode;

use serde_json::json;

use super::Surroundings;
use super::asking::AskArgs;
use crate::client::wire::{Batch, Told};
use crate::show::text::{count, counted};

/// The flags of `overnight pause` and `overnight resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// The batches: ids, their beginnings or ends, or @last.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing new is sent; what is in flight lands.
    Pause,
    /// Lines are sent again.
    Resume,
}

/// Does it to the batches, and prints their ids.
pub(super) async fn pause(
    args: PauseArgs,
    wish: Wish,
    around: &Surroundings,
) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    for text in &args.ids {
        let id = asking.client.batch_id(text).await?;
        let (word, done) = match wish {
            Wish::Pause => ("pause", "is paused; `overnight resume` goes on"),
            Wish::Resume => ("resume", "goes on"),
        };
        let path = format!("/v1/batches/{id}/{word}");
        let batch: Told<Batch> = asking.client.post(&path, &json!({})).await?;
        asking.print_batch(&batch)?;
        let counts = batch.read.counts();
        asking.voice.say(&format!(
            "{id} {done}: {} of {} have ended",
            count(counts.completed + counts.failed),
            counted(counts.total, "line"),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
