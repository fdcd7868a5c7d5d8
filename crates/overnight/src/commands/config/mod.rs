//! `overnight config`: the settings that are in force, whether they hold, and a file to begin with.

mod check;
mod init;
mod show;

use std::process::ExitCode;

use self::check::CheckArgs;
use self::init::InitArgs;
use self::show::ShowArgs;
use super::Surroundings;

/// The subcommands of `overnight config`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// What to do with the settings.
    #[command(subcommand)]
    command: ConfigCommand,
}

/// What to do with the settings.
#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Show every setting that is in force, and where each came from.
    Show(Box<ShowArgs>),
    /// Say whether the settings hold, or all that is wrong with them.
    Check(Box<CheckArgs>),
    /// Write a configuration file that explains every setting, all as comments.
    Init(InitArgs),
}

/// Does what the command line asks for.
pub(super) fn config(args: ConfigArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    match args.command {
        ConfigCommand::Show(args) => show::show(&args, around),
        ConfigCommand::Check(args) => check::check(&args, around),
        ConfigCommand::Init(args) => init::init(&args, &around),
    }
}
