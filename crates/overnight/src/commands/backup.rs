//! `overnight backup`: a copy of the data folder, also while a server works on it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Damaged, Source, Taken};
use serde_json::json;

use crate::args::BackupArgs;
use crate::failure::FAILED;
use crate::show::text::size;
use crate::show::{insist, print_json};
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
        label,
        new_blobs,
        new_bytes,
        damaged,
    } = backup::take(&source, &args.to, (&clock, random))
        .await
        .with_context(|| format!("no backup of {} was taken", data.display()))?;
    if args.data.json {
        print_json(&json!({
            "backup": args.to,
            "taken_at": label.taken_at,
            "blobs": label.blobs,
            "bytes": label.bytes,
            "new_blobs": new_blobs,
            "new_bytes": new_bytes,
            "damaged": label.damaged,
        }))?;
    }
    insist(&format!(
        "{} is a backup of {}: {} blobs, {} ({new_blobs} new, {})",
        args.to.display(),
        data.display(),
        label.blobs,
        size(label.bytes),
        size(new_bytes),
    ));
    Ok(told(&damaged))
}

/// Names what is lost or damaged.
pub(super) fn told(damaged: &[Damaged]) -> ExitCode {
    for (blob, why) in damaged {
        insist(&format!("damaged: {blob}: {why}; it is left out"));
    }
    if damaged.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}
