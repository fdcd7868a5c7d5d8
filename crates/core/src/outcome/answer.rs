//! Reads an upstream's answer: is it JSON, what does it cost, does it need its line ends removed?

use std::io::{self, Read};

use thiserror::Error;

use super::json::{DEPTH_MAX, Scanner};
use super::tokens::{TokenReader, WATCHED_DEPTH_MAX};
use crate::input::{NotUtf8, Utf8Check};
use crate::json::{self as json_walk, Walk};
use crate::usage::Usage;

/// How much of a spooled answer is in memory at a time.
const READ_BYTES: usize = 64 << 10;

/// What an answer says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The tokens that it reports; zeros when it reports none.
    pub usage: Usage,
    /// Whether it has line ends, which have to be left out of a result line.
    pub has_newlines: bool,
}

/// Why the bytes of an answer are not JSON that can go into a result line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotJson {
    /// They are not UTF-8.
    #[error("the answer is not UTF-8")]
    NotUtf8,
    /// They do not follow the grammar, end too early, or go on after the value.
    #[error("the answer is not well-formed JSON")]
    Malformed,
    /// They are nested deeper than [`super::DEPTH_MAX`]: few readers would survive them.
    #[error("the answer is nested too deeply")]
    TooDeep,
}

impl From<NotUtf8> for NotJson {
    fn from(NotUtf8: NotUtf8) -> Self {
        Self::NotUtf8
    }
}

/// Why [`read_answer_from`] failed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The bytes could not be read.
    #[error("the answer cannot be read")]
    Io(#[from] io::Error),
    /// They were read, and are not JSON.
    #[error("the answer is refused")]
    NotJson(#[from] NotJson),
}

/// Reads an answer that is whole in memory.
///
/// # Errors
///
/// [`NotJson`] when the bytes are not one JSON value in UTF-8. Its usage never makes it fail.
pub fn read_answer(bytes: &[u8]) -> Result<Answer, NotJson> {
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| NotJson::NotUtf8)?;
    if let Some(usage) = usage_of(text) {
        // In JSON they can only stand between tokens.
        let has_newlines = memchr::memchr2(b'\n', b'\r', bytes).is_some();
        return Ok(Answer {
            usage,
            has_newlines,
        });
    }
    // What is wrong is told by the reader that takes any answer.
    let mut scanner = Scanner::default();
    scanner.push(bytes)?;
    scanner.finish()
}

/// The tokens that an answer reports, read in one walk over it; `None` when it is not JSON, or too deep.
fn usage_of(text: &str) -> Option<Usage> {
    let mut walk = Walk::new(text);
    let mut tokens = TokenReader::default();
    let mut depth = 0;
    if walk.peek() == Some(b'{') {
        let member = |walk: &mut Walk<'_>, key: &str| {
            if key == "\"usage\"" && walk.peek() == Some(b'{') {
                tokens.key(1, b"usage");
                let inside = counts(walk, 2, &mut tokens)?;
                depth = inside.max(depth);
            } else {
                depth = walk.value()?.depth.max(depth);
            }
            Ok(())
        };
        walk.members(Walk::text, member).ok()?;
        depth += 1;
    } else {
        depth = walk.value().ok()?.depth;
    }
    walk.end().ok()?;
    (depth <= DEPTH_MAX).then(|| tokens.finish())
}

/// Takes an object at this depth that may hold counts; answers how many arrays and objects lie inside
/// each other in it.
fn counts(
    walk: &mut Walk<'_>,
    depth: usize,
    tokens: &mut TokenReader,
) -> Result<usize, json_walk::NotJson> {
    tokens.open();
    let mut deepest = 0;
    walk.members(Walk::text, |walk, key| {
        tokens.key(depth, unquoted(key));
        deepest = if depth < WATCHED_DEPTH_MAX && walk.peek() == Some(b'{') {
            counts(walk, depth + 1, tokens)?.max(deepest)
        } else {
            let value = walk.value()?;
            if let Some(number) = count(value.text) {
                tokens.number(number);
            }
            value.depth.max(deepest)
        };
        Ok(())
    })?;
    tokens.close(depth);
    Ok(deepest + 1)
}

/// The bytes of a key between its quotes.
fn unquoted(key: &str) -> &[u8] {
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    key.unwrap_or_default().as_bytes()
}

/// The whole part of a number that may count something: one that is not negative and has no exponent.
fn count(value: &str) -> Option<u64> {
    if !value.starts_with(|first: char| first.is_ascii_digit()) || value.contains(['e', 'E']) {
        return None;
    }
    let digits = value.bytes().take_while(u8::is_ascii_digit);
    Some(digits.fold(0, |count: u64, digit| {
        count
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

/// Reads an answer of any size from where it is spooled, in flat memory.
///
/// # Errors
///
/// [`ReadError`] when reading fails, or when the bytes are not one JSON value in UTF-8.
pub fn read_answer_from(mut reader: impl Read) -> Result<Answer, ReadError> {
    let mut answer = AnswerReader::default();
    let mut piece = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(answer.finish()?),
            Ok(length) => answer.push(piece.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads an answer while it comes in, in pieces of any size and in flat memory.
#[derive(Debug, Default)]
pub struct AnswerReader {
    scanner: Scanner,
    utf8: Utf8Check,
}

impl AnswerReader {
    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`NotJson`] as soon as no continuation could make the answer JSON; it is no use to go on.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), NotJson> {
        self.utf8.push(piece)?;
        self.scanner.push(piece)
    }

    /// The answer, when all of it was taken.
    ///
    /// # Errors
    ///
    /// [`NotJson`] when it ended too early.
    pub fn finish(self) -> Result<Answer, NotJson> {
        self.utf8.finish()?;
        self.scanner.finish()
    }
}

/// Appends a JSON answer as it goes into a result line: without line ends, otherwise as it is.
pub fn append_answer(out: &mut Vec<u8>, answer: &[u8]) {
    out.reserve(answer.len());
    for piece in strip_newlines(answer) {
        out.extend_from_slice(piece);
    }
}

/// The bytes between line ends (0x0A and 0x0D), for answers that are copied in pieces: one slice
/// when there is none.
pub fn strip_newlines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (piece, after) = rest.split_at_checked(end)?;
            rest = after.get(1..).unwrap_or_default();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    })
}
