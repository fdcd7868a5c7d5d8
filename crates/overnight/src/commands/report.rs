//! What commands found that look whether things are as they should be, told as it is found.

use std::process::ExitCode;

use serde::Serialize;

use crate::failure::FAILED;
use crate::show::{Tone, Voice, print, print_json};

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finding {
    /// As it should be.
    Ok,
    /// It works, but somebody may be surprised.
    Note,
    /// It does not work.
    Error,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    about: String,
    /// What was tried with it, when there are several things to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
    finding: Finding,
    /// How it is, and what to do about it.
    text: String,
}

impl Check {
    /// What was found, in a sentence that lacks its subject.
    pub(super) fn new(about: impl Into<String>, finding: Finding, text: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            step: None,
            finding,
            text: text.into(),
        }
    }

    /// The same, as one of several steps.
    pub(super) fn at(self, step: &'static str) -> Self {
        Self {
            step: Some(step),
            ..self
        }
    }
}

/// Tells each thing as it is found; counts what is wrong.
pub(super) struct Report {
    /// How to speak.
    pub(super) voice: Voice,
    errors: u64,
}

impl Report {
    /// Nothing was found yet.
    pub(super) const fn new(voice: Voice) -> Self {
        Self { voice, errors: 0 }
    }

    /// Tells what was found.
    pub(super) fn tell(&mut self, check: &Check) -> anyhow::Result<()> {
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

    /// Says how it is on the whole: `well` when nothing is wrong. The exit code is 1 when something is.
    pub(super) fn end(&self, well: &str) -> ExitCode {
        let verdict = match self.errors {
            0 => well.to_owned(),
            1 => "1 thing is wrong".to_owned(),
            errors => format!("{errors} things are wrong"),
        };
        self.voice.say(&verdict);
        if self.errors == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }
}
