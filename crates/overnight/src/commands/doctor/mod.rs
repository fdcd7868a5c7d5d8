//! `overnight doctor`: whether a server would run well here, and what to do where it would not.

mod machine;
mod upstream;

use std::process::ExitCode;

use figment::value::Value;
use serde::Serialize;

use super::Surroundings;
use crate::args::DataArgs;
use crate::config::load::{Flag, Loaded, Sources, load};
use crate::failure::FAILED;
use crate::show::{Tone, Voice, VoiceArgs, print, print_json};

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

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    /// As it should be.
    Ok,
    /// A server runs, but somebody may be surprised.
    Note,
    /// A server would not run, or would do nothing.
    Error,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
struct Check {
    /// What was looked at.
    about: String,
    finding: Finding,
    /// How it is, and what to do about it.
    text: String,
}

impl Check {
    fn new(about: impl Into<String>, finding: Finding, text: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            finding,
            text: text.into(),
        }
    }
}

/// Tells each thing as it is found; keeps the worst.
struct Report {
    voice: Voice,
    errors: u64,
}

impl Report {
    fn tell(&mut self, check: &Check) -> anyhow::Result<()> {
        self.errors += u64::from(check.finding == Finding::Error);
        if self.voice.is_json {
            return print_json(check);
        }
        let (word, tone) = match check.finding {
            Finding::Ok => ("ok   ", Tone::Good),
            Finding::Note => ("note ", Tone::Open),
            Finding::Error => ("error", Tone::Bad),
        };
        let word = self.voice.paint(tone, word);
        print(&format!("{word} {}: {}", check.about, check.text))
    }
}

/// Looks at everything; the exit code is 1 when something is wrong.
pub(super) async fn doctor(args: DoctorArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let flags = VoiceArgs {
        json: args.data.json,
        quiet: false,
        verbose: false,
    };
    let mut report = Report {
        voice: flags.voice(&around.environment),
        errors: 0,
    };
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
        format!("{file}; `overnight config check` shows them all"),
    ))?;
    for check in machine::look(settings) {
        report.tell(&check)?;
    }
    if number == 0 {
        let text = "there are none, so no batch can run; say --upstream http://localhost:8000, or \
                    --upstream sim for a simulated one";
        report.tell(&Check::new("upstreams", Finding::Error, text))?;
    }
    upstream::look(settings, &around.environment, !args.no_request, &mut report).await?;
    let verdict = match report.errors {
        0 => "a server would run well".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        errors => format!("{errors} things are wrong"),
    };
    report.voice.say(&verdict);
    Ok(if report.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
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
