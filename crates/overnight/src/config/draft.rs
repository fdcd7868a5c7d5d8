//! A configuration file to begin with: every setting with its meaning and its default, as comments.

use std::fmt::Write as _;

use super::setting::{Entry, quote};
use super::show::{every, table_of};

/// The widest line of a comment.
const COLUMNS: usize = 100;

/// What the file begins with.
const HEAD: &str = "\
# Settings of Overnight, with their defaults: take the # away from what you change.
# Flags and variables (OVERNIGHT_ and the key, such as OVERNIGHT_LIMITS__LINES_MAX) come before what stands here.
# Whether it all holds: overnight config check. What is in force: overnight config show.
";

/// The upstream that is named as an example.
const UPSTREAM: &str = "http://localhost:8000";

/// The text of a file that names these upstreams.
pub(crate) fn draft(upstreams: &[String]) -> String {
    let mut text = HEAD.to_owned();
    let mut open = "";
    let entries = every();
    let is_listed = |entry: &&Entry| table_of(&entry.key).is_some();
    for entry in entries.iter().filter(|entry| !is_listed(entry)) {
        let (section, name) = entry.key.split_once('.').unwrap_or(("", &entry.key));
        if section != open {
            open = section;
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "\n[{section}]\n");
        }
        push(&mut text, name, entry, entry.value.as_deref());
    }
    for url in upstreams {
        let _ = write!(text, "\n[[upstreams]]\nurl = {}\n", quote(url));
    }
    let mut open = "";
    for entry in entries.iter().filter(is_listed) {
        let Some((list, _, name)) = table_of(&entry.key) else {
            continue;
        };
        if list != open {
            open = list;
            let _ = write!(text, "\n# [[{list}]]\n");
        }
        let example = quote(UPSTREAM);
        let value = match entry.value.as_deref() {
            Some(_) if (list, name) == ("upstreams", "url") => Some(example.as_str()),
            // What has to be set has no default.
            value => value.filter(|value| *value != "\"\""),
        };
        push(&mut text, name, entry, value);
    }
    text
}

/// Adds a setting: its meaning, then its name and value.
fn push(text: &mut String, name: &str, entry: &Entry, value: Option<&str>) {
    text.push('\n');
    let mut line = "#".to_owned();
    for word in entry.meaning.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            // As above.
            let _ = writeln!(text, "{line}");
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
    let _ = match value {
        Some(value) => writeln!(text, "# {name} = {value}"),
        None => writeln!(text, "# {name} =    # {}; not set", entry.kind),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::Setting;
    use crate::config::settings::Settings;

    /// The file with every value in force: comments that are settings taken out of their comments.
    fn in_force(text: &str) -> String {
        let lines = text.lines().filter_map(|line| {
            let Some(bare) = line.strip_prefix("# ") else {
                return Some(line);
            };
            let (name, value) = bare.split_once(" = ")?;
            let is_name = name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"_.".contains(&byte));
            (is_name && !value.trim_start().starts_with('#')).then_some(bare)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn listed(settings: &Settings) -> Vec<Entry> {
        let mut entries = Vec::new();
        settings.list("", "", &mut entries);
        entries
    }

    #[test]
    fn what_is_commented_out_are_the_defaults() {
        let text = draft(&[]);
        let (settings, tables) = text.split_once("\n# [[").unwrap();
        let settings = in_force(settings);
        assert!(settings.contains("lines_max = 50000"), "{settings}");
        let read: Settings = toml::from_str(&settings).unwrap();
        assert_eq!(listed(&read), listed(&Settings::default()));
        assert!(
            tables.contains("# url = \"http://localhost:8000\""),
            "{tables}"
        );
        assert!(tables.contains("# name =    # text; not set"), "{tables}");
        assert!(text.lines().all(|line| line.chars().count() <= 120));
    }

    #[test]
    fn upstreams_that_are_named_are_in_force() {
        let read: Settings = toml::from_str(&draft(&["http://a:1".to_owned()])).unwrap();
        let urls: Vec<&str> = read
            .upstreams
            .0
            .iter()
            .map(|own| own.url.0.as_str())
            .collect();
        assert_eq!(urls, ["http://a:1"]);
    }
}
