//! The settings for people: the effective ones as TOML, and the reference as a Markdown table.

use std::fmt::Write as _;

#[cfg(test)]
use super::keys::{KeySection, Keys};
use super::load::Loaded;
use super::setting::{Entry, Setting};
#[cfg(test)]
use super::settings::Settings;
#[cfg(test)]
use super::upstreams::{UpstreamSection, Upstreams};

/// Lists of tables, which stand behind everything else.
const TABLES: [&str; 2] = ["upstreams", "keys"];

/// Where the comments with the origins begin.
const COMMENT_COLUMN: usize = 44;

/// The effective settings as TOML, secrets masked, each with a comment that says where it came from.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut entries = Vec::new();
    loaded.settings.list("", "", &mut entries);
    let (tables, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| table_of(&entry.key).is_some());
    let mut text = String::new();
    for entry in others {
        push_line(&mut text, &entry.key, &entry, loaded);
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
        push_line(&mut text, name, entry, loaded);
    }
    text
}

/// The list, the place and the name of a setting in a table of a list.
fn table_of(key: &str) -> Option<(&str, &str, &str)> {
    let (list, rest) = key.split_once('.')?;
    let (index, name) = rest.split_once('.')?;
    TABLES.contains(&list).then_some((list, index, name))
}

fn push_line(text: &mut String, name: &str, entry: &Entry, loaded: &Loaded) {
    let path: Vec<_> = entry.key.split('.').map(str::to_owned).collect();
    let line = match &entry.value {
        Some(value) => format!("{name} = {value}"),
        None => format!("# {name} is not set"),
    };
    let origin = loaded.layers.origin(&path);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line:COMMENT_COLUMN$} # {origin}");
}

/// Settings that have no default.
#[cfg(test)]
const REQUIRED: [&str; 3] = ["upstreams[].url", "keys[].name", "keys[].hash"];

/// The reference: a row for each setting with its kind, default and meaning.
#[cfg(test)]
fn reference() -> String {
    let settings = Settings {
        upstreams: Upstreams(vec![UpstreamSection::default()]),
        keys: Keys(vec![KeySection::default()]),
        ..Settings::default()
    };
    let mut entries = Vec::new();
    settings.list("", "", &mut entries);
    let mut text = "| key | kind | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for entry in entries {
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
