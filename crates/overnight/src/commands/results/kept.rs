//! All results of a batch, kept on this machine's disk while something is made of them.

use anyhow::Context as _;
use tempfile::TempDir;

use super::fetch;
use crate::client::download::Which;
use crate::client::wire::Batch;
use crate::commands::asking::Asking;
use crate::lines::found::Found;
use crate::lines::output::Output;

/// Answers and failures.
pub(super) struct Kept {
    /// Where each result is.
    pub(super) found: Found,
    /// The folder that they lie in; it goes with this.
    pub(super) folder: TempDir,
}

/// Brings what there is of both result files.
pub(super) async fn bring(asking: &Asking, batch: &Batch) -> anyhow::Result<Kept> {
    let folder = tempfile::tempdir().context("there is no temporary folder for the results")?;
    let mut found = Found::default();
    for (which, name) in [(Which::Output, "output"), (Which::Errors, "errors")] {
        let path = folder.path().join(name);
        let mut kept = Output::create(Some(&path))?;
        fetch(asking, batch, which, &mut kept).await?;
        kept.finish()?;
        found.read(&path)?;
    }
    Ok(Kept { found, folder })
}
