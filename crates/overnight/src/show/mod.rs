//! How commands speak: results to stdout, everything for people to stderr.
//!
//! Programs read JSON, one value a line. People read tables, sentences and, on a terminal, a live view;
//! colours only there, and not when `NO_COLOR` is set.

pub(crate) mod caret;
pub(crate) mod live;
pub(crate) mod table;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use crate::lines::output::told;

/// The variable that keeps colours away, whatever it holds.
const NO_COLOR: &str = "NO_COLOR";

/// How a command speaks.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct VoiceArgs {
    /// Print JSON for programs, one value a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors.
    Quiet,
    /// What most people want to know.
    Normal,
    /// All there is to say.
    Verbose,
}

/// Speaks to whoever started the command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// How much is said.
    pub(crate) level: Level,
    /// Whether stdout is for programs.
    pub(crate) is_json: bool,
    /// Whether stderr is a terminal, where a live view can be drawn.
    pub(crate) is_live: bool,
    colours: Colours,
}

/// Where colours are shown.
#[derive(Clone, Copy, Debug)]
struct Colours {
    stdout: bool,
    stderr: bool,
}

/// A colour that says how something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Well.
    Good,
    /// Not well.
    Bad,
    /// On the way, or to be looked at.
    Open,
    /// Of less interest.
    Faint,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Open => "33",
            Self::Faint => "2",
        }
    }

    /// The tone of a batch's status, or of an upstream's health.
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "completed" | "healthy" => Self::Good,
            "failed" | "expired" | "cancelled" | "parked" => Self::Bad,
            _ => Self::Open,
        }
    }
}

impl VoiceArgs {
    /// What the flags, the terminal and the environment say.
    pub(crate) fn voice(self, environment: &BTreeMap<String, String>) -> Voice {
        let may_colour = environment.get(NO_COLOR).is_none_or(String::is_empty)
            && environment.get("TERM").is_none_or(|term| term != "dumb");
        Voice {
            level: match (self.quiet, self.verbose) {
                (true, _) => Level::Quiet,
                (false, false) => Level::Normal,
                (false, true) => Level::Verbose,
            },
            is_json: self.json,
            is_live: io::stderr().is_terminal() && !self.quiet,
            colours: Colours {
                stdout: may_colour && io::stdout().is_terminal(),
                stderr: may_colour && io::stderr().is_terminal(),
            },
        }
    }
}

impl Voice {
    /// Says a sentence, unless it is to be quiet.
    pub(crate) fn say(self, text: &str) {
        if self.level >= Level::Normal {
            insist(text);
        }
    }

    /// Says a sentence to those who want to know more.
    pub(crate) fn detail(self, text: &str) {
        if self.level >= Level::Verbose {
            insist(text);
        }
    }

    /// The voice of a command within a command: errors for people alone, and stdout left to the other.
    pub(crate) const fn aside(self) -> Self {
        Self {
            level: Level::Quiet,
            is_json: false,
            ..self
        }
    }

    /// A text in a colour, for stdout.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        painted(self.colours.stdout, tone, text)
    }

    /// A text in a colour, for stderr.
    pub(crate) fn paint_aside(self, tone: Tone, text: &str) -> String {
        painted(self.colours.stderr, tone, text)
    }
}

fn painted(is_coloured: bool, tone: Tone, text: &str) -> String {
    if is_coloured {
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    } else {
        text.to_owned()
    }
}

/// Says a sentence in any case.
pub(crate) fn insist(text: &str) {
    // When there is nobody to tell, the exit code is all there is.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a result as a line of stdout.
///
/// # Errors
///
/// Stdout cannot be written to.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}").map_err(told)
}

/// Prints a JSON value as a line of stdout.
///
/// # Errors
///
/// Stdout cannot be written to.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}
