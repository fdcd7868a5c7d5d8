//! `overnight config init`: a configuration file to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::commands::Surroundings;
use crate::config::draft::draft;
use crate::config::load::FILE_BY_DEFAULT;
use crate::lines::source::is_stdin;
use crate::show::{VoiceArgs, print, print_json};

/// The flags of `overnight config init`.
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// The file to write; one that is there is left as it is. `-` is stdout.
    #[arg(value_name = "FILE", default_value = FILE_BY_DEFAULT)]
    file: PathBuf,
    /// An inference server that the file names; several may be given.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Writes the file, unless there is one.
pub(super) fn init(args: &InitArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let text = draft(&args.upstream);
    if is_stdin(&args.file) {
        print(text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = args.file.display();
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.file);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} is there already and was left as it is; name another file")
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{shown} cannot be written"));
        }
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("{shown} cannot be written"))?;
    if voice.is_json {
        print_json(&json!({ "file": args.file }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let then = if args.upstream.is_empty() {
        "name an inference server in it under [[upstreams]], then: overnight serve"
    } else {
        "begin: overnight serve"
    };
    voice.say(&format!("wrote {shown}; {then}"));
    Ok(ExitCode::SUCCESS)
}
