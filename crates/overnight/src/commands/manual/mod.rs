//! `overnight manual`: the reference of the command line, as pages for `man` or as one document, and that of
//! the HTTP API.

mod markdown;
mod routes;
mod shapes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};

use super::Surroundings;
use crate::args::Args;
use crate::lines::output::Output;
use crate::show::VoiceArgs;
use crate::show::text::counted;

/// The flags of `overnight manual`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManualArgs {
    /// A folder for a page of each command, such as /usr/local/share/man/man1; without it the page of
    /// `overnight` itself, or the document, goes to stdout.
    #[arg(long, value_name = "FOLDER", conflicts_with = "markdown")]
    to: Option<PathBuf>,
    /// One document in Markdown.
    #[arg(long)]
    markdown: bool,
    /// The routes of the HTTP API in the place of the commands, as one document in Markdown.
    #[arg(long, conflicts_with_all = ["to", "markdown"])]
    api: bool,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Writes the manual.
pub(super) fn manual(args: &ManualArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let mut command = Args::command();
    command.build();
    if let Some(folder) = &args.to {
        let cannot = || format!("{} cannot be written", folder.display());
        fs::create_dir_all(folder).with_context(cannot)?;
        let pages = write_pages(&command, "", folder)?;
        let voice = args.voice.voice(&around.environment);
        voice.say(&format!(
            "wrote {} to {}",
            counted(pages, "page"),
            folder.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = Output::create(None)?;
    if args.api {
        output.put(routes::document(&overnight_api::default_description()).as_bytes())?;
    } else if args.markdown {
        output.put(markdown::document(&command).as_bytes())?;
    } else {
        output.put(&page(&command)?)?;
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages of a command and of those below it; answers how many.
fn write_pages(command: &Command, above: &str, folder: &Path) -> anyhow::Result<u64> {
    let name = format!("{above}{}", command.get_name());
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let mut pages = 1;
    for below in visible(command) {
        pages += write_pages(below, &format!("{name}-"), folder)?;
    }
    Ok(pages)
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// The commands below one, but for the help that every one has.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|below| below.get_name() != "help" && !below.is_hide_set())
}
