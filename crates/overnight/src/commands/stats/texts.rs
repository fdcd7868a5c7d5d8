//! How much text of a body a model gets to read: every string but names, and but media.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Keys whose strings are not read by a model.
const NAMES: [&str; 9] = [
    "model",
    "role",
    "type",
    "id",
    "user",
    "detail",
    "service_tier",
    "encoding_format",
    "format",
];

/// What media within a body begin with.
const MEDIA: &str = "data:";

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    /// Characters of texts.
    pub(super) characters: u64,
    /// Bytes of media, as they stand in the body.
    pub(super) media_bytes: u64,
}

/// Counts the texts of a body; those up to where it stops being JSON.
pub(super) fn characters(body: &str) -> Texts {
    let mut texts = Texts::default();
    let mut reader = serde_json::Deserializer::from_str(body);
    // What is no JSON is told about elsewhere.
    let _ = reader.deserialize_any(Counting(&mut texts));
    texts
}

struct Counting<'t>(&'t mut Texts);

impl<'de> serde::de::DeserializeSeed<'de> for Counting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counting<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if text.starts_with(MEDIA) {
            self.0.media_bytes += text.len() as u64;
        } else {
            self.0.characters += text.chars().count() as u64;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Counting(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if NAMES.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Counting(&mut *self.0))?;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_and_names_are_not() {
        let body = r#"{"model":"sim","max_tokens":5,"messages":[{"role":"user","content":"höre"},
            {"role":"user","content":[{"type":"text","text":"ab"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#;
        let expected = Texts {
            characters: 6,
            media_bytes: 26,
        };
        assert_eq!(characters(body), expected);
        assert_eq!(characters("{\"input\":[\"ab\",\"c\"").characters, 3);
    }
}
