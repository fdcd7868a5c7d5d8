//! How much a request brings: token counts of texts, and the items of an input.
//!
//! There is no tokenizer: a token is four bytes of text, rounded up, which is about what English
//! has; a number in a token array is one token.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ask::{Kind, kind, wrong_type};
use crate::reply::Refusal;

/// The most items of one input: `OpenAI`'s own bound.
pub(crate) const INPUTS_MAX: usize = 2048;

/// What a request cost, as engines count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    /// Whether a limit ended any of its texts.
    pub(crate) cut: bool,
}

impl Usage {
    pub(crate) fn total(self) -> u64 {
        self.prompt + self.completion
    }
}

/// The tokens of a value: of all the texts and numbers in it, at any depth; at least 1.
pub(crate) fn tokens(raw: &RawValue) -> Result<u64, Refusal> {
    let mut meter = Meter::default();
    let mut json = serde_json::Deserializer::from_str(raw.get());
    meter.deserialize_into(&mut json)?;
    Ok(meter.tokens())
}

/// The tokens of a chat's messages, which must be objects with a role, at least one.
pub(crate) fn messages_tokens(raw: &RawValue) -> Result<u64, Refusal> {
    if kind(raw) != Kind::Array {
        return Err(wrong_type(raw, "messages", "an array of objects"));
    }
    let mut meter = Meter::default();
    let mut roles = Roles::default();
    let mut json = serde_json::Deserializer::from_str(raw.get());
    json.deserialize_seq(Messages {
        meter: &mut meter,
        roles: &mut roles,
    })
    .map_err(|_| Refusal::not_json())?;
    match roles {
        Roles { count: 0, .. } => Err(Refusal::wrong_value(
            "messages",
            "it must have at least one message.",
        )),
        Roles {
            bad: Some(Bad::NotObject(at)),
            ..
        } => Err(Refusal::wrong_type(
            &format!("messages[{at}]"),
            "an object",
            "another type",
        )),
        Roles {
            bad: Some(Bad::NoRole(at)),
            ..
        } => Err(Refusal::missing(&format!("messages[{at}].role"))),
        Roles { bad: None, .. } => Ok(meter.tokens()),
    }
}

/// The items of an `input` or `prompt`: a string or a token array is one, an array of either has
/// as many as it has members.
pub(crate) fn items<'a>(raw: &'a RawValue, name: &str) -> Result<Vec<&'a RawValue>, Refusal> {
    const EXPECTED: &str = "a string, an array of strings, or arrays of tokens";
    let expected = || wrong_type(raw, name, EXPECTED);
    match kind(raw) {
        Kind::Text => return Ok(vec![raw]),
        Kind::Array => {}
        Kind::Number | Kind::Bool | Kind::Object => return Err(expected()),
    }
    if is_token_array(raw) {
        return Ok(vec![raw]);
    }
    let members = list(raw, name)?;
    if let Some(other) = members
        .iter()
        .find(|member| kind(member) != Kind::Text && !is_token_array(member))
    {
        return Err(wrong_type(other, name, EXPECTED));
    }
    Ok(members)
}

/// The members of an array of one to [`INPUTS_MAX`].
pub(crate) fn list<'a>(raw: &'a RawValue, name: &str) -> Result<Vec<&'a RawValue>, Refusal> {
    let members: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| wrong_type(raw, name, "an array"))?;
    if members.is_empty() || members.len() > INPUTS_MAX {
        let message = format!("it must have from 1 to {INPUTS_MAX} members.");
        return Err(Refusal::wrong_value(name, &message));
    }
    Ok(members)
}

fn is_token_array(raw: &RawValue) -> bool {
    kind(raw) == Kind::Array
        && raw.get() != "[]"
        && serde_json::from_str::<Vec<u32>>(raw.get()).is_ok_and(|tokens| !tokens.is_empty())
}

/// Adds up texts and numbers.
#[derive(Debug, Default)]
struct Meter {
    text_bytes: u64,
    numbers: u64,
}

impl Meter {
    fn tokens(&self) -> u64 {
        (self.text_bytes.div_ceil(4) + self.numbers).max(1)
    }

    fn deserialize_into<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), Refusal> {
        // The text was read as JSON before, so what is left to fail is nesting that is too deep.
        Measured(self)
            .deserialize(json)
            .map_err(|_| Refusal::not_json())
    }
}

struct Measured<'m>(&'m mut Meter);

