//! `overnight submit`: an input file to a batch, in one step.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::asking::{AskArgs, Asking, random_name};
use super::pairs::parse_note;
use super::{Surroundings, check, watch};
use crate::client::upload::Sending;
use crate::client::wire::{Batch, File, NewBatch, Told};
use crate::failure::INPUT_REFUSED;
use crate::lines::source::{each_piece, is_stdin};
use crate::show::insist;
use crate::show::live::byte_bar;
use crate::show::text::{counted, size};

/// The flags of `overnight submit`.
#[derive(Debug, clap::Args)]
pub(crate) struct SubmitArgs {
    /// The file of requests; `-` is stdin.
    #[arg(value_name = "IN.jsonl")]
    file: PathBuf,
    /// The endpoint of the batch; `auto` takes that of the first line.
    #[arg(long, value_name = "PATH", default_value = "auto")]
    endpoint: String,
    /// A note that the batch keeps; several may be given.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_note)]
    metadata: Vec<(String, String)>,
    /// How long the batch may take; the server says which windows it has.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    window: String,
    /// Send the file without checking it here first; the server checks it in any case.
    #[arg(long)]
    no_check: bool,
    /// Wait until the batch has ended; the exit code says how.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Checks, sends, and begins the batch; prints its id alone.
pub(super) async fn submit(args: SubmitArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let held = is_stdin(&args.file).then(hold_stdin).transpose()?;
    let path = held
        .as_ref()
        .map_or(args.file.as_path(), NamedTempFile::path);
    let endpoint = check::endpoint(&args.endpoint, path)?;
    if !args.no_check && !check::passes(path, &endpoint, asking.voice)? {
        insist("nothing was sent");
        return Ok(ExitCode::from(INPUT_REFUSED));
    }
    let name = match &held {
        Some(_) => "stdin.jsonl".to_owned(),
        None => file_name(path),
    };
    let file = send(&asking, path, name, "batch").await?;
    let new = NewBatch {
        input_file_id: &file.read.id,
        endpoint: endpoint.as_str(),
        completion_window: &args.window,
        metadata: args.metadata.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    let batch: Told<Batch> = asking
        .client
        .post_once("/v1/batches", &new, &random_name()?)
        .await?;
    watch::begun(&asking, batch, args.wait).await
}

/// Sends a file, showing how it gets on.
pub(super) async fn send(
    asking: &Asking,
    path: &Path,
    name: String,
    purpose: &str,
) -> anyhow::Result<Told<File>> {
    let bytes = path.metadata().map_or(0, |there| there.len());
    let bar = byte_bar(asking.voice, "sending", bytes);
    let sending = Sending {
        path,
        name,
        purpose,
        boundary: random_name()?,
        bar: bar.clone(),
    };
    let sent = asking.client.upload(&sending).await;
    bar.finish_and_clear();
    let file = sent.with_context(|| format!("{} was not sent", path.display()))?;
    asking.voice.detail(&format!(
        "{} is {} at {}, {}",
        file.read.filename,
        file.read.id,
        asking.client.server(),
        size(file.read.bytes)
    ));
    Ok(file)
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Keeps what comes over stdin, since its size has to be known before it is sent.
fn hold_stdin() -> anyhow::Result<NamedTempFile> {
    let mut held = NamedTempFile::new().context("stdin cannot be kept in the temporary folder")?;
    let mut bytes = 0_u64;
    each_piece(Path::new(crate::lines::source::STDIN), |piece| {
        bytes += piece.len() as u64;
        held.write_all(piece).map_err(|error: io::Error| {
            let kept = counted(bytes, "byte");
            anyhow::Error::new(error).context(format!("{kept} of stdin cannot be kept"))
        })
    })?;
    Ok(held)
}
