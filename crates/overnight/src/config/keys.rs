//! The API keys, as the configuration names them: what is set is a hash, never a key.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use overnight_api::{KeyHash, Role};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::setting::{Entry, Setting, join, quote, section, value};

/// What a hash is shown as. It gives nothing away, and yet nobody needs to see it.
const MASK: &str = "sha256:***";

/// What every key begins with: somebody who sets a hash to this has set a key.
const KEY_BEGINNING: &str = "sk-";

section! {
    /// One API key.
    KeySection {
        /// What the key is called, in the log; no two keys have the same name.
        name: String = String::new();
        /// The hash of the key: `sha256:` and 64 hexadecimal digits, as `overnight key new` prints it.
        hash: HashText = HashText::default();
        /// The project whose files and batches the key sees.
        project: String = "default".to_owned();
        /// What the key may do: `user` (the API, within its project), `admin` (`/admin` and `/metrics` as well) or
        /// `metrics` (`/metrics` alone).
        role: RoleName = RoleName(Role::User);
    }
}

/// A hash as it was written, which may be anything: the key itself, by mistake. It is shown masked.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct HashText(pub(crate) String);

impl fmt::Debug for HashText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// A role by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoleName(pub(crate) Role);

/// The words of all roles.
const ROLES: [&str; 3] = [
    Role::User.as_str(),
    Role::Admin.as_str(),
    Role::Metrics.as_str(),
];

impl FromStr for RoleName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
        role.map(Self)
            .ok_or_else(|| format!("must be one of {}", ROLES.join(", ")))
    }
}

impl<'de> Deserialize<'de> for RoleName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let role = word.parse();
        role.map_err(|_| de::Error::unknown_variant(&word, &ROLES))
    }
}

value!(HashText, "hash", |_: &HashText| quote(MASK));
value!(
    RoleName,
    "`user`, `admin` or `metrics`",
    |role: &RoleName| { quote(role.0.as_str()) }
);

/// The list of keys: `[[keys]]` tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(pub(crate) Vec<KeySection>);

impl Setting for Keys {
    fn list(&self, key: &str, meaning: &str, entries: &mut Vec<Entry>) {
        for (index, section) in self.0.iter().enumerate() {
            section.list(&join(key, &index.to_string()), meaning, entries);
        }
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of `[[keys]]` tables")
    }

    /// A text here may be a key: it is not repeated.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Keys, E> {
        Err(E::custom("must be a list of `[[keys]]` tables, not a text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = list.next_element()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(KeysVisitor)
    }
}

impl Keys {
    /// Everything that is wrong with them, as keys of the configuration and messages.
    pub(crate) fn check(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let (mut names, mut hashes) = (BTreeSet::new(), BTreeSet::new());
        for (index, key) in self.0.iter().enumerate() {
            let at = format!("keys.{index}");
            if key.name.is_empty() {
                let message = "has no `name`: say what the key is called in the log";
                found.push((at.clone(), message.to_owned()));
            } else if !names.insert(&key.name) {
                let message = format!("\"{}\" is the name of another key", key.name);
                found.push((format!("{at}.name"), message));
            }
            match checked_hash(&key.hash) {
                Ok(hash) if !hashes.insert(hash.to_string()) => {
                    let message = "is the hash of another key as well".to_owned();
                    found.push((format!("{at}.hash"), message));
                }
                Ok(_) => {}
                Err(message) if key.hash.0.is_empty() => found.push((at.clone(), message)),
                Err(message) => found.push((format!("{at}.hash"), message)),
            }
            if let Err(message) = check_project(&key.project) {
                found.push((format!("{at}.project"), message));
            }
        }
        found
    }
}

fn checked_hash(text: &HashText) -> Result<KeyHash, String> {
    if text.0.is_empty() {
        return Err("has no `hash`: `overnight key new` makes a key and prints it".to_owned());
    }
    if text.0.starts_with(KEY_BEGINNING) {
        return Err(
            "is a key and not the hash of one: it stands in a file now, so make another with \
             `overnight key new`, and set the hash that it prints"
                .to_owned(),
        );
    }
    text.0.parse().map_err(|wrong| format!("{wrong}"))
}

/// The longest name of a project.
const PROJECT_CHARS_MAX: usize = 64;

/// Whether a project's name can be used: it stands in headers and logs.
///
/// # Errors
///
/// What it must be.
pub(crate) fn check_project(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > PROJECT_CHARS_MAX || !name.bytes().all(is_plain) {
        return Err(format!(
            "must be 1 to {PROJECT_CHARS_MAX} letters, digits, dots, hyphens and underscores"
        ));
    }
    Ok(())
}
