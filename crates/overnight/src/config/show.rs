//! The settings for people: the effective ones as TOML, and the reference as a Markdown table.

use std::fmt::Write as _;

use super::load::Loaded;
use super::setting::{Entry, Setting};
#[cfg(test)]
use super::settings::Settings;
#[cfg(test)]
use super::upstreams::{UpstreamSection, Upstreams};

/// Where the comments with the origins begin.
const COMMENT_COLUMN: usize = 44;

/// The effective settings as TOML, secrets masked, each with a comment that says where it came from.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut entries = Vec::new();
    loaded.settings.list("", "", &mut entries);
    let (upstreams, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.key.starts_with("upstreams."));
    let mut text = String::new();
    for entry in others {
        push_line(&mut text, &entry.key, &entry, loaded);
    }
    let mut table = None;
    for entry in upstreams {
        let mut parts = entry.key.splitn(3, '.').skip(1);
        let (index, name) = (
            parts.next().map(str::to_owned),
            parts.next().unwrap_or_default(),
        );
        if table != index {
            text.push_str("\n[[upstreams]]\n");
            table = index;
        }
        push_line(&mut text, name, &entry, loaded);
    }
    text
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

/// The reference: a row for each setting with its kind, default and meaning.
#[cfg(test)]
fn reference() -> String {
    let settings = Settings {
        upstreams: Upstreams(vec![UpstreamSection::default()]),
        ..Settings::default()
    };
    let mut entries = Vec::new();
    settings.list("", "", &mut entries);
    let mut text = "| key | kind | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for entry in entries {
        let key = entry.key.replace("upstreams.0.", "upstreams[].");
        let value = match entry.value.as_deref() {
            Some("\"\"") if key == "upstreams[].url" => "required".to_owned(),
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
