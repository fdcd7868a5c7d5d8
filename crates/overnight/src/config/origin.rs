//! Where a value came from: a flag, a variable, a line of the file, or its default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file; its line, from 1, if it is known.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl Origin {
    /// What kind of place it is, for programs.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(..) => "file",
            Self::Variable(_) => "variable",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The layers that values come from, remembered to say where each one was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    /// The configuration file and its text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// Variables by the dotted key that they set.
    pub(crate) variables: BTreeMap<String, String>,
    /// Flags by the dotted key that they set.
    pub(crate) flags: BTreeMap<String, String>,
}

impl Layers {
    /// Whether somebody set the value of that key.
    pub(crate) fn sets(&self, key: &str) -> bool {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        self.origin(&path) != Origin::Default
    }

    /// Where a person looks for the value at that path: where it was set, or else the innermost
    /// part of the configuration that lacks it.
    pub(crate) fn nearest(&self, path: &[String]) -> Origin {
        let outwards = (1..=path.len()).rev().filter_map(|parts| path.get(..parts));
        outwards
            .map(|part| self.origin(part))
            .find(|origin| *origin != Origin::Default)
            .unwrap_or(Origin::Default)
    }

    /// Where the value at that path was set: the strongest layer that sets it, or a part of it, or
    /// what it is a part of.
    pub(crate) fn origin(&self, path: &[String]) -> Origin {
        let named = |names: &BTreeMap<String, String>| {
            (1..=path.len()).rev().find_map(|parts| {
                let prefix = path.get(..parts).unwrap_or(path).join(".");
                names.get(&prefix).cloned()
            })
        };
        if let Some(name) = named(&self.flags) {
            return Origin::Flag(name);
        }
        if let Some(name) = named(&self.variables) {
            return Origin::Variable(name);
        }
        match self
            .file
            .as_ref()
            .and_then(|(file, text)| Some((file, line_of(text, path)?)))
        {
            Some((file, line)) => Origin::File(file.clone(), Some(line)),
            None => Origin::Default,
        }
    }
}

/// The line, from 1, of the byte at that offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// The line on which a TOML text sets the value at that path; `None` when it does not. A path into an array
/// that is written as one value leads to that value.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (first, rest) = path.split_first()?;
    let (key, value) = root
        .get_ref()
        .iter()
        .find(|(key, _)| key.get_ref() == first)?;
    let offset = offset_of(value, rest, key.span().start)?;
    Some(line_at(text, offset))
}

fn offset_of(value: &Spanned<DeValue<'_>>, path: &[String], at: usize) -> Option<usize> {
    let Some((first, rest)) = path.split_first() else {
        return Some(at);
    };
    match value.get_ref() {
        DeValue::Table(table) => {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
            offset_of(value, rest, key.span().start)
        }
        DeValue::Array(list) => {
            let value = list.get(first.parse::<usize>().ok()?)?;
            offset_of(value, rest, value.span().start)
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => Some(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
listen = \"127.0.0.1:1\"

[limits]
lines_max = 5

[[upstreams]]
url = \"http://a\"

[[upstreams]]
url = \"http://b\"
limit = 3
";

    fn check_line(key: &str, line: Option<usize>) {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        assert_eq!(line_of(TEXT, &path), line, "{key}");
    }

    #[test]
    fn a_value_is_found_on_its_line() {
        check_line("listen", Some(1));
        check_line("limits.lines_max", Some(4));
        check_line("limits", Some(3));
        check_line("upstreams.0.url", Some(7));
        check_line("upstreams.1.limit", Some(11));
        check_line("limits.models_max", None);
        check_line("upstreams.0.limit", None);
    }

    #[test]
    fn the_strongest_layer_is_named() {
        let path = ["listen".to_owned()];
        let mut layers = Layers {
            file: Some(("o.toml".into(), TEXT.into())),
            ..Layers::default()
        };
        assert_eq!(layers.origin(&path).to_string(), "o.toml:1");
        layers
            .variables
            .insert("listen".into(), "OVERNIGHT_LISTEN".into());
        assert_eq!(layers.origin(&path).to_string(), "OVERNIGHT_LISTEN");
        layers.flags.insert("listen".into(), "--listen".into());
        assert_eq!(layers.origin(&path).to_string(), "--listen");
        assert_eq!(layers.origin(&["data".to_owned()]), Origin::Default);
    }
}
