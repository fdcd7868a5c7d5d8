//! `overnight restore`: a data folder, or an installation on a server, made of a backup.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Restored, Target};
use serde_json::json;

use super::backup::told;
use crate::args::RestoreArgs;
use crate::config::settings::Settings;
use crate::show::text::size;
use crate::show::{insist, print_json};
use crate::wiring::metadata::on_a_server;
use crate::wiring::system;

/// Brings a backup back into an empty folder, or an empty database on a server. The exit code is 1 when
/// blobs of the backup are lost or damaged: everything else is there all the same.
pub(super) async fn restore(
    settings: Settings,
    environment: BTreeMap<String, String>,
    args: RestoreArgs,
) -> anyhow::Result<ExitCode> {
    let on_server = on_a_server(&settings, &environment).await?;
    let (restored, shown) = if let Some(server) = &on_server {
        let scratch = tempfile::tempdir()?;
        let target = Target {
            store: &server.store,
            blobs: &server.blobs,
            scratch: scratch.path(),
        };
        let (clock, random) = (system::clock(), system::entropy()?.draw());
        let restored = backup::restore_to_server(&args.from, &target, (&clock, random));
        (restored.await, server.place.clone())
    } else {
        let restored = backup::restore(&args.from, &settings.data).await;
        (restored, settings.data.display().to_string())
    };
    let Restored { label, damaged } =
        restored.with_context(|| format!("{} was not restored", args.from.display()))?;
    if args.data.json {
        let damaged: Vec<&str> = damaged.iter().map(|(blob, _)| blob.as_str()).collect();
        print_json(&json!({
            "data": shown,
            "taken_at": label.taken_at,
            "blobs": label.blobs,
            "bytes": label.bytes,
            "damaged": damaged,
        }))?;
    }
    insist(&format!(
        "{} holds what was kept at {} (Unix time): {} blobs, {}",
        shown,
        label.taken_at,
        label.blobs,
        size(label.bytes),
    ));
    Ok(told(&damaged))
}
