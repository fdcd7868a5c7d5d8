//! The key that a request shows, in each of the ways in which clients send one: the SDKs as a bearer
//! token, people with a browser or curl as the password of HTTP Basic, Azure's clients in a header
//! of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// How many characters of a wrong key's beginning its refusal repeats.
const SHOWN_FIRST: usize = 8;

/// How many of its end.
const SHOWN_LAST: usize = 4;

/// The fewest characters of a key of which parts are repeated: fewer would be most of it.
const SHOWN_LEAST: usize = 20;

/// What a request shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// An `Authorization` that is neither of the two forms.
    Unreadable,
    /// This key, right or wrong.
    Key(String),
}

impl Credential {
    /// Reads the headers. `Authorization` counts before `api-key`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next()) {
            (None, _) => headers.get(API_KEY).map_or(Self::None, |value| {
                value.to_str().map_or(Self::Unreadable, Self::shown)
            }),
            (Some(value), None) => value.to_str().map_or(Self::Unreadable, authorization),
            // Two of them could be read in two ways.
            (Some(_), Some(_)) => Self::Unreadable,
        }
    }

    /// A key, unless it is empty.
    fn shown(key: &str) -> Self {
        match key.trim() {
            "" => Self::None,
            key => Self::Key(key.to_owned()),
        }
    }
}

/// Reads `Bearer KEY` and `Basic base64(anything:KEY)`, the scheme in any case.
fn authorization(value: &str) -> Credential {
    let value = value.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Credential::shown(rest);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Credential::Unreadable;
    }
    let decoded = STANDARD.decode(rest.trim()).ok();
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((_, password)) => Credential::shown(password),
        None => Credential::Unreadable,
    }
}

/// A wrong key as its sender may see it again: enough to know which it was, too little to be one.
pub(crate) fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() < SHOWN_LEAST {
        return "***".to_owned();
    }
    let first = letters.iter().take(SHOWN_FIRST);
    let last = letters.iter().skip(letters.len() - SHOWN_LAST);
    first.chain(['.'; 3].iter()).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(headers: &[(&'static str, &str)]) -> Credential {
        let pairs = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        });
        Credential::of(&pairs.collect())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_key_is_read_in_each_of_its_forms() {
        let key = Credential::Key("sk-1".to_owned());
        for value in ["Bearer sk-1", "bearer sk-1", "BEARER   sk-1 "] {
            assert_eq!(shown(&[("authorization", value)]), key, "{value}");
        }
        for pair in [":sk-1", "me:sk-1"] {
            assert_eq!(shown(&[("authorization", &basic(pair))]), key, "{pair}");
            let value = basic(pair).replace("Basic", "bASIC");
            assert_eq!(shown(&[("authorization", &value)]), key, "{value}");
        }
        assert_eq!(shown(&[("api-key", "sk-1")]), key);
        let both = [("authorization", "Bearer sk-1"), ("api-key", "sk-2")];
        assert_eq!(shown(&both), key);
        let colon = Credential::Key("a:b".to_owned());
        assert_eq!(shown(&[("authorization", &basic(":a:b"))]), colon);
    }

    #[test]
    fn nothing_and_an_empty_key_are_no_key() {
        assert_eq!(shown(&[]), Credential::None);
        assert_eq!(shown(&[("api-key", " ")]), Credential::None);
        for value in ["Bearer", "Bearer ", &basic("me:")] {
            assert_eq!(
                shown(&[("authorization", value)]),
                Credential::None,
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_neither_form_is_unreadable() {
        for value in [
            "sk-1",
            "Digest sk-1",
            "Basic",
            "Basic !!!",
            &format!("Basic {}", STANDARD.encode("no colon")),
            &format!("Basic {}", STANDARD.encode(b"\xff:\xff")),
            "Bearer \u{e9}",
        ] {
            assert_eq!(
                shown(&[("authorization", value)]),
                Credential::Unreadable,
                "{value}"
            );
        }
        let mut two = HeaderMap::new();
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer sk-1"));
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer sk-2"));
        assert_eq!(Credential::of(&two), Credential::Unreadable);
    }

    #[test]
    fn the_middle_of_a_wrong_key_is_masked() {
        let key = format!("sk-proj-{}sQoA", "x".repeat(40));
        assert_eq!(masked(&key), "sk-proj-...sQoA");
        assert_eq!(masked(&"k".repeat(19)), "***");
        assert_eq!(
            masked(&"é".repeat(20)),
            format!("{}...{}", "é".repeat(8), "é".repeat(4))
        );
    }
}
