//! What is said about settings that are wrong: which key, where it was set, and what to do.

use std::fmt;

use figment::error::Kind;

use super::origin::{Layers, Origin};

/// Settings that are wrong; the process ends with the exit code of wrong usage.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) Vec<Problem>);

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where the value was set.
    pub(crate) origin: Origin,
    /// Its dotted key; empty when the problem is about a whole file.
    pub(crate) key: String,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl Problem {
    /// A problem with the value of that key.
    pub(crate) fn at(layers: &Layers, key: &str, message: String) -> Self {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        Self {
            origin: layers.nearest(&path),
            key: key.to_owned(),
            message,
        }
    }

    /// A problem that was found while the layers were read into the settings.
    pub(crate) fn read(layers: &Layers, error: &figment::Error) -> Self {
        Self {
            origin: layers.nearest(&error.path),
            key: error.path.join("."),
            message: message_of(&error.kind),
        }
    }
}

fn message_of(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("must be {}, not {actual}", plain(expected))
        }
        Kind::UnknownField(_, known) => {
            format!("there is no such setting; there are: {}", known.join(", "))
        }
        Kind::UnknownVariant(word, known) => {
            format!("must be one of {}, not \"{word}\"", known.join(", "))
        }
        Kind::Message(_)
        | Kind::InvalidLength(..)
        | Kind::MissingField(_)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => kind.to_string(),
    }
}

/// The names of Rust's types in words.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        other if other.starts_with("struct ") => "a table of settings",
        other => other,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.is_empty()) {
            (Origin::Default, false) => write!(f, "{}: {}", self.key, self.message),
            (origin, false) => write!(f, "{origin}: {}: {}", self.key, self.message),
            (origin, true) => write!(f, "{origin}: {}", self.message),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}
