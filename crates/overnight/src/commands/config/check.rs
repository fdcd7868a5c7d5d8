//! `overnight config check`: whether the settings hold.

use std::process::ExitCode;

use serde_json::json;

use crate::args::ServeArgs;
use crate::commands::Surroundings;
use crate::config::load::load;
use crate::failure::USAGE;
use crate::show::{VoiceArgs, print_json};

/// The flags of `overnight config check`: those of `serve` are taken as they would be there.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Says that the settings hold; ends as wrong usage, with everything that is wrong, when they do not.
pub(super) fn check(args: &CheckArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let loaded = match load(&args.serve.sources(around.environment)) {
        Ok(loaded) => loaded,
        Err(error) if voice.is_json => {
            let problems = error.0.iter().map(|problem| {
                json!({
                    "key": problem.key,
                    "source": problem.origin.kind(),
                    "origin": problem.origin.to_string(),
                    "message": problem.message,
                })
            });
            let problems: Vec<_> = problems.collect();
            print_json(&json!({ "valid": false, "problems": problems }))?;
            return Ok(ExitCode::from(USAGE));
        }
        Err(error) => return Err(error.into()),
    };
    if voice.is_json {
        print_json(&json!({ "valid": true, "problems": [] }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let from = loaded.layers.file.map_or_else(
        || "there is no configuration file, and all settings hold".to_owned(),
        |(path, _)| format!("{}: all settings hold", path.display()),
    );
    voice.say(&format!("{from}; see them: overnight config show"));
    Ok(ExitCode::SUCCESS)
}
