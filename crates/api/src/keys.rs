//! API keys: what one looks like, what is kept of it, and how the one that a request shows is found.
//!
//! A key is 256 random bits, so nobody can try them all, and a plain SHA-256 of it is safe to keep:
//! the slow hashes that passwords need make up for words that people choose, and here there are
//! none. Looking one up compares its hash with those of all keys in the same time, whichever it is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use overnight_core::id::{Entropy, ProjectId};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// What every key begins with, so that people and scanners know one when they see it.
const KEY_PREFIX: &str = "sk-overnight-";

/// What the text of a hash begins with.
const HASH_PREFIX: &str = "sha256:";

/// A new key: the prefix and 256 random bits as 64 hexadecimal digits. It is shown once, to whoever
/// asked for it; what is kept is its [`KeyHash`].
#[must_use]
pub fn new_key(entropy: &Entropy) -> String {
    format!("{KEY_PREFIX}{:032x}{:032x}", entropy.draw(), entropy.draw())
}

/// What is kept of a key. As text it is `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; SHA256_OUTPUT_LEN]);

impl KeyHash {
    /// The hash of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_PREFIX}***")
    }
}

/// A text that is no hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `sha256:` and 64 hexadecimal digits, as `overnight key new` prints it")]
pub struct NotAHash;

impl FromStr for KeyHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(NotAHash)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex || digits.len() != 2 * SHA256_OUTPUT_LEN {
            return Err(NotAHash);
        }
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(bytes))
    }
}

/// What the holder of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Use the API within the key's project.
    User,
    /// That, and look at everything that is the operator's: `/admin` and `/metrics`.
    Admin,
    /// Read `/metrics` and nothing else.
    Metrics,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Admin, Self::Metrics];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

/// A key, as it is kept.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What people call it; it stands in the log. No two keys have the same.
    pub name: Arc<str>,
    /// The hash of what requests show.
    pub hash: KeyHash,
    /// Whose objects its requests see.
    pub project: ProjectId,
    /// What its requests may do.
    pub role: Role,
}

/// All keys. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<[ApiKey]>);

impl Keyring {
    /// Those keys.
    #[must_use]
    pub fn new(keys: Vec<ApiKey>) -> Self {
        Self(keys.into())
    }

    /// The key that a request shows. The time that this takes depends on how many keys there are and
    /// on the length of what was shown, and not on which key it is or on how much of one it is.
    pub(crate) fn find(&self, shown: &str) -> Option<&ApiKey> {
        let shown = KeyHash::of(shown);
        let mut found = u32::MAX;
        for (place, key) in (0..u32::MAX).zip(self.0.iter()) {
            found.conditional_assign(&place, key.hash.0.ct_eq(&shown.0));
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, secret: &str) -> ApiKey {
        ApiKey {
            name: name.into(),
            hash: KeyHash::of(secret),
            project: ProjectId::default_project(),
            role: Role::User,
        }
    }

    #[test]
    fn a_new_key_spells_out_all_the_bits_that_were_drawn() {
        let drawn = std::sync::atomic::AtomicU64::new(1);
        let entropy = Entropy::new(move || {
            u128::from(drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        });
        let key = new_key(&entropy);
        let digits = key.strip_prefix("sk-overnight-").unwrap();
        assert_eq!(digits, format!("{}1{}2", "0".repeat(31), "0".repeat(31)));
    }

    #[test]
    fn a_hash_is_the_sha256_of_the_key_and_survives_as_text() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of("abc").to_string(), text);
        let read: KeyHash = text
            .to_uppercase()
            .replace("SHA256", "sha256")
            .parse()
            .unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(format!("{read:?}"), "sha256:***");
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let good = KeyHash::of("abc").to_string();
        let bare = good.replace("sha256:", "");
        let short = &good[..good.len() - 1];
        let long = format!("{good}0");
        let signed = good.replace("sha256:ba", "sha256:+a");
        let wide = format!("sha256:{}é", &bare[..62]);
        for text in [bare.as_str(), short, &long, &signed, &wide, "", "sha256:"] {
            assert_eq!(text.parse::<KeyHash>().err(), Some(NotAHash), "{text}");
        }
    }

    #[test]
    fn each_key_is_found_and_nothing_else_is() {
        let ring = Keyring::new(vec![key("a", "one"), key("b", "two"), key("c", "three")]);
        let name = |shown: &str| ring.find(shown).map(|key| key.name.to_string());
        assert_eq!(name("one").as_deref(), Some("a"));
        assert_eq!(name("two").as_deref(), Some("b"));
        assert_eq!(name("three").as_deref(), Some("c"));
        for wrong in ["", "on", "onee", "ONE", &KeyHash::of("one").to_string()] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert!(Keyring::new(Vec::new()).find("").is_none());
    }
}