impl<'de> DeserializeSeed<'de> for Measured<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measured<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text_bytes += text.len() as u64;
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.0.numbers += 1;
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.0.numbers += 1;
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.numbers += 1;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_element_seed(Measured(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Measured(&mut *self.0))?;
        }
        Ok(())
    }
}

/// What a list of messages has, and the first thing that is wrong with it.
#[derive(Debug, Default)]
struct Roles {
    count: usize,
    bad: Option<Bad>,
}

#[derive(Debug)]
enum Bad {
    NotObject(usize),
    NoRole(usize),
}

struct Messages<'m> {
    meter: &'m mut Meter,
    roles: &'m mut Roles,
}

impl<'de> Visitor<'de> for Messages<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(message) = members.next_element::<&RawValue>()? {
            let at = self.roles.count;
            self.roles.count += 1;
            if kind(message) != Kind::Object {
                self.roles.bad.get_or_insert(Bad::NotObject(at));
                continue;
            }
            let mut json = serde_json::Deserializer::from_str(message.get());
            let has_role = json
                .deserialize_map(Message(&mut *self.meter))
                .map_err(serde::de::Error::custom)?;
            if !has_role {
                self.roles.bad.get_or_insert(Bad::NoRole(at));
            }
        }
        Ok(())
    }
}

/// Measures a message without its role, and says whether it has one.
struct Message<'m>(&'m mut Meter);

impl<'de> Visitor<'de> for Message<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut has_role = false;
        while let Some(is_role) = map.next_key::<IsRole>()? {
            if is_role.0 {
                has_role = map
                    .next_value::<&RawValue>()
                    .map(|role| kind(role) == Kind::Text)?;
            } else {
                map.next_value_seed(Measured(&mut *self.0))?;
            }
        }
        Ok(has_role)
    }
}

struct IsRole(bool);

impl<'de> serde::Deserialize<'de> for IsRole {
    fn deserialize<D: Deserializer<'de>>(key: D) -> Result<Self, D::Error> {
        key.deserialize_str(IsRoleVisitor)
    }
}

struct IsRoleVisitor;

impl Visitor<'_> for IsRoleVisitor {
    type Value = IsRole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<IsRole, E> {
        Ok(IsRole(key == "role"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn four_bytes_of_text_are_a_token_and_so_is_a_number() {
        for (json, count) in [
            (r#""""#, 1),
            (r#""abcd""#, 1),
            (r#""abcde""#, 2),
            ("[1,2,3]", 3),
            (r#"[{"type":"text","text":"abcd"}]"#, 2),
            (r#"{"a":{"b":["abcdefgh",true,null]}}"#, 2),
        ] {
            assert_eq!(tokens(&raw(json)).unwrap(), count, "{json}");
        }
    }

    #[test]
    fn messages_are_counted_without_their_roles() {
        let two = r#"[{"role":"system","content":"abcd"},{"role":"user","content":"abcd"}]"#;
        assert_eq!(messages_tokens(&raw(two)).unwrap(), 2);
    }

    #[test]
    fn messages_that_are_none_are_named() {
        for (json, named) in [
            ("[]", "'messages'"),
            ("{}", "'messages'"),
            (r#"[{"role":"user"},"hello"]"#, "'messages[1]'"),
            (r#"[{"content":"hello"}]"#, "'messages[0].role'"),
            (r#"[{"role":1}]"#, "'messages[0].role'"),
        ] {
            let refusal = format!("{:?}", messages_tokens(&raw(json)).unwrap_err());
            assert!(refusal.contains(named), "{json}: {refusal}");
        }
    }

    #[test]
    fn an_input_is_one_item_or_many() {
        for (json, count) in [
            (r#""one""#, 1),
            ("[1, 2, 3]", 1),
            (r#"["one", "two"]"#, 2),
            ("[[1, 2], [3]]", 2),
        ] {
            assert_eq!(items(&raw(json), "input").unwrap().len(), count, "{json}");
        }
    }

    #[test]
    fn an_input_of_other_things_is_refused() {
        let long = format!("[{}\"a\"]", "\"a\",".repeat(INPUTS_MAX));
        for json in [
            "[]",
            "{}",
            "1",
            r#"["a", 1]"#,
            "[[]]",
            "[1.5]",
            "[null]",
            long.as_str(),
        ] {
            assert!(items(&raw(json), "input").is_err(), "{json:.40}");
        }
    }
}
