//! `overnight config check`: the effective settings.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::load::Loaded;
use crate::config::show::effective;

/// Prints the settings; they passed every check when they were loaded.
pub(super) fn check(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    std::io::stdout()
        .lock()
        .write_all(effective(loaded).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
