//! `overnight upstreams`: the inference servers, of a running server or of the settings.

mod list;
mod look;
mod request;
mod test;

use std::process::ExitCode;

pub(super) use self::look::{Depth, look};
use self::test::TestArgs;
use super::Surroundings;
use super::asking::AskArgs;

/// The subcommands of `overnight upstreams`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpstreamsArgs {
    /// What to do with upstreams.
    #[command(subcommand)]
    command: UpstreamsCommand,
}

/// What to do with upstreams.
#[derive(Debug, clap::Subcommand)]
enum UpstreamsCommand {
    /// Show how each is: health, requests in flight, limit, models. Needs a key with the role `admin`.
    List(AskArgs),
    /// Try those of the settings from here: name, connection, certificate, models, one request, gauges.
    Test(TestArgs),
}

/// Does what the command line asks for.
pub(super) async fn upstreams(
    args: UpstreamsArgs,
    around: Surroundings,
) -> anyhow::Result<ExitCode> {
    match args.command {
        UpstreamsCommand::List(ask) => list::list(&ask, &around).await,
        UpstreamsCommand::Test(args) => test::test(args, around).await,
    }
}
