//! Asks a server to prove that the results of a batch are complete and whole.

use std::process::ExitCode;

use serde::Deserialize;

use crate::client::wire::Told;
use crate::commands::asking::Asking;
use crate::failure::FAILED;
use crate::show::text::{count, counted};
use crate::show::{insist, print, print_json};

/// What a server answers.
#[derive(Debug, Deserialize)]
struct Verification {
    valid: bool,
    total: u64,
    completed: u64,
    failed: u64,
    problems: Vec<String>,
}

/// Prints what is wrong; the exit code is 1 when anything is.
pub(super) async fn verify(asking: Asking, text: &str) -> anyhow::Result<ExitCode> {
    let id = asking.client.batch_id(text).await?;
    let told: Told<Verification> = asking
        .client
        .get(&format!("/v1/batches/{id}/verify"))
        .await?;
    let found = told.read;
    if asking.voice.is_json {
        print_json(&told.json)?;
    } else {
        found
            .problems
            .iter()
            .try_for_each(|problem| print(problem))?;
    }
    if found.valid {
        asking.voice.say(&format!(
            "{id} is sound: {} of {} ok, {} failed, each there once",
            count(found.completed),
            counted(found.total, "line"),
            count(found.failed),
        ));
        return Ok(ExitCode::SUCCESS);
    }
    insist(&format!("{id} is not sound"));
    Ok(ExitCode::from(FAILED))
}
