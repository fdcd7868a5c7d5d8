//! What each command does.

mod asking;
mod backup;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod errors;
pub(crate) mod files;
mod key;
pub(crate) mod list;
mod listing;
pub(crate) mod manual;
pub(crate) mod merge;
mod migrate;
mod pairs;
pub(crate) mod pause;
mod report;
mod restore;
pub(crate) mod results;
pub(crate) mod retry;
mod run;
pub(crate) mod sample;
mod serve;
pub(crate) mod show;
mod sim;
pub(crate) mod split;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod upstreams;
pub(crate) mod verify;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;

use self::pause::Wish;
use crate::args::{Command, DataArgs, KeyCommand, Tool};
use crate::config::load::{Sources, load};
use crate::config::settings::Settings;
use crate::wiring::logs;

/// What a command is given besides its flags.
pub(crate) struct Surroundings {
    /// The environment of the process.
    pub(crate) environment: BTreeMap<String, String>,
}

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
            let sources = args.sources(environment);
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
            let settings = settings(&args.data, &environment)?;
            block_on(backup::backup(settings, environment, args))
        }
        Command::Restore(args) => {
            let settings = settings(&args.data, &environment)?;
            block_on(restore::restore(settings, environment, args))
        }
        Command::Migrate(args) => {
            let sources = Sources {
                flags: args.flags(),
                environment,
                file: args.config.clone(),
            };
            let settings = load(&sources)?.settings;
            block_on(migrate::migrate(settings, sources.environment, args))
        }
        Command::Key(args) => match args.command {
            KeyCommand::New(args) => key::new(args),
        },
        Command::Tool(tool) => start_tool(tool, Surroundings { environment }),
    }
}

/// Does what needs no settings of a server: works on files, or asks a server that runs.
fn start_tool(tool: Tool, around: Surroundings) -> anyhow::Result<ExitCode> {
    match tool {
        Tool::Submit(args) => block_on(submit::submit(args, &around)),
        Tool::Watch(args) => block_on(watch::watch(args, &around)),
        Tool::List(args) => block_on(list::list(args, &around)),
        Tool::Show(args) => block_on(show::show(args, &around)),
        Tool::Results(args) => block_on(results::results(args, &around)),
        Tool::Errors(args) => block_on(errors::errors(args, &around)),
        Tool::RetryFailed(args) => block_on(retry::retry(args, &around)),
        Tool::Pause(args) => block_on(pause::pause(args, Wish::Pause, &around)),
        Tool::Resume(args) => block_on(pause::pause(args, Wish::Resume, &around)),
        Tool::Cancel(args) => block_on(cancel::cancel(args, &around)),
        Tool::Delete(args) => block_on(delete::delete(args, &around)),
        Tool::Files(args) => block_on(files::files(args, &around)),
        Tool::Upstreams(args) => block_on(upstreams::upstreams(args, around)),
        Tool::Check(args) => check::check(&args, &around),
        Tool::Stats(args) => stats::stats(&args, &around),
        Tool::Split(args) => split::split(&args, &around),
        Tool::Merge(args) => merge::merge(&args, &around),
        Tool::Sample(args) => sample::sample(&args, &around),
        Tool::Convert(args) => convert::convert(&args, &around),
        Tool::Verify(args) => verify::verify(args, around),
        Tool::Doctor(args) => block_on(doctor::doctor(args, around)),
        Tool::Config(args) => config::config(args, around),
        Tool::Completions(args) => completions::completions(&args),
        Tool::Manual(args) => manual::manual(&args, &around),
    }
}

/// Where everything is kept, by the same settings as those of the server.
fn settings(args: &DataArgs, environment: &BTreeMap<String, String>) -> anyhow::Result<Settings> {
    let loaded = load(&Sources {
        flags: args.flags(),
        environment: environment.clone(),
        file: args.config.clone(),
    })?;
    Ok(loaded.settings)
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
