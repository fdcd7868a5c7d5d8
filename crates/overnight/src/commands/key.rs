//! `overnight key new`: makes an API key, shows it once, and prints what to configure.

use std::io::Write as _;
use std::process::ExitCode;

use overnight_api::{KeyHash, new_key};

use crate::args::NewKeyArgs;
use crate::config::keys::check_project;
use crate::config::setting::quote;
use crate::failure::UsageError;
use crate::wiring::system;

/// How many digits of its hash a key without a name is called by.
const NAME_DIGITS: usize = 8;

/// Makes a key. On stdout stand the key, an empty line and the table for the configuration; on stderr
/// what to do with them.
pub(super) fn new(args: NewKeyArgs) -> anyhow::Result<ExitCode> {
    check_project(&args.project).map_err(|wrong| UsageError(format!("--project: {wrong}")))?;
    if args.name.as_deref() == Some("") {
        return Err(UsageError("--name: must not be empty".to_owned()).into());
    }
    let key = new_key(&system::entropy()?);
    let hash = KeyHash::of(&key).to_string();
    let digits = hash.rsplit(':').next().unwrap_or_default();
    let name = args
        .name
        .unwrap_or_else(|| format!("key-{}", digits.get(..NAME_DIGITS).unwrap_or(digits)));
    let table = format!(
        "[[keys]]\nname = {}\nhash = {}\nproject = {}\nrole = {}\n",
        quote(&name),
        quote(&hash),
        quote(&args.project),
        quote(args.role.0.as_str())
    );
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{key}\n\n{table}")?;
    stdout.flush()?;
    let advice = "The first line is the key. It is kept nowhere and not shown again: give it to \
                  whoever will use it.\nAdd the table to the configuration file, and start the \
                  server again.";
    // When there is nobody to advise, the key is all there is.
    let _ = writeln!(std::io::stderr(), "\n{advice}");
    Ok(ExitCode::SUCCESS)
}
