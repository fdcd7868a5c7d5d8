//! `overnight backup`: a copy of the data folder, also while a server works on it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Damaged, Source, Taken};
use serde_json::json;

use super::{print_json, say, size};
use crate::args::BackupArgs;
use crate::failure::FAILED;
use crate::wiring::system;

/// Takes a backup, and says what it holds. The exit code is 1 when blobs were lost or damaged before
/// it was taken: everything else is in it all the same.
pub(super) async fn backup(data: PathBuf, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let source = Source {
        database: data.join("overnight.db"),
        blobs: data.join("blobs"),
    };
    let (clock, random) = (system::clock(), system::entropy()?.draw());
    let Taken {
        manifest,
        new_blobs,
        new_bytes,
        damaged,
    } = backup::take(&source, &args.to, (&clock, random))
        .await
        .with_context(|| format!("no backup of {} was taken", data.display()))?;
    if args.data.json {
        print_json(&json!({
            "backup": args.to,
            "taken_at": manifest.taken_at,
            "blobs": manifest.blobs,
            "bytes": manifest.bytes,
            "new_blobs": new_blobs,
            "new_bytes": new_bytes,
            "damaged": manifest.damaged,
        }))?;
    }
    say(&format!(
        "{} is a backup of {}: {} blobs, {} ({new_blobs} new, {})",
        args.to.display(),
        data.display(),
        manifest.blobs,
        size(manifest.bytes),
        size(new_bytes),
    ));
    Ok(told(&damaged))
}

/// Names what is lost or damaged.
pub(super) fn told(damaged: &[Damaged]) -> ExitCode {
    for (blob, why) in damaged {
        say(&format!("damaged: {blob}: {why}; it is left out"));
    }
    if damaged.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}
