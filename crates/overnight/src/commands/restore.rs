//! `overnight restore`: a data folder made of a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Restored};
use serde_json::json;

use super::backup::told;
use crate::args::RestoreArgs;
use crate::show::text::size;
use crate::show::{insist, print_json};

/// Brings a backup back into an empty folder. The exit code is 1 when blobs of the backup are lost or
/// damaged: everything else is there all the same.
pub(super) async fn restore(data: PathBuf, args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let Restored { label, damaged } = backup::restore(&args.from, &data)
        .await
        .with_context(|| format!("{} was not restored", args.from.display()))?;
    if args.data.json {
        let damaged: Vec<&str> = damaged.iter().map(|(blob, _)| blob.as_str()).collect();
        print_json(&json!({
            "data": data,
            "taken_at": label.taken_at,
            "blobs": label.blobs,
            "bytes": label.bytes,
            "damaged": damaged,
        }))?;
    }
    insist(&format!(
        "{} holds what was kept at {} (Unix time): {} blobs, {}",
        data.display(),
        label.taken_at,
        label.blobs,
        size(label.bytes),
    ));
    Ok(told(&damaged))
}
