//! `overnight files`: the files of a server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::Value;

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use super::listing::Listing;
use super::submit::{file_name, send};
use crate::client::wire::{File, Told};
use crate::lines::output::Output;
use crate::show::live::byte_bar;
use crate::show::table::{Side, Table};
use crate::show::text::{ago, shortened, size, span};
use crate::show::{Tone, print, print_json};

/// The widest that a file's name is shown.
const NAME_CHARS: usize = 40;

/// The subcommands of `overnight files`.
#[derive(Debug, clap::Args)]
pub(crate) struct FilesArgs {
    /// What to do with files.
    #[command(subcommand)]
    command: FilesCommand,
}

/// What to do with files.
#[derive(Debug, clap::Subcommand)]
enum FilesCommand {
    /// List them, newest first.
    List(ListFilesArgs),
    /// Send one, and print its id.
    Upload(UploadArgs),
    /// Show what is known of one.
    Show(OneFileArgs),
    /// Write its bytes.
    Download(DownloadArgs),
    /// Delete some.
    Delete(DeleteArgs),
}

/// The flags of `overnight files list`.
#[derive(Debug, clap::Args)]
struct ListFilesArgs {
    /// How many at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Those of one purpose alone: `batch`, `batch_output`.
    #[arg(long, value_name = "PURPOSE", value_parser = parse_purpose)]
    purpose: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// The flags of `overnight files upload`.
#[derive(Debug, clap::Args)]
struct UploadArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is for.
    #[arg(long, value_name = "PURPOSE", default_value = "batch", value_parser = parse_purpose)]
    purpose: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// The flags of `overnight files show`.
#[derive(Debug, clap::Args)]
struct OneFileArgs {
    /// The file: its id, the beginning or end of it, or @last.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// The flags of `overnight files download`.
#[derive(Debug, clap::Args)]
struct DownloadArgs {
    /// The file: its id, the beginning or end of it, or @last.
    #[arg(value_name = "ID")]
    id: String,
    /// Where it goes [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    ask: AskArgs,
}

/// The flags of `overnight files delete`.
#[derive(Debug, clap::Args)]
struct DeleteArgs {
    /// The files: ids, their beginnings or ends.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    ask: AskArgs,
}

fn parse_purpose(text: &str) -> Result<String, String> {
    let is_word = |letter: char| letter.is_ascii_lowercase() || "_-".contains(letter);
    if !text.is_empty() && text.chars().all(is_word) {
        return Ok(text.to_owned());
    }
    Err("must be a word like batch".to_owned())
}

/// Does what the command line asks for.
pub(super) async fn files(args: FilesArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    match args.command {
        FilesCommand::List(args) => list(&args.ask.ready(around)?, &args).await?,
        FilesCommand::Upload(args) => {
            let asking = args.ask.ready(around)?;
            let file = send(&asking, &args.file, file_name(&args.file), &args.purpose).await?;
            if asking.voice.is_json {
                print_json(&file.json)?;
            } else {
                print(&file.read.id)?;
            }
        }
        FilesCommand::Show(args) => show(&args.ask.ready(around)?, &args.id).await?,
        FilesCommand::Download(args) => download(&args.ask.ready(around)?, &args).await?,
        FilesCommand::Delete(args) => {
            let asking = args.ask.ready(around)?;
            for text in &args.ids {
                let id = asking.client.file_id(text).await?;
                let deleted: Value = asking.client.delete(&format!("/v1/files/{id}")).await?;
                if asking.voice.is_json {
                    print_json(&deleted)?;
                }
                asking.voice.say(&format!("{id} is deleted"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(asking: &Asking, args: &ListFilesArgs) -> anyhow::Result<()> {
    let purpose = args
        .purpose
        .as_ref()
        .map(|purpose| format!("&purpose={purpose}"));
    let most = if args.all { usize::MAX } else { args.limit };
    let table = Table::new(&[
        ("ID", Side::Left),
        ("SIZE", Side::Right),
        ("PURPOSE", Side::Left),
        ("NAME", Side::Left),
        ("CREATED", Side::Left),
    ]);
    let now = asking.now();
    let mut listing = Listing::new(asking.voice, table, most);
    let row = |file: &File| {
        vec![
            file.id.as_str().into(),
            size(file.bytes).into(),
            file.purpose.as_str().into(),
            shortened(&file.filename, NAME_CHARS).into(),
            ago(file.created_at, now).into(),
        ]
    };
    let take = |Told { read, json }: Told<File>| listing.tell(&json, || row(&read));
    let query = purpose.unwrap_or_default();
    asking.client.each_file(&query, most, take).await?;
    listing.end("there are none")
}

async fn show(asking: &Asking, text: &str) -> anyhow::Result<()> {
    let id = asking.client.file_id(text).await?;
    let file: Told<File> = asking.client.get(&format!("/v1/files/{id}")).await?;
    if asking.voice.is_json {
        return print_json(&file.json);
    }
    let (file, now) = (file.read, asking.now());
    let expires = file.expires_at;
    let expires = expires.map(|at| format!("in {}", span(at.saturating_sub(now))));
    for (name, value) in [
        ("file", file.id),
        ("name", file.filename),
        ("purpose", file.purpose),
        ("size", size(file.bytes)),
        ("created", ago(file.created_at, now)),
        ("expires", expires.unwrap_or_else(|| "never".to_owned())),
    ] {
        print(&format!(
            "{:8} {value}",
            asking.voice.paint(Tone::Faint, name)
        ))?;
    }
    Ok(())
}

async fn download(asking: &Asking, args: &DownloadArgs) -> anyhow::Result<()> {
    let id = asking.client.file_id(&args.id).await?;
    if args.output.as_ref().is_some_and(|path| path.is_dir()) {
        bail!("-o names a folder: name a file in it");
    }
    let mut output = Output::create(args.output.as_deref())?;
    let bar = byte_bar(asking.voice, "receiving", 0);
    let got = asking.client.download(&id, &mut output, &bar).await;
    bar.finish_and_clear();
    let got = got?;
    output.finish()?;
    asking.voice.detail(&format!("{id}: {}", size(got)));
    Ok(())
}
