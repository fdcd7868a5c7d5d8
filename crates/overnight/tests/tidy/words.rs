//! The words that names are made of. One thing has one word, everywhere: in Rust, on the wire, in
//! metrics and in the documents.

use super::findings::Findings;
use super::rust::{declared, sources};
use super::tree::files;

/// Words that the names we give never hold, and what is said in their place.
const NEVER: [(&str, &str); 24] = [
    ("artifact", "file"),
    ("account", "project"),
    ("tenant", "project"),
    ("org", "project"),
    ("sla", "completion window"),
    ("ttl", "expiry"),
    ("phase", "status, or state"),
    ("hook", "event"),
    ("daemon", "worker"),
    ("ownership", "lease"),
    ("backend", "upstream"),
    ("provider", "upstream"),
    ("shard", "segment"),
    ("finalize", "seal"),
    ("manifest", "plan"),
    ("gc", "sweep"),
    ("reap", "sweep"),
    ("reaper", "sweep"),
    ("purge", "sweep"),
    ("cleanup", "sweep"),
    ("quiesce", "drain"),
    ("cooldown", "backoff"),
    ("canceled", "cancelled"),
    ("canceling", "cancelling"),
];

/// Endings of the names of types that say nothing.
const NO_ENDINGS: [&str; 7] = [
    "Manager", "Helper", "Util", "Handler", "Service", "Info", "Impl",
];

/// Names of files that say only that something had no better place.
const NO_PLACES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];

/// What is left for later is an issue, and not a word in the tree. Spelled in two halves, so that
/// this file may hold it.
const UNDONE: [(&str, &str); 4] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK")];

#[test]
fn names_are_made_of_the_words_of_the_house() {
    let mut found = Findings::of("A name says the glossary's word (see `NEVER`).");
    for source in sources()
        .iter()
        .filter(|source| !source.path.contains("/tests/tidy/"))
    {
        for line in source.product() {
            for name in declared(&line.code) {
                let words = split(name);
                for (word, better) in NEVER {
                    if words.iter().any(|own| own == word) {
                        found.add(
                            source.place(line),
                            format!("`{name}`: say {better}, not {word}"),
                        );
                    }
                }
                if name.starts_with(char::is_uppercase)
                    && let Some(ending) = NO_ENDINGS.iter().find(|ending| name.ends_with(**ending))
                {
                    found.add(
                        source.place(line),
                        format!("`{name}`: `{ending}` says nothing"),
                    );
                }
            }
        }
    }
    found.check();
}

#[test]
fn a_file_is_named_for_what_it_is_for() {
    let mut found = Findings::of("A file is named for what it is for (see `NO_PLACES`).");
    for source in sources()
        .iter()
        .filter(|source| source.path.contains("/src/"))
    {
        let parts: Vec<&str> = source.path.trim_end_matches(".rs").split('/').collect();
        if let Some(name) = NO_PLACES.iter().find(|name| parts.contains(name)) {
            found.add(&source.path, format!("`{name}` says nothing"));
        }
    }
    found.check();
}

#[test]
fn nothing_is_marked_as_undone() {
    let mut found = Findings::of("What is undone is an issue, not a word in the tree.");
    for ending in ["rs", "md", "toml", "sql"] {
        for file in files(ending) {
            for (index, line) in file.text.lines().enumerate() {
                let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
                for (one, other) in UNDONE {
                    let word = format!("{one}{other}");
                    if words.contains(&word.as_str()) {
                        found.add(format!("{}:{}", file.path, index + 1), word);
                    }
                }
            }
        }
    }
    found.check();
}

/// The words of a name, in lower case: of `snake_case`, of `CamelCase` and of `UPPER_CASE`.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let is_upper = name.chars().all(|c| !c.is_lowercase());
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && !is_upper) {
            words.push(String::new());
        }
        if letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_name_is_split_into_its_words() {
    assert_eq!(split("flush_all"), ["flush", "all"]);
    assert_eq!(split("BatchSpec"), ["batch", "spec"]);
    assert_eq!(split("FLUSH_BYTES"), ["flush", "bytes"]);
}
