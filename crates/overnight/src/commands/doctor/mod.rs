//! `overnight doctor`: whether a server would run well here, and what to do where it would not.

mod machine;
mod storage;

use std::process::ExitCode;

use figment::value::Value;

use super::Surroundings;
use super::report::{Check, Finding, Report};
use super::upstreams::{Depth, look};
use crate::args::DataArgs;
use crate::config::load::{Flag, Loaded, Sources, load};
use crate::show::VoiceArgs;

/// The flags of `overnight doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    data: DataArgs,
    /// An inference server to look at, besides none of the configuration; several may be given.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// Send no request to the upstreams: ask for their models alone.
    #[arg(long)]
    no_request: bool,
}

/// Looks at everything; the exit code is 1 when something is wrong.
pub(super) async fn doctor(args: DoctorArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let flags = VoiceArgs {
        json: args.data.json,
        quiet: false,
        verbose: false,
    };
    let mut report = Report::new(flags.voice(&around.environment));
    let loaded = settings(&args, &around)?;
    let settings = &loaded.settings;
    let number = settings.upstreams.0.len();
    let file = loaded.layers.file.as_ref();
    let file = file.map_or_else(
        || "no configuration file".to_owned(),
        |(path, _)| path.display().to_string(),
    );
    report.tell(&Check::new(
        "settings",
        Finding::Ok,
        format!("{file}; `overnight config show` shows them all"),
    ))?;
    let mut checks = machine::look(settings);
    checks.extend(storage::look(settings, &around.environment).await);
    for check in checks {
        report.tell(&check)?;
    }
    if number == 0 {
        let text = "there are none, so no batch can run; say --upstream http://localhost:8000, or \
                    --upstream sim for a simulated one";
        report.tell(&Check::new("upstreams", Finding::Error, text))?;
    }
    let depth = Depth {
        sends: !args.no_request,
        tells_all: false,
    };
    look(settings, &around.environment, depth, &mut report).await?;
    Ok(report.end("a server would run well"))
}

fn settings(args: &DoctorArgs, around: &Surroundings) -> anyhow::Result<Loaded> {
    let mut flags = args.data.flags();
    if !args.upstream.is_empty() {
        flags.push(Flag {
            key: "upstreams",
            name: "--upstream",
            value: Value::from(args.upstream.clone()),
        });
    }
    Ok(load(&Sources {
        flags,
        environment: around.environment.clone(),
        file: args.data.config.clone(),
    })?)
}
