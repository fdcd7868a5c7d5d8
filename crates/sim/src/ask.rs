//! A request's body, looked into without building it: one pass that borrows the few fields an
//! engine needs and skips the rest. Where a key comes twice, the last one counts, as in Python.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::draw::OutputLimit;
use crate::faults::Fault;
use crate::reply::Refusal;
use crate::settings::OUTPUT_TOKENS_MAX;

/// A field's raw JSON; `None` when it is absent or null.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// The fields of a request.
#[derive(Debug, Default)]
pub(crate) struct Ask<'a> {
    model: Option<Cow<'a, str>>,
    metadata: Metadata<'a>,
    fields: Fields<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    model: Raw<'a>,
    stream: Raw<'a>,
    n: Raw<'a>,
    ignore_eos: Raw<'a>,
    user: Raw<'a>,
    metadata: Raw<'a>,
    pub(crate) messages: Raw<'a>,
    pub(crate) prompt: Raw<'a>,
    pub(crate) input: Raw<'a>,
    pub(crate) instructions: Raw<'a>,
    pub(crate) query: Raw<'a>,
    pub(crate) documents: Raw<'a>,
    pub(crate) text_1: Raw<'a>,
    pub(crate) text_2: Raw<'a>,
    pub(crate) top_n: Raw<'a>,
    pub(crate) max_tokens: Raw<'a>,
    pub(crate) max_completion_tokens: Raw<'a>,
    pub(crate) max_output_tokens: Raw<'a>,
    pub(crate) dimensions: Raw<'a>,
    pub(crate) encoding_format: Raw<'a>,
}

/// What the simulator itself reads from `metadata`.
#[derive(Debug, Default)]
struct Metadata<'a> {
    line: Raw<'a>,
    fault: Raw<'a>,
}

impl<'a> Ask<'a> {
    /// Looks into a body.
    ///
    /// # Errors
    ///
    /// The refusal of a body that is no JSON object in UTF-8, or whose `model` is no text.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = simdutf8::basic::from_utf8(body).map_err(|_| Refusal::not_json())?;
        let mut fields = Fields::default();
        read_object(text, &mut fields).map_err(|_| Refusal::not_json())?;
        let model = fields
            .model
            .map(|raw| read_text(raw, "model"))
            .transpose()?;
        let mut metadata = Metadata::default();
        if let Some(raw) = fields.metadata {
            read_object(raw.get(), &mut metadata)
                .map_err(|_| wrong_type(raw, "metadata", "an object"))?;
        }
        Ok(Self {
            model,
            metadata,
            fields,
        })
    }

    pub(crate) fn fields(&self) -> &Fields<'a> {
        &self.fields
    }

    pub(crate) fn model_name(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The body's `user`, if it is a text.
    pub(crate) fn user_name(&self) -> Option<String> {
        self.fields
            .user
            .and_then(|raw| read_text(raw, "user").ok())
            .map(Cow::into_owned)
    }

    /// The body's `metadata.line`, a text or a number.
    pub(crate) fn line_name(&self) -> Option<String> {
        let raw = self.metadata.line?;
        match kind(raw) {
            Kind::Text => read_text(raw, "metadata.line").ok().map(Cow::into_owned),
            Kind::Number => Some(raw.get().to_owned()),
            Kind::Bool | Kind::Array | Kind::Object => None,
        }
    }

    /// The fault that the body asks for at every attempt, by `metadata.fault`.
    pub(crate) fn fault(&self) -> Result<Option<Fault>, Refusal> {
        let Some(raw) = self.metadata.fault else {
            return Ok(None);
        };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| {
            let known = "it must be one of error, timeout, cut, garbage and busy.";
            Refusal::wrong_value("metadata.fault", known)
        })
    }

    /// Refuses `stream: true`.
    pub(crate) fn check_stream(&self) -> Result<(), Refusal> {
        if read_bool(self.fields.stream, "stream")? {
            return Err(Refusal::no_streaming());
        }
        Ok(())
    }

    /// How many answers to each prompt: `n`, from 1 to `most`.
    pub(crate) fn choices(&self, most: u64) -> Result<u64, Refusal> {
        Ok(read_integer(self.fields.n, "n", 1, most)?.unwrap_or(1))
    }

    /// The length that the request allows, by the first of the named fields that is there.
    pub(crate) fn output_limit(
        &self,
        named: &[(&'static str, Raw<'a>)],
    ) -> Result<OutputLimit, Refusal> {
        let ignore_eos = read_bool(self.fields.ignore_eos, "ignore_eos")?;
        for &(name, raw) in named {
            if let Some(most) = read_integer(raw, name, 1, u64::from(u32::MAX))? {
                let bound = u64::from(OUTPUT_TOKENS_MAX);
                return Ok(if ignore_eos {
                    OutputLimit::Exactly(most.min(bound))
                } else {
                    OutputLimit::AtMost(most)
                });
            }
        }
        Ok(OutputLimit::None)
    }
}

