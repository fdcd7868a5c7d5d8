//! `overnight upstreams test`: whether the inference servers would do what batches need, from this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use super::look::{Depth, look};
use crate::commands::Surroundings;
use crate::commands::report::Report;
use crate::config::load::{Sources, load};
use crate::config::upstreams::UpstreamSection;
use crate::failure::UsageError;
use crate::show::VoiceArgs;

/// The flags of `overnight upstreams test`.
#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// Those to try: addresses, or names of the settings, from which keys and certificates are taken then
    /// [default: all of the settings].
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// The configuration file [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send no request: ask for models and gauges alone.
    #[arg(long)]
    no_request: bool,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Tries each; the exit code is 1 when one does not do.
pub(super) async fn test(args: TestArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let sources = Sources {
        flags: Vec::new(),
        environment: around.environment,
        file: args.config,
    };
    let mut settings = load(&sources)?.settings;
    if !args.urls.is_empty() {
        let known = &settings.upstreams.0;
        let chosen = args.urls.iter().map(|url| {
            let is_meant =
                |own: &&UpstreamSection| own.url.0 == *url || own.name.as_deref() == Some(url);
            let own = known.iter().find(is_meant).cloned();
            own.unwrap_or_else(|| UpstreamSection::at(url))
        });
        settings.upstreams.0 = chosen.collect();
    }
    if settings.upstreams.0.is_empty() {
        let text = "there is no upstream in the settings: name one, such as \
                    `overnight upstreams test http://localhost:8000`";
        return Err(UsageError(text.to_owned()).into());
    }
    let mut report = Report::new(voice);
    let depth = Depth {
        sends: !args.no_request,
        tells_all: true,
    };
    look(&settings, &sources.environment, depth, &mut report).await?;
    Ok(report.end("batches can be run with them"))
}
