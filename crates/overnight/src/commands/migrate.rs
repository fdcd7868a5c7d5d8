//! `overnight migrate`: what a data folder holds, moved to a database on a server.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_store::backup::{self, Moved, Target};
use serde_json::json;

use super::backup::told;
use crate::args::MigrateArgs;
use crate::config::settings::Settings;
use crate::failure::UsageError;
use crate::show::text::size;
use crate::show::{insist, print_json};
use crate::wiring::metadata::on_a_server;
use crate::wiring::system;

/// Moves everything, and says what came over. The exit code is 1 when blobs of the folder are lost or
/// damaged: everything else is there all the same.
pub(super) async fn migrate(
    settings: Settings,
    environment: BTreeMap<String, String>,
    args: MigrateArgs,
) -> anyhow::Result<ExitCode> {
    let Some(server) = on_a_server(&settings, &environment).await? else {
        let text = "say where to: `--to postgres://USER@HOST/DATABASE s3://BUCKET/PREFIX`";
        return Err(UsageError(text.to_owned()).into());
    };
    let scratch = tempfile::tempdir()?;
    let target = Target {
        store: &server.store,
        blobs: &server.blobs,
        scratch: scratch.path(),
    };
    let (clock, random) = (system::clock(), system::entropy()?.draw());
    let from = args.from.display();
    let moved = backup::migrate(&args.from, &target, (&clock, random));
    let Moved {
        blobs,
        bytes,
        new_blobs,
        new_bytes,
        was_there,
        damaged,
    } = moved.await.with_context(|| {
        format!("{from} was not moved; the same command goes on where this one ended")
    })?;
    if args.json {
        let damaged: Vec<&str> = damaged.iter().map(|(blob, _)| blob.as_str()).collect();
        print_json(&json!({
            "from": args.from,
            "to": server.place,
            "blobs": blobs,
            "bytes": bytes,
            "new_blobs": new_blobs,
            "new_bytes": new_bytes,
            "was_there": was_there,
            "damaged": damaged,
        }))?;
    }
    let already = if was_there { " (it did before)" } else { "" };
    insist(&format!(
        "{} holds what {from} holds{already}: {blobs} blobs, {} ({new_blobs} new, {})",
        server.place,
        size(bytes),
        size(new_bytes),
    ));
    insist(&format!(
        "serve {from} no more: its open batches go on where they are now"
    ));
    Ok(told(&damaged))
}
