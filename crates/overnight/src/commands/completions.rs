//! `overnight completions`: what shells need to complete commands and flags.

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::lines::output::told;

/// The flags of `overnight completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "overnight", &mut script);
    std::io::stdout().lock().write_all(&script).map_err(told)?;
    Ok(ExitCode::SUCCESS)
}
