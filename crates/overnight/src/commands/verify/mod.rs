//! `overnight verify`: whether nothing was lost, in all that is kept, in a batch or between files.

mod batch;
mod files;
mod folder;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use super::asking::AskArgs;
use super::{Surroundings, block_on, settings};
use crate::args::DataArgs;
use crate::client::target::ServerArgs;
use crate::failure::UsageError;
use crate::show::VoiceArgs;

/// The flags of `overnight verify`. A backup is verified when it is named as the data folder.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// An input, its output file and, if there is one, its error file: every id of the input must be in one of
    /// them, once; the missing ones are printed. Or the id of a batch, whose results its server proves to be
    /// complete. With neither everything that is kept is checked.
    #[arg(value_name = "IN OUT [ERRORS] | ID", num_args = 0..=3)]
    what: Vec<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Checks what the command line names.
pub(super) fn verify(args: VerifyArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let is_json = args.data.json;
    let voice = VoiceArgs {
        json: is_json,
        quiet: false,
        verbose: false,
    };
    match args.what.as_slice() {
        [] => {
            let settings = settings(&args.data, &around.environment)?;
            if settings.store.is_some() {
                return block_on(server::verify(settings, around.environment, is_json));
            }
            block_on(folder::verify(settings.data, is_json))
        }
        [input, results @ ..] if !results.is_empty() => {
            files::verify(input, results, voice.voice(&around.environment))
        }
        [file, ..] if file.exists() => {
            let text = "name the results as well: `overnight verify IN.jsonl OUT.jsonl \
                        [ERRORS.jsonl]`; for a data folder say `--data FOLDER`";
            Err(UsageError(text.to_owned()).into())
        }
        [id, ..] => {
            let id = id.display().to_string();
            let ask = AskArgs::new(args.server, voice);
            block_on(async move { batch::verify(ask.ready(&around)?, &id).await })
        }
    }
}
