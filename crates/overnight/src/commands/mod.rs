//! What each command does.

mod backup;
mod config;
mod key;
mod restore;
mod run;
mod serve;
mod sim;
mod verify;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::args::{Command, ConfigCommand, DataArgs, KeyCommand};
use crate::config::load::{Sources, load};
use crate::wiring::logs;

/// Reads the settings, and does what the command line asks for.
///
/// # Errors
///
/// What went wrong, for a person; [`crate::failure::tell`] knows the exit code.
pub(crate) fn start(
    command: Command,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let sources = Sources {
                flags: args.flags(),
                environment,
                file: args.config,
            };
            let loaded = load(&sources)?;
            logs::start(&loaded.settings.log, logs::To::Stderr);
            block_on(serve::serve(loaded.settings, sources.environment))
        }
        Command::Run(args) => {
            let sources = Sources {
                flags: args.flags(),
                environment,
                file: args.config.clone(),
            };
            let loaded = load(&sources)?;
            block_on(run::run(args, loaded, sources.environment))
        }
        Command::Sim(args) => {
            let sources = Sources {
                flags: args.flags(),
                environment,
                file: args.config.clone(),
            };
            let loaded = load(&sources)?;
            logs::start(&loaded.settings.log, logs::To::Stderr);
            block_on(sim::sim(args.listen, loaded.settings.sim.0))
        }
        Command::Backup(args) => {
            let data = data(&args.data, environment)?;
            block_on(backup::backup(data, args))
        }
        Command::Restore(args) => {
            let data = data(&args.data, environment)?;
            block_on(restore::restore(data, args))
        }
        Command::Verify(args) => {
            let data = data(&args.data, environment)?;
            block_on(verify::verify(data, args))
        }
        Command::Key(args) => match args.command {
            KeyCommand::New(args) => key::new(args),
        },
        Command::Config(args) => match args.command {
            ConfigCommand::Check { config } => {
                let loaded = load(&Sources {
                    flags: Vec::new(),
                    environment,
                    file: config,
                })?;
                config::check(&loaded)
            }
        },
    }
}

/// Where the data folder is, by the same settings as those of the server.
fn data(args: &DataArgs, environment: BTreeMap<String, String>) -> anyhow::Result<PathBuf> {
    let loaded = load(&Sources {
        flags: args.flags(),
        environment,
        file: args.config.clone(),
    })?;
    Ok(loaded.settings.data.clone())
}

/// Prints a JSON value as one line.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    Ok(writeln!(stdout)?)
}

/// Says something to whoever started the command.
fn say(text: &str) {
    // When there is nobody to tell, the exit code is all there is.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// How many threads work on the disk. Each keeps what it has allocated for a while, so hundreds of them would
/// hold hundreds of megabytes; a disk is busy with a few.
const BLOCKING_THREADS: usize = 8;

/// Runs a command to its end. Work that is still going on then (a second Ctrl-C) is left behind: everything
/// that must survive is on the disk already.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
