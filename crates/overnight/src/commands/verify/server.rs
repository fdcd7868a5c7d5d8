//! Checks everything that an installation on a server holds, also while it is worked on.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use overnight_store::verify::{self, Finding};

use super::folder::{conclude, tell};
use crate::config::settings::Settings;
use crate::wiring::metadata::on_a_server;
use crate::wiring::system;

/// Prints what is wrong, one finding a line; the exit code is 1 when anything is.
pub(super) async fn verify(
    settings: Settings,
    environment: BTreeMap<String, String>,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    let Some(server) = on_a_server(&settings, &environment).await? else {
        bail!("there is no database on a server: name one with `--store`");
    };
    let scratch = tempfile::tempdir()?;
    let (clock, random) = (system::clock(), system::entropy()?.draw());
    let mut told = Ok(());
    let mut tell = |finding: Finding| {
        if told.is_ok() {
            told = tell(&finding, is_json);
        }
    };
    let place = (&server.store, &server.blobs);
    let looked = verify::verify_on_server(place, scratch.path(), (&clock, random), &mut tell).await;
    let summary = looked.context("not everything could be looked at")?;
    told?;
    conclude(&server.place, &summary, is_json)
}
