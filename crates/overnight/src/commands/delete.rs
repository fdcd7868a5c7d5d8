//! `overnight delete`: removes batches that have ended, with their results.

use std::process::ExitCode;

use serde_json::Value;

use super::Surroundings;
use super::asking::AskArgs;
use crate::show::print_json;

/// The flags of `overnight delete`.
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The batches: ids, their beginnings or ends. What still runs is to be cancelled first.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Deletes the batches.
pub(super) async fn delete(args: DeleteArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    for text in &args.ids {
        let id = asking.client.batch_id(text).await?;
        let deleted: Value = asking.client.delete(&format!("/v1/batches/{id}")).await?;
        if asking.voice.is_json {
            print_json(&deleted)?;
        }
        asking
            .voice
            .say(&format!("{id} is deleted, with its results"));
    }
    Ok(ExitCode::SUCCESS)
}
