//! The same reading of a line by `serde_json`, in two passes: what the walk is compared with.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::request::{Content, Request};
use super::token::{Kind, Token};
use super::{DEPTH_MAX, is_json_object};

/// The values of these keys of an object, in their order; the last one of a repeated key.
///
/// Fails when the text is not one well-formed JSON object.
fn pick<'a, const N: usize>(
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
fn count_inputs(input: Token<'_>) -> u64 {
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
fn is_deeper(value: &str, max: usize) -> bool {
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

/// What is read of a line: the tokens of `custom_id`, `method`, `url` and the body, those of the
/// body's model, stream and content, and the number of its inputs.
type Read<'a> = ([&'a str; 4], [Option<&'a str>; 3], Option<u64>);

/// What reads a line, or the name of what is wrong with it.
fn read<'a>(line: &'a str, content_key: &str) -> Result<Read<'a>, String> {
    let names = ["custom_id", "method", "url", "body"];
    let parts = pick(line, names).map_err(|_| "NotJson")?;
    if parts[3].is_some_and(|body| is_deeper(body.0, DEPTH_MAX)) {
        return Err("TooDeep".to_owned());
    }
    let kinds = [Kind::String, Kind::String, Kind::String, Kind::Object];
    let mut texts = [""; 4];
    for ((text, part), name) in texts.iter_mut().zip(parts).zip(names) {
        *text = part.ok_or_else(|| format!("Missing({name:?})"))?.0;
    }
    for ((text, expected), param) in texts.iter().zip(kinds).zip(names) {
        let got = Token(text).kind();
        if got != expected {
            return Err(format!(
                "WrongType {{ param: {param:?}, expected: {expected:?}, got: {got:?} }}"
            ));
        }
    }
    let checked = pick(texts[3], ["model", "stream", content_key]).map_err(|_| "NotJson")?;
    let inputs = checked[2].map(count_inputs);
    Ok((
        texts,
        checked.map(|token| token.map(|token| token.0)),
        inputs,
    ))
}

/// Fails unless the walk reads the line as `serde_json` does.
fn check(line: &str) -> Result<(), TestCaseError> {
    for content_key in ["messages", "input", ""] {
        let walked = match Request::read(line, content_key) {
            Ok(Request {
                custom_id,
                method,
                url,
                body,
            }) => Ok((
                [custom_id.0, method.0, url.0, body.token.0],
                [
                    body.model.map(|model| model.0),
                    body.stream.map(|stream| stream.0),
                    body.content.map(|content| content.token().0),
                ],
                body.content.map(Content::inputs),
            )),
            Err(fault) => Err(format!("{fault:?}")),
        };
        prop_assert_eq!(walked, read(line, content_key), "{}", line);
    }
    let is_object = pick(line, []).is_ok();
    prop_assert_eq!(is_json_object(line.as_bytes()), is_object, "{}", line);
    Ok(())
}

/// The same cases at every run.
fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(13),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A string's token, whose content is plain, or has something special at any place.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u00e9",
        "\\uD83D\\uDE00",
        "\\ud800",
        "\\uDc00x",
        "\\u0061",
        "\\u12g4",
        "\\u12",
        "\\x",
        "\t",
        "\u{1f}",
        "\u{7f}",
        "\u{e4}",
        "\u{1f600}",
        "[[{",
        "}]\\\\",
    ]);
    let plain = || "[a-z ]{0,20}";
    (plain(), special, plain()).prop_map(|(a, b, c)| format!("\"{a}{b}{c}\""))
}