impl<'a> Slots<'a> for Fields<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Raw<'a>> {
        Some(match key {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "max_tokens" => &mut self.max_tokens,
            "max_completion_tokens" => &mut self.max_completion_tokens,
            "max_output_tokens" => &mut self.max_output_tokens,
            "stream" => &mut self.stream,
            "n" => &mut self.n,
            "ignore_eos" => &mut self.ignore_eos,
            "user" => &mut self.user,
            "metadata" => &mut self.metadata,
            "prompt" => &mut self.prompt,
            "input" => &mut self.input,
            "instructions" => &mut self.instructions,
            "query" => &mut self.query,
            "documents" => &mut self.documents,
            "text_1" => &mut self.text_1,
            "text_2" => &mut self.text_2,
            "top_n" => &mut self.top_n,
            "dimensions" => &mut self.dimensions,
            "encoding_format" => &mut self.encoding_format,
            _ => return None,
        })
    }
}

impl<'a> Slots<'a> for Metadata<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Raw<'a>> {
        match key {
            "line" => Some(&mut self.line),
            "fault" => Some(&mut self.fault),
            _ => None,
        }
    }
}

/// What a raw value is, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Bool,
    Array,
    Object,
}

impl Kind {
    pub(crate) fn named(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

pub(crate) fn kind(raw: &RawValue) -> Kind {
    match raw.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'[') => Kind::Array,
        Some(b'{') => Kind::Object,
        Some(b't' | b'f' | b'n') | None => Kind::Bool,
        Some(_) => Kind::Number,
    }
}

pub(crate) fn wrong_type(raw: &RawValue, name: &str, expected: &str) -> Refusal {
    Refusal::wrong_type(name, expected, kind(raw).named())
}

/// The text of a raw value; borrowed, unless it has escapes.
pub(crate) fn read_text<'a>(raw: &'a RawValue, name: &str) -> Result<Cow<'a, str>, Refusal> {
    let refuse = |_| wrong_type(raw, name, "a string");
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get())
            .map(Cow::Owned)
            .map_err(refuse),
    }
}

fn read_bool(raw: Raw<'_>, name: &str) -> Result<bool, Refusal> {
    match raw.map(|raw| (raw, raw.get())) {
        None | Some((_, "false")) => Ok(false),
        Some((_, "true")) => Ok(true),
        Some((raw, _)) => Err(wrong_type(raw, name, "a boolean")),
    }
}

/// An integer within its bounds, if there is one.
pub(crate) fn read_integer(
    raw: Raw<'_>,
    name: &str,
    least: u64,
    most: u64,
) -> Result<Option<u64>, Refusal> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    if kind(raw) != Kind::Number {
        return Err(wrong_type(raw, name, "an integer"));
    }
    match raw.get().parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => {
            let message = format!("it must be an integer from {least} to {most}.");
            Err(Refusal::wrong_value(name, &message))
        }
    }
}

/// An object of which some keys are kept.
trait Slots<'a> {
    /// Where the value of this key goes, or `None` to skip it.
    fn slot(&mut self, key: &str) -> Option<&mut Raw<'a>>;
}

