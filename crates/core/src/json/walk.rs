//! The walk itself.

use super::levels::Levels;
use super::marks::Marks;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// One well-formed value that was walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Its bytes, without whitespace around it.
    pub(crate) text: &'a str,
    /// How many arrays and objects lie inside each other, itself included, at most.
    pub(crate) depth: usize,
    /// How many values an array has, not counting those inside of them; meaningless of others.
    pub(crate) elements: u64,
}

/// A place in a text, which moves on as values are taken.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    text: &'a str,
    at: usize,
    marks: Marks,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            marks: Marks::new(),
        }
    }

    /// Takes the rest of the text, which must be whitespace.
    pub(crate) fn end(mut self) -> Result<(), NotJson> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(NotJson),
        }
    }

    /// The first byte of what comes next, behind whitespace; `None` at the end of the text.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// How far the walk has come, in bytes of the text.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The text from a place that the walk has passed to where it is.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        debug_assert!(self.text.get(start..self.at).is_some());
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Takes an object. `key` takes each key, and `member` the value behind it, given the key's
    /// token.
    pub(crate) fn members(
        &mut self,
        key: impl Fn(&mut Self) -> Result<(), NotJson>,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.expect(b'"')?;
            let start = self.at - 1;
            key(self)?;
            let token = self.since(start);
            self.expect(b':')?;
            member(self, token)?;
            match self.take()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(NotJson),
            }
        }
    }

    /// Takes one value of any kind.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, NotJson> {
        let mut levels = Levels::default();
        let mut commas = 0;
        self.peek();
        let start = self.at;
        loop {
            if self.begin(&mut levels)? {
                continue;
            }
            // A value has ended, and with it, perhaps, those around it.
            loop {
                if levels.depth() == 0 {
                    let text = self.since(start);
                    return Ok(Value {
                        text,
                        depth: levels.deepest(),
                        elements: if is_empty(text) { 0 } else { commas + 1 },
                    });
                }
                match (self.take()?, levels.in_object()) {
                    (b',', in_object) => {
                        commas += u64::from(levels.depth() == 1);
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => levels.close(),
                    _ => return Err(NotJson),
                }
            }
        }
    }

    /// Takes a whole value, or the start of an array or object that is not empty: whether that is
    /// so, and another value comes next.
    #[inline]
    fn begin(&mut self, levels: &mut Levels) -> Result<bool, NotJson> {
        match self.take()? {
            b'"' => self.text()?,
            b'{' => {
                levels.open_object();
                if self.peek() != Some(b'}') {
                    return self.key().map(|()| true);
                }
                self.at += 1;
                levels.close();
            }
            b'[' => {
                levels.open_array();
                if self.peek() != Some(b']') {
                    return Ok(true);
                }
                self.at += 1;
                levels.close();
            }
            b'-' => match self.byte() {
                Some(first @ b'0'..=b'9') => {
                    self.at += 1;
                    self.number(first)?;
                }
                _ => return Err(NotJson),
            },
            first @ b'0'..=b'9' => self.number(first)?,
            b't' => self.word(b"rue")?,
            b'f' => self.word(b"alse")?,
            b'n' => self.word(b"ull")?,
            _ => return Err(NotJson),
        }
        Ok(false)
    }

    /// Takes a key and the colon behind it.
    #[inline]
    fn key(&mut self) -> Result<(), NotJson> {
        self.expect(b'"')?;
        self.text()?;
        self.expect(b':')
    }

    /// Takes a string behind its opening quote. What it fails at comes next then.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<(), NotJson> {
        self.at = self.marks.next(self.text.as_bytes(), self.at);
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(());
        }
        self.text_with_escapes()
    }

    /// Takes the rest of a string from its first escape on.
    #[inline(never)]
    fn text_with_escapes(&mut self) -> Result<(), NotJson> {
        loop {
            match self.byte() {
                Some(b'\\') => self.escape()?,
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) | None => return Err(NotJson),
            }
            self.at = self.marks.next(self.text.as_bytes(), self.at);
        }
    }

    /// As [`Self::text`], but control characters may stand as they are, without an escape.
    pub(crate) fn text_with_controls(&mut self) -> Result<(), NotJson> {
        while self.text().is_err() {
            match self.byte() {
                Some(0..0x20) => self.at += 1,
                Some(_) | None => return Err(NotJson),
            }
        }
        Ok(())
    }

    /// Takes an escape. Which one it is cannot be guessed, so there is hardly a branch in this.
    #[inline]
    fn escape(&mut self) -> Result<(), NotJson> {
        let (length, is_right) = match self.rest() {
            [_, b'u', digits @ ..] => (6, are_hex(digits)),
            [_, letter, ..] => (2, is_in(ESCAPED, *letter)),
            _ => (0, false),
        };
        if !is_right {
            return Err(NotJson);
        }
        self.at += length;
        Ok(())
    }

    /// Takes the rest of a number whose first digit was taken.
    fn number(&mut self, first: u8) -> Result<(), NotJson> {
        if first == b'0' {
            // No digit may follow. That one does is seen as what follows a value is taken.
        } else {
            self.digits();
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        self.digits();
        if self.at > start {
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), NotJson> {
        if !self.rest().starts_with(rest) {
            return Err(NotJson);
        }
        self.at += rest.len();
        Ok(())
    }

    /// Takes that byte, and whitespace before it.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take()? == byte {
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    /// Takes the next byte, and whitespace before it.
    #[inline]
    fn take(&mut self) -> Result<u8, NotJson> {
        let byte = self.peek().ok_or(NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// The bytes that may follow a backslash, but for `u`.
const ESCAPED: u128 = set(br#""\/bfnrt"#);

const HEX: u128 = set(b"0123456789abcdefABCDEF");

/// A few bytes of ASCII, as one bit each.
const fn set(mut bytes: &[u8]) -> u128 {
    let mut set = 0;
    while let [first, rest @ ..] = bytes {
        set |= 1 << *first;
        bytes = rest;
    }
    set
}

const fn is_in(set: u128, byte: u8) -> bool {
    byte < 128 && set >> byte & 1 == 1
}

/// Whether these begin with four hexadecimal digits.
fn are_hex(digits: &[u8]) -> bool {
    digits.first_chunk().is_some_and(|[a, b, c, d]| {
        is_in(HEX, *a) & is_in(HEX, *b) & is_in(HEX, *c) & is_in(HEX, *d)
    })
}

/// Whether an array has nothing in it but whitespace.
fn is_empty(array: &str) -> bool {
    let inside = array.get(1..array.len().saturating_sub(1));
    inside.is_none_or(|inside| inside.bytes().all(|byte| byte.is_ascii_whitespace()))
}
