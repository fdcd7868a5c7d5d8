//! The document: every command with its arguments, made of the same words as `--help`.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::visible;

/// What stands before the commands.
const HEAD: &str = "\
# The command line

What `overnight --help` says of each command, in one place.
It is made by `overnight manual --markdown`; `overnight manual --to FOLDER` makes pages for `man`, and `overnight completions SHELL` completes commands and flags.

## What all commands have in common

- Results go to stdout or to `-o FILE`, everything for people to stderr.
  A file appears when it is whole.
- `--json` prints JSON for programs, one value a line; `-q` says nothing but errors, `-v` says more.
- On a terminal there are colours and live views, elsewhere a plain line every ten seconds; `NO_COLOR` keeps colours away.
- Ids may be shortened to a beginning or an end that one alone has; `@last` is the newest.
- The server is that of `--server`, else `OVERNIGHT_SERVER`, else `OPENAI_BASE_URL`, else `http://127.0.0.1:8080`; the key is that of `--key`, else `OVERNIGHT_KEY`, else `OPENAI_API_KEY`.
- Settings of the server are in [configuration.md](configuration.md).

| exit code | meaning |
| --- | --- |
| 0 | it is done; of a batch: every line was answered |
| 1 | an error, which is told on stderr |
| 2 | wrong usage, or a setting that is wrong |
| 3 | it finished, but some lines failed |
| 4 | the server does not accept the key |
| 5 | the batch was cancelled, or expired |
| 6 | the input was refused |
| 130 | it was interrupted |
";

/// The whole document.
pub(super) fn document(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    for below in visible(command) {
        describe(below, "overnight", 2, &mut text);
    }
    text
}

fn describe(command: &Command, above: &str, level: usize, text: &mut String) {
    let name = format!("{above} {}", command.get_name());
    // Writing to a string cannot fail, here and below.
    let _ = write!(text, "\n{} {name}\n\n", "#".repeat(level));
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    // In a document each sentence has a line of its own.
    let _ = writeln!(text, "{}", sentence(&about).replace(". ", ".\n"));
    let mut below = visible(command).peekable();
    if below.peek().is_some() {
        for below in below {
            describe(below, &name, level + 1, text);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(text, "\n```text\n{}\n```\n", usage.trim());
    let arguments = command.get_arguments();
    let arguments: Vec<&Arg> = arguments
        .filter(|arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version")
        .collect();
    if arguments.is_empty() {
        return;
    }
    text.push_str("\n| argument | meaning |\n| --- | --- |\n");
    for arg in arguments {
        let _ = writeln!(text, "| `{}` | {} |", spelled(arg), meaning(arg));
    }
}

/// How an argument is typed.
fn spelled(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let values: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    let values = values.join(" ");
    let short = arg.get_short().map(|short| format!("-{short}, "));
    let flag = arg
        .get_long()
        .map(|long| format!("{}--{long}", short.clone().unwrap_or_default()));
    match flag {
        Some(flag) if arg.get_action().takes_values() => format!("{flag} {values}"),
        Some(flag) => flag,
        None => values,
    }
    .replace('|', "\\|")
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut meaning = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() {
        let _ = write!(meaning, " One of {}.", choices.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        let _ = write!(meaning, " Default: {}.", defaults.join(", "));
    }
    meaning.replace('|', "\\|")
}

/// A text that ends as a sentence does.
fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() || text.ends_with(['.', '?', '!']) {
        text
    } else {
        text + "."
    }
}
