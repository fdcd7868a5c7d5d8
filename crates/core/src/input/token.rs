//! The raw token of a JSON value, looked at without building anything.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Visitor};

use super::fault::Fault;

/// The bytes of one well-formed JSON value, without whitespace around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a>(pub(super) &'a str);

/// What kind of value a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Integer,
    Decimal,
    Array,
    Object,
    Boolean,
    Null,
}

impl Kind {
    /// The words of the wire's messages.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal number",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Boolean => "a boolean",
            Self::Null => "null",
        }
    }
}

impl<'a> Token<'a> {
    pub(super) fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) if self.0.contains(['.', 'e', 'E']) => Kind::Decimal,
            Some(_) => Kind::Integer,
        }
    }

    /// That it is of that kind, which the wire's parameter of that name has to be.
    pub(super) fn expect(self, expected: Kind, param: &'static str) -> Result<(), Fault<'a>> {
        let got = self.kind();
        if got == expected {
            return Ok(());
        }
        Err(Fault::WrongType {
            param,
            expected,
            got,
        })
    }

    /// The decoded text of a string, without loss: an unpaired surrogate, which only an escape can
    /// write, becomes the three bytes of WTF-8. Borrowed when there is no escape.
    pub(super) fn text(self) -> Cow<'a, [u8]> {
        match self.plain() {
            Some(plain) => Cow::Borrowed(plain.as_bytes()),
            None => Cow::Owned(unescaped(self.0)),
        }
    }

    /// The decoded text of a string, for people and for names: an unpaired surrogate is replaced.
    pub(super) fn text_lossy(self) -> Cow<'a, str> {
        match self.plain() {
            Some(plain) => Cow::Borrowed(plain),
            None => Cow::Owned(String::from_utf8_lossy(&unescaped(self.0)).into_owned()),
        }
    }

    /// The content of a string that has no escape.
    fn plain(self) -> Option<&'a str> {
        let content = self.0.strip_prefix('"')?.strip_suffix('"')?;
        memchr::memchr(b'\\', content.as_bytes())
            .is_none()
            .then_some(content)
    }
}

/// Decodes the escapes of a string's token.
fn unescaped(token: &str) -> Vec<u8> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }
    }
    // As bytes, because as text an unpaired surrogate would be an error. The token was
    // read once, so its escapes are well-formed.
    serde_json::Deserializer::from_str(token)
        .deserialize_bytes(Bytes)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_knows_its_kind() {
        let kinds = [
            (r#""a""#, Kind::String),
            ("-12", Kind::Integer),
            ("1.5", Kind::Decimal),
            ("1e3", Kind::Decimal),
            ("[1]", Kind::Array),
            ("{}", Kind::Object),
            ("true", Kind::Boolean),
            ("false", Kind::Boolean),
            ("null", Kind::Null),
        ];
        for (token, kind) in kinds {
            assert_eq!(Token(token).kind(), kind, "{token}");
        }
    }

    #[test]
    fn texts_are_decoded_without_loss() {
        let texts: [(&str, &[u8]); 6] = [
            (r#""plain""#, b"plain"),
            (r#""""#, b""),
            (r#""a\u0062\n\"""#, b"ab\n\""),
            (r#""\ud83d\ude00""#, "\u{1f600}".as_bytes()),
            (r#""\ud800""#, b"\xed\xa0\x80"),
            (r#""\udc00x""#, b"\xed\xb0\x80x"),
        ];
        for (token, text) in texts {
            assert_eq!(Token(token).text(), text, "{token}");
        }
        assert_eq!(
            Token(r#""a\ud800b""#).text_lossy(),
            "a\u{fffd}\u{fffd}\u{fffd}b"
        );
    }
}
