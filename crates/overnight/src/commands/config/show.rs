//! `overnight config show`: every setting that is in force, and where it came from; no keys, no passwords.

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::ServeArgs;
use crate::client::target::{Choice, ServerArgs};
use crate::commands::Surroundings;
use crate::config::load::load;
use crate::config::origin::Origin;
use crate::config::setting::quote;
use crate::config::show::{Shown, commented, effective, in_force};
use crate::lines::output::told;
use crate::show::print_json;

/// What a key is shown as.
const MASK: &str = "***";

/// What stands before the settings of the commands that ask a server.
const OF_CLIENT: &str = "\n# What the commands go by that ask a server:\n";

/// The flags of `overnight config show`: those of `serve`, and of the commands that ask a server, are taken as
/// they would be there.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON for programs, one value a line.
    #[arg(long)]
    json: bool,
}

/// Prints the settings.
pub(super) fn show(args: &ShowArgs, around: Surroundings) -> anyhow::Result<ExitCode> {
    let choice = args.server.choose(&around.environment)?;
    let loaded = load(&args.serve.sources(around.environment))?;
    let client = of_client(choice);
    if args.json {
        let client = client
            .iter()
            .map(|(name, value, origin)| Shown::new("client", name, value.as_deref(), origin));
        let mut shown = in_force(&loaded).into_iter().chain(client);
        shown.try_for_each(|shown| print_json(&shown))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = effective(&loaded) + OF_CLIENT;
    for (name, value, origin) in client {
        let line = match value {
            Some(value) => format!("# {name} = {value}"),
            None => format!("# {name} is not set"),
        };
        text.push_str(&commented(&line, &origin));
    }
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(told)?;
    Ok(ExitCode::SUCCESS)
}

/// What the commands go by that ask a server: names, values as TOML, and where they came from.
fn of_client(choice: Choice) -> [(&'static str, Option<String>, Origin); 3] {
    let Choice {
        profile,
        server: (target, from),
        key,
    } = choice;
    let none = (None, Origin::Default);
    let profile = profile.map(|(name, origin)| (Some(quote(&name)), origin));
    let (profile, named) = profile.unwrap_or_else(|| none.clone());
    let key = key.map(|(_, origin)| (Some(quote(MASK)), origin));
    let (key, held) = key.unwrap_or(none);
    [
        ("profile", profile, named),
        ("server", Some(quote(target.shown())), from),
        ("key", key, held),
    ]
}
