//! A JSON scanner that takes bytes in pieces and keeps none of them.
//!
//! An answer may be larger than memory allows, comes in pieces, and is written by somebody else's
//! server: what checks it must not buffer, not recurse and not allocate. It knows nothing of UTF-8;
//! whoever feeds it checks that.

use super::answer::{Answer, NotJson};
use super::tokens::{TokenReader, WATCHED_DEPTH_MAX};

/// How many arrays and objects may lie inside each other in an answer.
pub const DEPTH_MAX: usize = 512;

/// The longest key that is compared with anything (`completion_tokens_details` has 25 bytes).
const KEY_BYTES_MAX: usize = 32;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value.
    Value,
    /// A value, or the end of the array that has just begun.
    ElementOrEnd,
    /// A key, or the end of the object that has just begun.
    KeyOrEnd,
    /// A key.
    Key,
    /// The colon after a key.
    Colon,
    /// After a value in an array or object.
    CommaOrEnd,
    /// After the outermost value: only whitespace.
    End,
    /// Inside of a string.
    Text(Text),
    /// After a backslash.
    Escape(Text),
    /// Inside of the four digits of `\u`; so many are missing.
    Hex(Text, u8),
    /// Inside of a number.
    Number(Number),
    /// Inside of `true`, `false` or `null`; this much is missing.
    Word(&'static [u8]),
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Key,
    Value,
}

/// How far a number has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The state after one more byte; `None` when the byte does not belong to the number.
    const fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Self::ExponentDigits
            }
            _ => return None,
        })
    }

    /// Whether a number may end here.
    const fn is_whole(self) -> bool {
        match self {
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits => true,
            Self::Minus | Self::Point | Self::Exponent | Self::ExponentSign => false,
        }
    }
}

/// The start of the key that is being read, as far as anybody compares it.
#[derive(Debug, Default)]
struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
    /// It is longer than the buffer, or has an escape: no key that is looked for has.
    is_other: bool,
}

impl Key {
    const fn clear(&mut self) {
        self.length = 0;
        self.is_other = false;
    }

    const fn is_empty(&self) -> bool {
        self.length == 0 && !self.is_other
    }

    fn extend(&mut self, piece: &[u8]) {
        let end = self.length.saturating_add(piece.len());
        match self.bytes.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.length = end;
            }
            None => self.is_other = true,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        if self.is_other {
            &[]
        } else {
            self.bytes.get(..self.length).unwrap_or_default()
        }
    }
}

/// The number that is being read, as far as token counts need it: its integer part. A negative one
/// or one with an exponent is not a count.
#[derive(Debug, Default)]
struct Integer {
    value: u64,
    is_other: bool,
}

/// Checks that the bytes are one JSON value, and watches for token counts and line ends.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// How many arrays and objects are open.
    depth: usize,
    /// One bit a level, the outermost being the first: set when it is an object.
    objects: [u64; DEPTH_MAX / 64],
    has_newlines: bool,
    key: Key,
    integer: Integer,
    tokens: TokenReader,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Value,
            depth: 0,
            objects: [0; DEPTH_MAX / 64],
            has_newlines: false,
            key: Key::default(),
            integer: Integer::default(),
            tokens: TokenReader::default(),
        }
    }
}