/// A value, nearly always well-formed.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5e3",
        "1E+9",
        "0.25",
        "1e-2",
        "01",
        "1.",
        "-",
        ".5",
        "1e",
        "nul",
        "True",
        "\"m\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1, 2]",
        "[-1]",
        "[[1],[2]]",
    ]);
    let leaf = prop_oneof![4 => scalar.prop_map(str::to_owned), 3 => text()];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let space = || prop::sample::select(vec!["", "", " ", "\t", "\r", "  \n"]);
        let array = (prop::collection::vec(inner.clone(), 0..5), space());
        let object = (prop::collection::vec((text(), inner), 0..4), space());
        prop_oneof![
            array.prop_map(|(values, space)| {
                let values: Vec<String> =
                    values.iter().map(|v| [space, v, space].concat()).collect();
                format!("[{}]", values.join(","))
            }),
            object.prop_map(|(members, space)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| [space, key, space, ":", space, value, space].concat())
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A line with the four keys among others, in any order, some of them twice.
fn line() -> impl Strategy<Value = String> {
    let members = |known: &[(&'static str, &'static str)]| {
        let keys: Vec<&str> = known.iter().map(|(key, _)| *key).collect();
        let known: Vec<(String, String)> = known
            .iter()
            .map(|(key, value)| (format!("\"{key}\""), (*value).to_owned()))
            .collect();
        let key = prop_oneof![
            3 => prop::sample::select(keys).prop_map(|key| format!("\"{key}\"")),
            1 => text(),
        ];
        let more = prop::collection::vec((key, value()), 0..3);
        (Just(known), more)
            .prop_map(|(known, more)| [known, more].concat())
            .prop_shuffle()
    };
    let join = |members: Vec<(String, String)>| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let body = members(&[
        ("model", "\"m\""),
        ("mess\\u0061ges", "[]"),
        ("stream", "false"),
        ("", "1"),
    ]);
    let line = members(&[
        ("custom_id", "\"a\""),
        ("m\\u0065thod", "\"POST\""),
        ("url", "\"/\""),
    ]);
    let at = any::<Index>();
    (line, body, at).prop_map(move |(mut line, body, at)| {
        let at = at.index(line.len() + 1);
        line.insert(at, ("\"body\"".to_owned(), join(body)));
        join(line)
    })
}

proptest! {
    #![proptest_config(seeded(2_000))]

    #[test]
    fn lines_are_read_as_by_serde_json(line in line()) {
        check(&line)?;
    }

    #[test]
    fn damaged_and_cut_lines_are_read_as_by_serde_json(
        line in line(),
        edits in prop::collection::vec((any::<Index>(), prop::char::range('\0', '\u{ff}')), 0..3),
        end in prop::option::of(any::<Index>()),
    ) {
        let mut letters: Vec<char> = line.chars().collect();
        for (at, letter) in edits {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        let end = end.map_or(letters.len(), |end| end.index(letters.len() + 1));
        check(&letters[..end].iter().collect::<String>())?;
    }

    #[test]
    fn symbols_in_any_order_are_read_as_by_serde_json(
        symbols in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", " ", "\"", "\"\"", "\"url\":", "\"body\":{", "1", "-",
            ".", "e", "true", "null", "\\", "\\u00e4", "\r", "\u{1}", "\u{e4}",
        ]), 0..24),
        in_body in any::<bool>(),
    ) {
        let symbols = symbols.concat();
        check(&symbols)?;
        let open = if in_body { "{\"body\":{\"x\":" } else { "{\"x\":" };
        let close = if in_body { "}}" } else { "}" };
        check(&[open, &symbols, close].concat())?;
    }

    #[test]
    fn nesting_is_read_as_by_serde_json(
        opening in prop::collection::vec(any::<bool>(), 0..700),
        missing in 0_usize..2,
        key in prop::sample::select(vec!["body", "x"]),
        in_body in any::<bool>(),
    ) {
        let mut nested = String::new();
        for is_object in &opening {
            nested.push_str(if *is_object { "{\"[\":" } else { "[" });
        }
        nested.push('1');
        for is_object in opening.iter().rev().skip(missing) {
            nested.push(if *is_object { '}' } else { ']' });
        }
        let nested = if in_body { format!("{{\"input\":{nested}}}") } else { nested };
        let rest = "\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/\"";
        check(&format!("{{\"{key}\":{nested},{rest}}}"))?;
    }
}
