//! `overnight restore`: a data folder made of a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Restored};
use serde_json::json;

use super::backup::told;
use super::{print_json, say, size};
use crate::args::RestoreArgs;

/// Brings a backup back into an empty folder. The exit code is 1 when blobs of the backup are lost or
/// damaged: everything else is there all the same.
pub(super) async fn restore(data: PathBuf, args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let Restored { manifest, damaged } = backup::restore(&args.from, &data)
        .await
        .with_context(|| format!("{} was not restored", args.from.display()))?;
    if args.data.json {
        let damaged: Vec<&str> = damaged.iter().map(|(blob, _)| blob.as_str()).collect();
        print_json(&json!({
            "data": data,
            "taken_at": manifest.taken_at,
            "blobs": manifest.blobs,
            "bytes": manifest.bytes,
            "damaged": damaged,
        }))?;
    }
    say(&format!(
        "{} holds what was kept at {} (Unix time): {} blobs, {}",
        data.display(),
        manifest.taken_at,
        manifest.blobs,
        size(manifest.bytes),
    ));
    Ok(told(&damaged))
}
