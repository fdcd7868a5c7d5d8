//! The settings for people: the effective ones as TOML, and the reference as a Markdown table.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::keys::{KeySection, Keys};
use super::load::Loaded;
use super::origin::Origin;
use super::setting::{Entry, Setting};
use super::settings::Settings;
use super::upstreams::{UpstreamSection, Upstreams};

/// Lists of tables, which stand behind everything else.
const TABLES: [&str; 2] = ["upstreams", "keys"];

/// Where the comments with the origins begin.
const COMMENT_COLUMN: usize = 44;

/// A setting that is in force, for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Shown {
    /// Who goes by it: `server`, or `client` for the commands that ask one.
    of: &'static str,
    key: String,
    /// `null` when it is not set.
    value: Json,
    /// What kind of place it came from.
    source: &'static str,
    /// That place.
    origin: String,
}

impl Shown {
    /// A setting whose value is TOML, secrets masked.
    pub(crate) fn new(of: &'static str, key: &str, value: Option<&str>, origin: &Origin) -> Self {
        Self {
            of,
            key: key.to_owned(),
            value: value.and_then(json_of).unwrap_or_default(),
            source: origin.kind(),
            origin: origin.to_string(),
        }
    }
}

/// A value of TOML as JSON.
fn json_of(value: &str) -> Option<Json> {
    let mut table: toml::Table = toml::from_str(&format!("value = {value}")).ok()?;
    serde_json::to_value(table.remove("value")?).ok()
}

/// The effective settings of a server, secrets masked, each with where it came from.
pub(crate) fn in_force(loaded: &Loaded) -> Vec<Shown> {
    let mut entries = Vec::new();
    loaded.settings.list("", "", &mut entries);
    let shown = entries.iter().map(|entry| {
        let origin = origin_of(entry, loaded);
        Shown::new("server", &entry.key, entry.value.as_deref(), &origin)
    });
    shown.collect()
}

fn origin_of(entry: &Entry, loaded: &Loaded) -> Origin {
    let path: Vec<_> = entry.key.split('.').map(str::to_owned).collect();
    loaded.layers.origin(&path)
}

/// The effective settings as TOML, secrets masked, each with a comment that says where it came from.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut entries = Vec::new();
    loaded.settings.list("", "", &mut entries);
    let (tables, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| table_of(&entry.key).is_some());
    let mut text = String::new();
    for entry in others {
        text.push_str(&line_of(&entry.key, &entry, loaded));
    }
    let mut open = None;
    for entry in &tables {
        let Some((list, index, name)) = table_of(&entry.key) else {
            continue;
        };
        if open != Some((list, index)) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n[[{list}]]\n");
            open = Some((list, index));
        }
        text.push_str(&line_of(name, entry, loaded));
    }
    text
}

/// The list, the place and the name of a setting in a table of a list.
pub(super) fn table_of(key: &str) -> Option<(&str, &str, &str)> {
    let (list, rest) = key.split_once('.')?;
    let (index, name) = rest.split_once('.')?;
    TABLES.contains(&list).then_some((list, index, name))
}

fn line_of(name: &str, entry: &Entry, loaded: &Loaded) -> String {
    let line = match &entry.value {
        Some(value) => format!("{name} = {value}"),
        None => format!("# {name} is not set"),
    };
    commented(&line, &origin_of(entry, loaded))
}

/// A line that ends in a comment with where its value came from.
pub(crate) fn commented(line: &str, origin: &Origin) -> String {
    format!("{line:COMMENT_COLUMN$} # {origin}\n")
}

/// Every setting there is with its default, those of one upstream and one key included.
pub(super) fn every() -> Vec<Entry> {
    let settings = Settings {
        upstreams: Upstreams(vec![UpstreamSection::default()]),
        keys: Keys(vec![KeySection::default()]),
        ..Settings::default()
    };
    let mut entries = Vec::new();
    settings.list("", "", &mut entries);
    entries
}

/// Settings that have no default.
#[cfg(test)]
const REQUIRED: [&str; 3] = ["upstreams[].url", "keys[].name", "keys[].hash"];

/// The reference: a row for each setting with its kind, default and meaning.
#[cfg(test)]
fn reference() -> String {
    let mut text = "| key | kind | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for entry in every() {
        let key = entry.key.replace(".0.", "[].");
        let value = match entry.value.as_deref() {
            _ if REQUIRED.contains(&key.as_str()) => "required".to_owned(),
            Some(value) => format!("`{value}`"),
            None => "not set".to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{key}` | {} | {value} | {} |",
            entry.kind, entry.meaning
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The table in the documentation stands between these two lines.
    const BEGIN: &str = "<!-- settings: begin -->\n";
    const END: &str = "<!-- settings: end -->";

    #[test]
    fn the_reference_in_the_documentation_is_that_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let table = text
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .unwrap()
            .0;
        assert_eq!(
            table.trim(),
            reference().trim(),
            "copy the right side into {path:?}"
        );
    }
}
