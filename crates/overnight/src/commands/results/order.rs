//! Results in the order of the input. They are kept on the disk meanwhile, and of each some 40 bytes in memory.

use std::path::Path;

use anyhow::Context as _;

use super::kept::{Kept, bring};
use crate::client::wire::Batch;
use crate::commands::asking::Asking;
use crate::lines::ids::{LineId, id_of};
use crate::lines::output::Output;
use crate::lines::source::each_line;
use crate::show::live::byte_bar;

/// Writes answers and failures as their lines stand in the input.
pub(super) async fn write(
    asking: &Asking,
    batch: &Batch,
    output: &mut Output,
) -> anyhow::Result<u64> {
    let Kept { found, folder } = bring(asking, batch).await?;
    let input = folder.path().join("input");
    fetch_input(asking, batch, &input).await?;
    let mut bytes = 0;
    each_line(&input, |line| {
        let found_line = id_of(line.bytes).and_then(|id| found.get(LineId::of(&id)));
        let Some(found_line) = found_line else {
            return Ok(());
        };
        let result = found.bytes(found_line)?;
        bytes += result.len() as u64 + 1;
        output.put_line(&result)
    })?;
    Ok(bytes)
}

/// Brings the input of the batch.
async fn fetch_input(asking: &Asking, batch: &Batch, path: &Path) -> anyhow::Result<()> {
    let bar = byte_bar(asking.voice, "receiving", 0);
    let mut input = Output::create(Some(path))?;
    let fetched = asking
        .client
        .download(&batch.input_file_id, &mut input, &bar)
        .await;
    bar.finish_and_clear();
    fetched.context("the input file is gone, and with it the order of its lines")?;
    input.finish()
}