/// Walks an object once, putting the values of known keys into their slots.
fn read_object<'a>(json: &'a str, slots: &mut impl Slots<'a>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    json.deserialize_map(ObjectVisitor(slots))?;
    json.end()
}

struct ObjectVisitor<'s, S>(&'s mut S);

impl<'de, S: Slots<'de>> Visitor<'de> for ObjectVisitor<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(slot) = map.next_key_seed(SlotOf(&mut *self.0))? {
            match slot {
                Some(slot) => *slot = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a key and finds its slot.
struct SlotOf<'s, S>(&'s mut S);

impl<'de: 's, 's, S: Slots<'de>> DeserializeSeed<'de> for SlotOf<'s, S> {
    type Value = Option<&'s mut Raw<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'de: 's, 's, S: Slots<'de>> Visitor<'de> for SlotOf<'s, S> {
    type Value = Option<&'s mut Raw<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Ask<'_>, Refusal> {
        Ask::read(body.as_bytes())
    }

    #[test]
    fn the_last_of_equal_keys_counts_and_escapes_are_read() {
        let ask = read(r#"{"model":"a","x":[{"model":"c"}],"mod\u0065l":"b\u0021"}"#).unwrap();
        assert_eq!(ask.model_name(), Some("b!"));
    }

    #[test]
    fn null_is_absent() {
        let ask = read(r#"{"model":null,"max_tokens":null,"stream":null}"#).unwrap();
        assert_eq!(ask.model_name(), None);
        ask.check_stream().unwrap();
    }

    #[test]
    fn what_is_no_object_in_utf8_is_refused() {
        let deep = format!("{{\"a\":{}1", "[".repeat(200_000));
        for body in ["", "[]", "1", "{", "{} {}", r#"{"a":1,}"#, deep.as_str()] {
            assert_eq!(read(body).unwrap_err(), Refusal::not_json(), "{body:.20}");
        }
        assert_eq!(
            Ask::read(b"{\"a\":\"\xff\"}").unwrap_err(),
            Refusal::not_json()
        );
    }

    #[test]
    fn fields_of_the_wrong_type_are_named() {
        let refusal = |got: Result<(), Refusal>| got.unwrap_err();
        let model = read(r#"{"model":7}"#).map(drop);
        assert_eq!(
            refusal(model),
            Refusal::wrong_type("model", "a string", "a number")
        );
        let stream = read(r#"{"stream":"yes"}"#).unwrap().check_stream();
        assert_eq!(
            refusal(stream),
            Refusal::wrong_type("stream", "a boolean", "a string")
        );
        let metadata = read(r#"{"metadata":[]}"#).map(drop);
        assert_eq!(
            refusal(metadata),
            Refusal::wrong_type("metadata", "an object", "an array")
        );
    }

    #[test]
    fn numbers_outside_of_their_bounds_are_refused() {
        for (body, fits) in [
            (r#"{"n":1}"#, true),
            (r#"{"n":4}"#, true),
            (r#"{"n":0}"#, false),
            (r#"{"n":5}"#, false),
            (r#"{"n":-1}"#, false),
            (r#"{"n":1.0}"#, false),
            (r#"{"n":"1"}"#, false),
        ] {
            assert_eq!(read(body).unwrap().choices(4).is_ok(), fits, "{body}");
        }
    }

    #[test]
    fn the_log_finds_user_and_line() {
        let ask = read(r#"{"user":"u","metadata":{"line":17,"fault":"cut"}}"#).unwrap();
        assert_eq!(ask.user_name().as_deref(), Some("u"));
        assert_eq!(ask.line_name().as_deref(), Some("17"));
        assert_eq!(ask.fault(), Ok(Some(Fault::Cut)));
        let ask = read(r#"{"metadata":{"line":"a","fault":"rain"}}"#).unwrap();
        assert_eq!(ask.line_name().as_deref(), Some("a"));
        assert!(ask.fault().is_err());
    }
}
