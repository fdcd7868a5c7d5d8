//! `overnight backup`: a copy of everything that is kept, also while servers work on it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Damaged, Source, Taken};
use serde_json::json;

use crate::args::BackupArgs;
use crate::config::settings::Settings;
use crate::failure::FAILED;
use crate::show::text::size;
use crate::show::{insist, print_json};
use crate::wiring::metadata::on_a_server;
use crate::wiring::system;

/// Takes a backup, and says what it holds. The exit code is 1 when blobs were lost or damaged before
/// it was taken: everything else is in it all the same.
pub(super) async fn backup(
    settings: Settings,
    environment: BTreeMap<String, String>,
    args: BackupArgs,
) -> anyhow::Result<ExitCode> {
    let on_server = on_a_server(&settings, &environment).await?;
    let data = settings.data;
    let (source, shown) = if let Some(server) = &on_server {
        let (store, blobs) = (server.store.clone(), server.blobs.clone());
        (Source::Server { store, blobs }, server.place.clone())
    } else {
        let (database, blobs) = (data.join("overnight.db"), data.join("blobs"));
        let shown = data.display().to_string();
        (Source::Folder { database, blobs }, shown)
    };
    let (clock, random) = (system::clock(), system::entropy()?.draw());
    let Taken {
        label,
        new_blobs,
        new_bytes,
        damaged,
    } = backup::take(&source, &args.to, (&clock, random))
        .await
        .with_context(|| format!("no backup of {shown} was taken"))?;
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
        shown,
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