impl Scanner {
    /// Takes the next bytes; refuses them as soon as no continuation could be JSON.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), NotJson> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Text(text) => self.text(text, bytes)?,
                State::Number(number) => self.number(number, bytes)?,
                State::Escape(text) => {
                    self.escape(text, byte)?;
                    rest
                }
                State::Hex(text, missing) => {
                    self.hex(text, missing, byte)?;
                    rest
                }
                State::Word(missing) => self.word(missing, bytes)?,
                State::Value
                | State::ElementOrEnd
                | State::KeyOrEnd
                | State::Key
                | State::Colon
                | State::CommaOrEnd
                | State::End => match byte {
                    b' ' | b'\t' => rest,
                    b'\n' | b'\r' => {
                        self.has_newlines = true;
                        rest
                    }
                    _ => self.structure(byte, rest)?,
                },
            };
        }
        Ok(())
    }

    /// What was found, when all bytes were taken and were one value.
    pub(super) fn finish(mut self) -> Result<Answer, NotJson> {
        if let State::Number(number) = self.state
            && number.is_whole()
        {
            self.value_ended();
        }
        if self.state != State::End {
            return Err(NotJson::Malformed);
        }
        Ok(Answer {
            usage: self.tokens.finish(),
            has_newlines: self.has_newlines,
        })
    }

    /// A byte between tokens, or the first of one. Strings, which most of an answer is, are read on at
    /// once. Gives back what follows.
    fn structure<'a>(&mut self, byte: u8, rest: &'a [u8]) -> Result<&'a [u8], NotJson> {
        match (self.state, byte) {
            (State::ElementOrEnd, b']') | (State::KeyOrEnd, b'}') => self.close(),
            (State::Value | State::ElementOrEnd, _) => return self.value(byte, rest),
            (State::KeyOrEnd | State::Key, b'"') => {
                self.key.clear();
                self.state = State::Text(Text::Key);
                return self.text(Text::Key, rest);
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::CommaOrEnd, b',') => {
                self.state = if self.in_object() {
                    State::Key
                } else {
                    State::Value
                };
            }
            (State::CommaOrEnd, _) if byte == self.closing() => self.close(),
            _ => return Err(NotJson::Malformed),
        }
        Ok(rest)
    }

    /// The first byte of a value. Gives back what follows what was read of it.
    fn value<'a>(&mut self, byte: u8, rest: &'a [u8]) -> Result<&'a [u8], NotJson> {
        match byte {
            b'"' => {
                self.state = State::Text(Text::Value);
                return self.text(Text::Value, rest);
            }
            b'{' => self.open(State::KeyOrEnd)?,
            b'[' => self.open(State::ElementOrEnd)?,
            b't' => self.state = State::Word(b"rue"),
            b'f' => self.state = State::Word(b"alse"),
            b'n' => self.state = State::Word(b"ull"),
            b'-' | b'0'..=b'9' => self.number_began(byte),
            _ => return Err(NotJson::Malformed),
        }
        Ok(rest)
    }

    /// An array or object begins, as the state after it says.
    fn open(&mut self, state: State) -> Result<(), NotJson> {
        let level = self
            .objects
            .get_mut(self.depth / 64)
            .ok_or(NotJson::TooDeep)?;
        let bit = 1_u64 << (self.depth % 64);
        if state == State::KeyOrEnd {
            *level |= bit;
        } else {
            *level &= !bit;
        }
        self.depth += 1;
        self.state = state;
        self.tokens.open();
        Ok(())
    }

    fn close(&mut self) {
        self.tokens.close(self.depth);
        self.depth = self.depth.saturating_sub(1);
        self.value_ended();
    }

    /// Whether the innermost open level is an object.
    fn in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else {
            return false;
        };
        self.objects
            .get(level / 64)
            .is_some_and(|bits| bits >> (level % 64) & 1 == 1)
    }

    /// What closes the innermost open level.
    fn closing(&self) -> u8 {
        if self.in_object() { b'}' } else { b']' }
    }

    const fn value_ended(&mut self) {
        self.state = if self.depth == 0 {
            State::End
        } else {
            State::CommaOrEnd
        };
    }

    /// Reads on in a string; gives back what follows it.
    fn text<'a>(&mut self, text: Text, bytes: &'a [u8]) -> Result<&'a [u8], NotJson> {
        let (plain, rest) = bytes
            .split_at_checked(plain_length(bytes))
            .unwrap_or((bytes, &[]));
        let ends_here = rest.first() == Some(&b'"');
        if text == Text::Key && self.depth <= WATCHED_DEPTH_MAX {
            if ends_here && self.key.is_empty() {
                // All of it is at hand: nothing is copied.
                self.tokens.key(self.depth, plain);
            } else {
                self.key.extend(plain);
                if ends_here {
                    self.tokens.key(self.depth, self.key.as_bytes());
                }
            }
        }
        let Some((byte, rest)) = rest.split_first() else {
            return Ok(rest);
        };
        match (byte, text) {
            (b'"', Text::Key) => self.state = State::Colon,
            (b'"', Text::Value) => self.value_ended(),
            (b'\\', _) => {
                self.key.is_other = true;
                self.state = State::Escape(text);
            }
            _ => return Err(NotJson::Malformed),
        }
        Ok(rest)
    }

    fn escape(&mut self, text: Text, byte: u8) -> Result<(), NotJson> {
        self.state = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text(text),
            b'u' => State::Hex(text, 4),
            _ => return Err(NotJson::Malformed),
        };
        Ok(())
    }

    const fn hex(&mut self, text: Text, missing: u8, byte: u8) -> Result<(), NotJson> {
        if !byte.is_ascii_hexdigit() {
            return Err(NotJson::Malformed);
        }
        self.state = if missing > 1 {
            State::Hex(text, missing - 1)
        } else {
            State::Text(text)
        };
        Ok(())
    }

    /// Reads on in a word; gives back what follows it.
    fn word<'a>(&mut self, missing: &'static [u8], bytes: &'a [u8]) -> Result<&'a [u8], NotJson> {
        if let Some(rest) = bytes.strip_prefix(missing) {
            self.value_ended();
            return Ok(rest);
        }
        let missing = missing.strip_prefix(bytes).ok_or(NotJson::Malformed)?;
        self.state = State::Word(missing);
        Ok(&[])
    }

    fn number_began(&mut self, byte: u8) {
        let (number, value) = match byte {
            b'-' => (Number::Minus, 0),
            b'0' => (Number::Zero, 0),
            _ => (Number::Integer, u64::from(byte - b'0')),
        };
        self.integer = Integer {
            value,
            is_other: number == Number::Minus,
        };
        self.state = State::Number(number);
    }

    /// Reads on in a number; gives back what follows it.
    fn number<'a>(&mut self, mut number: Number, bytes: &'a [u8]) -> Result<&'a [u8], NotJson> {
        for (at, byte) in bytes.iter().enumerate() {
            // Embeddings are little else than digits after a point.
            if number == Number::Fraction && byte.is_ascii_digit() {
                continue;
            }
            match number.after(*byte) {
                Some(after) => number = after,
                None if number.is_whole() => {
                    self.number_ended();
                    return Ok(bytes.get(at..).unwrap_or_default());
                }
                None => return Err(NotJson::Malformed),
            }
            match number {
                Number::Integer => {
                    let digit = u64::from(*byte - b'0');
                    self.integer.value =
                        self.integer.value.saturating_mul(10).saturating_add(digit);
                }
                Number::Exponent => self.integer.is_other = true,
                Number::Minus
                | Number::Zero
                | Number::Point
                | Number::Fraction
                | Number::ExponentSign
                | Number::ExponentDigits => {}
            }
        }
        self.state = State::Number(number);
        Ok(&[])
    }

    fn number_ended(&mut self) {
        if self.depth <= WATCHED_DEPTH_MAX && !self.integer.is_other {
            self.tokens.number(self.integer.value);
        }
        self.value_ended();
    }
}

/// How many bytes come before the next quote, backslash or control character.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Eight bytes at once: the top bit of the lowest byte that ends a run of plain text is the lowest
/// bit set. Bits above it mean nothing, since a subtraction borrows from the next byte.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let quote = word ^ u64::from_le_bytes([b'"'; 8]);
    let backslash = word ^ u64::from_le_bytes([b'\\'; 8]);
    let control = word.wrapping_sub(u64::from_le_bytes([0x20; 8])) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & TOPS
}
