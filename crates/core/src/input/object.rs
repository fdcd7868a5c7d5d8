//! Picks a few values out of a JSON object, as tokens, and skips the rest.
//!
//! A line is read so for its four keys, and its body for the few that are checked. Everything else
//! is only walked over: serde's skipping neither recurses nor allocates by the size of a value.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::token::{Kind, Token};

/// The values of these keys of an object, in their order; the last one of a repeated key.
///
/// Fails when the text is not one well-formed JSON object.
pub(super) fn pick<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<Token<'a>>; N], serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let picked = deserializer.deserialize_map(Picker { names })?;
    deserializer.end()?;
    Ok(picked)
}

struct Picker<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'de, const N: usize> Visitor<'de> for Picker<'_, N> {
    type Value = [Option<Token<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = [None; N];
        while let Some(place) = map.next_key_seed(KeyOf(&self.names))? {
            match place.and_then(|place| picked.get_mut(place)) {
                Some(slot) => *slot = Some(Token(map.next_value::<&'de RawValue>()?.get())),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(picked)
    }
}

/// Reads a key as its place among the names.
struct KeyOf<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> serde::de::DeserializeSeed<'de> for KeyOf<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        // As bytes, because as text a key with an unpaired surrogate would be an error.
        key.deserialize_bytes(self)
    }
}

impl<const N: usize> Visitor<'_> for KeyOf<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| name.as_bytes() == key))
    }
}

/// How many inputs the `input` of an embeddings request holds: a text or a list of token numbers is
/// one, a list of those is as many as it has elements.
pub(super) fn count_inputs(input: Token<'_>) -> u64 {
    if input.kind() != Kind::Array {
        return 1;
    }
    let first = input.0.get(1..).unwrap_or_default().trim_start();
    if first.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return 1;
    }
    serde_json::from_str::<Elements>(input.0).map_or(1, |elements| elements.0)
}

/// The number of elements of an array.
struct Elements(u64);

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(array: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements, A::Error> {
                let mut count = 0;
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Elements(count))
            }
        }
        array.deserialize_seq(Counter)
    }
}

/// Whether more than `max` arrays and objects lie inside each other in a well-formed value.
pub(super) fn is_deeper(value: &str, max: usize) -> bool {
    let bytes = value.as_bytes();
    // Most bodies have fewer of both than the maximum, texts included, and so cannot be too deep.
    let opening = memchr::memchr2_iter(b'[', b'{', bytes)
        .take(max + 1)
        .count();
    opening > max && depth(bytes) > max
}

/// How many arrays and objects lie inside each other, at most.
fn depth(value: &[u8]) -> usize {
    let (mut deepest, mut open) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in value {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(object: &str) -> Option<[Option<&str>; 2]> {
        pick(object, ["a", "b"])
            .ok()
            .map(|tokens| tokens.map(|token| token.map(|token| token.0)))
    }

    #[test]
    fn values_are_picked_as_they_stand() {
        let object = r#" { "b" : [1, {"a":2}] , "c":{"a":3}, "a":"x\n" } "#;
        assert_eq!(
            picked(object),
            Some([Some(r#""x\n""#), Some(r#"[1, {"a":2}]"#)])
        );
        assert_eq!(picked("{}"), Some([None, None]));
    }

    #[test]
    fn brackets_in_texts_neither_open_nor_close() {
        let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(4), "]".repeat(4));
        assert_eq!(depth(nested("").as_bytes()), 4);
        assert_eq!(depth(nested(r#""[[{{""#).as_bytes()), 4);
        assert_eq!(depth(nested(r#""]]}\"]", [1]"#).as_bytes()), 5);
        assert!(is_deeper(&nested(r#""]]}}", [1]"#), 4));
        assert!(!is_deeper(&nested(r#""[[""#), 4));
    }

    #[test]
    fn the_last_of_a_repeated_key_wins() {
        assert_eq!(
            picked(r#"{"a":1,"b":2,"\u0061":3}"#),
            Some([Some("3"), Some("2")])
        );
    }

    #[test]
    fn what_is_not_one_object_fails() {
        for text in [
            "",
            "1",
            "[]",
            "null",
            r#""a""#,
            "{",
            "{}{}",
            "{} x",
            r#"{"a":}"#,
            "{'a':1}",
        ] {
            assert_eq!(picked(text), None, "{text}");
        }
        assert_eq!(picked("{\"a\":\"raw \n line end\"}"), None);
        assert_eq!(picked("{\"c\":\"raw \u{1} control\"}"), None);
    }

    #[test]
    fn keys_and_values_may_have_unpaired_surrogates() {
        assert_eq!(
            picked(r#"{"\ud800":1,"a":"\ud800"}"#),
            Some([Some(r#""\ud800""#), None])
        );
    }

    #[test]
    fn deep_nesting_neither_overflows_the_stack_nor_hides() {
        let deep = "[".repeat(200_000);
        assert_eq!(picked(&deep), None);
        assert_eq!(picked(&format!(r#"{{"a":{deep}"#)), None);
        assert_eq!(picked(&format!(r#"{{"x":{deep}"#)), None);
        let closed = format!("{deep}{}", "]".repeat(200_000));
        assert!(picked(&format!(r#"{{"a":{closed}}}"#)).is_some());
        assert!(picked(&format!(r#"{{"x":{closed}}}"#)).is_some());
        assert!(is_deeper(&closed, 199_999));
        assert!(!is_deeper(&closed, 200_000));
    }

    #[test]
    fn only_nesting_counts_as_depth() {
        assert!(!is_deeper(&format!("[{}1]", "[],{},".repeat(1_000)), 2));
        assert!(!is_deeper(r#"["[[[[[[", "\"[[[[[[", "\\", [1]]"#, 2));
        assert!(is_deeper(r#"["\\",[[1]]]"#, 2));
    }

    #[test]
    fn inputs_are_texts_or_lists_of_token_numbers() {
        let inputs = [
            (r#""text""#, 1),
            (r#"["a","b"]"#, 2),
            ("[ 1, 2, 3]", 1),
            ("[[1,2],[3]]", 2),
            ("[ ]", 0),
            ("[\"[1]\" , \"b\"]", 2),
            ("{}", 1),
        ];
        for (input, count) in inputs {
            assert_eq!(count_inputs(Token(input)), count, "{input}");
        }
    }
}
