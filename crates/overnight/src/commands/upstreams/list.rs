//! `overnight upstreams list`: the inference servers of a running server.

use std::process::ExitCode;

use crate::client::wire::{Page, Told, Upstream};
use crate::commands::Surroundings;
use crate::commands::asking::AskArgs;
use crate::show::table::{Cell, Side, Table};
use crate::show::text::{count, shortened};
use crate::show::{Tone, print_json};

/// The widest that names of models, and reasons, are shown.
const TEXT_CHARS: usize = 48;

/// Prints how each upstream is.
pub(super) async fn list(ask: &AskArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = ask.ready(around)?;
    let list: Page<Told<Upstream>> = asking.client.get("/admin/upstreams").await?;
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("HEALTH", Side::Left),
        ("IN FLIGHT", Side::Right),
        ("LIMIT", Side::Right),
        ("URL", Side::Left),
        ("MODELS", Side::Left),
        ("REASON", Side::Left),
    ]);
    for Told { read, json } in &list.data {
        if asking.voice.is_json {
            print_json(json)?;
        }
        let models = if read.any_model {
            "any".to_owned()
        } else {
            read.models.join(", ")
        };
        let reason = read.reason.as_deref().unwrap_or_default();
        table.row(vec![
            read.name.as_str().into(),
            Cell::toned(read.health.as_str(), Tone::of(&read.health)),
            count(read.in_flight).into(),
            count(read.limit).into(),
            read.url.as_str().into(),
            shortened(&models, TEXT_CHARS).into(),
            shortened(reason, TEXT_CHARS).into(),
        ]);
    }
    if !asking.voice.is_json {
        table.print(asking.voice)?;
    }
    Ok(ExitCode::SUCCESS)
}
