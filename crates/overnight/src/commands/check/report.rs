//! What `overnight check` tells: each error with its place, then what it comes to.

use std::path::Path;

use overnight_core::batch::InputError;
use overnight_core::input::{Line, Place, Rejection, Summary, place_of};
use serde_json::json;

use crate::config::settings::Settings;
use crate::show::caret::{column, excerpt};
use crate::show::text::{count, counted, size};
use crate::show::{Tone, Voice, insist, print_json};

/// Tells about one file while it is read.
pub(super) struct Report<'a> {
    file: &'a Path,
    /// The most errors that are shown; 0 for all.
    errors_max: u64,
    voice: Voice,
    wrong: u64,
    /// What became of stdout.
    printed: anyhow::Result<()>,
}

impl<'a> Report<'a> {
    pub(super) const fn new(file: &'a Path, errors_max: u64, voice: Voice) -> Self {
        Self {
            file,
            errors_max,
            voice,
            wrong: 0,
            printed: Ok(()),
        }
    }

    /// Tells what is wrong with a line.
    pub(super) fn line(&mut self, line: Line<'_>, error: &InputError) {
        self.wrong += 1;
        if self.errors_max != 0 && self.wrong > self.errors_max {
            return;
        }
        let bytes = line.bytes.unwrap_or_default();
        let place = place_of(bytes, error);
        self.tell(error, Some((bytes, &place)));
    }

    /// What could not be printed, if anything.
    pub(super) fn stdout_stands(&mut self) -> anyhow::Result<()> {
        std::mem::replace(&mut self.printed, Ok(()))
    }

    fn tell(&mut self, error: &InputError, at: Option<(&[u8], &Place)>) {
        let code = serde_json::to_value(error.code).unwrap_or_default();
        let code = code.as_str().unwrap_or("invalid_request");
        let column = at.map(|(line, place)| column(line, place));
        let reason = at.and_then(|(_, place)| place.reason.as_deref());
        if self.voice.is_json {
            let told = json!({
                "file": self.file,
                "line": error.line,
                "column": column,
                "code": code,
                "message": error.message,
                "param": error.param,
                "reason": reason,
            });
            if self.printed.is_ok() {
                self.printed = print_json(&told);
            }
            return;
        }
        let mut place = self.file.display().to_string();
        for number in [
            error.line,
            column.and_then(|column| u64::try_from(column).ok()),
        ] {
            place.extend(number.map(|number| format!(":{number}")));
        }
        let reason = reason
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let code = self.voice.paint_aside(Tone::Bad, code);
        insist(&format!("{place} {code} {}{reason}", error.message));
        if let Some((line, place)) = at.filter(|(line, _)| !line.is_empty()) {
            let [shown, marks] = excerpt(line, place);
            let marks = self.voice.paint_aside(Tone::Bad, &marks);
            insist(&format!("  {shown}\n  {marks}"));
        }
    }

    /// Tells what is wrong with the file as a whole, and what it comes to.
    pub(super) fn conclude(&mut self, checked: &Result<Summary, Rejection>) -> anyhow::Result<()> {
        if let Err(rejection) = checked {
            // Errors of lines were told, and that the list is cut says nothing here.
            let about_the_file = rejection.errors.iter();
            let about_the_file: Vec<&InputError> = about_the_file
                .take_while(|error| error.line.is_none())
                .collect();
            for error in about_the_file {
                self.tell(error, None);
            }
        }
        self.stdout_stands()?;
        if self.voice.is_json {
            return self.json(checked);
        }
        self.say(checked);
        Ok(())
    }

    fn json(&self, checked: &Result<Summary, Rejection>) -> anyhow::Result<()> {
        let summary = checked.as_ref().ok();
        let models = summary.map(|summary| {
            let models = summary.models.iter();
            let models = models.map(|(model, lines)| json!({ "model": model, "lines": lines }));
            models.collect::<Vec<_>>()
        });
        print_json(&json!({
            "file": self.file,
            "valid": checked.is_ok(),
            "lines": summary.map(|summary| summary.total),
            "bytes": summary.map(|summary| summary.bytes),
            "models": models,
            "wrong_lines": self.wrong,
        }))
    }

    fn say(&self, checked: &Result<Summary, Rejection>) {
        let file = self.file.display();
        let Ok(summary) = checked else {
            self.say_refused();
            return;
        };
        let lines = counted(summary.total, "line");
        let models = summary.models.iter();
        let models = models.map(|(model, lines)| format!("{model} ({})", count(*lines)));
        let models: Vec<String> = models.take(5).collect();
        self.voice.say(&format!(
            "{file} is right: {lines}, {}, {}",
            size(summary.bytes),
            models.join(", "),
        ));
        let limits = Settings::default().limits;
        if summary.total > limits.lines_max || summary.bytes > limits.file_bytes_max.0 {
            self.voice.say(&format!(
                "note: a server refuses more than {} or {} unless it is set otherwise; \
                 `overnight split` makes smaller files",
                counted(limits.lines_max, "line"),
                size(limits.file_bytes_max.0),
            ));
        }
    }

    fn say_refused(&self) {
        let file = self.file.display();
        let hidden = self.wrong.saturating_sub(self.errors_max);
        if self.errors_max != 0 && hidden > 0 {
            let hidden = counted(hidden, "more error");
            insist(&format!(
                "{file}: {hidden} not shown; `--max-errors 0` shows all"
            ));
        }
        let wrong = counted(self.wrong, "line");
        insist(&format!("{file} would be refused: {wrong} with an error"));
    }
}
