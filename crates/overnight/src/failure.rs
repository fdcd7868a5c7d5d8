//! How the process ends when a command does not do what it was asked: one place that prints, and the
//! exit codes that scripts rely on.

use std::io::Write as _;
use std::process::ExitCode;

use crate::client::errors::ClientError;
use crate::config::errors::ConfigError;
use crate::lines::output::NobodyReads;

/// An error.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage, or a setting that is wrong.
pub(crate) const USAGE: u8 = 2;
/// The run finished, but some lines failed.
pub(crate) const LINES_FAILED: u8 = 3;
/// The server does not accept the key.
pub(crate) const UNAUTHENTICATED: u8 = 4;
/// The batch was cancelled, or expired.
pub(crate) const ENDED_EARLY: u8 = 5;
/// The input was refused; nothing was run.
pub(crate) const INPUT_REFUSED: u8 = 6;
/// Somebody interrupted it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Wrong usage that the form of the flags does not show.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Prints what was wrong with the command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // When there is nobody to tell, the exit code is all there is.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

/// What is behind an error, without what the one before has said already: some libraries tell the causes
/// of an error in its own text as well.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.clone_from(&text);
            causes.push(text);
        }
    }
    causes
}

/// Prints the error with its causes, and says how the process ends.
pub(crate) fn tell(error: &anyhow::Error) -> ExitCode {
    if error.is::<NobodyReads>() {
        return ExitCode::SUCCESS;
    }
    let mut stderr = std::io::stderr().lock();
    // As above.
    let _ = writeln!(stderr, "error: {error}");
    for cause in causes(error) {
        let _ = writeln!(stderr, "  because: {cause}");
    }
    let is_usage = error.is::<ConfigError>() || error.is::<UsageError>();
    let refused = error.downcast_ref::<ClientError>();
    let is_stranger = matches!(refused, Some(ClientError::Unauthenticated { .. }));
    ExitCode::from(match (is_usage, is_stranger) {
        (true, _) => USAGE,
        (false, true) => UNAUTHENTICATED,
        (false, false) => FAILED,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!("refused")
            .context("GET failed: refused")
            .context("no access")
            .context("it cannot be used");
        assert_eq!(causes(&error), ["no access", "GET failed: refused"]);
    }
}
