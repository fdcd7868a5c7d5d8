//! What is looked at in the input of a batch before it becomes a file: that it is UTF-8, and that its
//! first line is JSON. Everything else is validation's, after the batch was created.

use overnight_core::file::Purpose;
use serde_json::value::RawValue;

use crate::errors::ApiError;

/// How much of the first line is kept to look at. A longer one is believed if it begins as an
/// object.
const FIRST_LINE_BYTES_MAX: usize = 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Looks at a file as its bytes pass.
#[derive(Debug, Default)]
pub(crate) struct InputCheck {
    utf8: Utf8,
    first_line: FirstLine,
}

impl InputCheck {
    /// The bytes that come next.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.utf8.feed(bytes);
        self.first_line.feed(bytes);
    }

    /// Whether the file may be the input of a batch, after its last byte.
    ///
    /// # Errors
    ///
    /// 400 with the documented messages. Files of other purposes pass.
    pub(crate) fn verdict(&self, purpose: Purpose, filename: &str) -> Result<(), ApiError> {
        if purpose != Purpose::Batch {
            return Ok(());
        }
        name(purpose, filename)?;
        if !self.utf8.is_whole() {
            return Err(ApiError::bad_request(
                "Invalid file for Batch API. Must be utf-8 encoded",
            ));
        }
        self.first_line.verdict()
    }
}

/// Whether the name is one that the input of a batch may have.
///
/// # Errors
///
/// 400 with the documented message. Files of other purposes pass.
pub(crate) fn name(purpose: Purpose, filename: &str) -> Result<(), ApiError> {
    if purpose == Purpose::Batch && has_other_extension(filename) {
        return Err(ApiError::bad_request(
            "Invalid file format for Batch API. Must be .jsonl",
        ));
    }
    Ok(())
}

/// A name without any extension is fine.
fn has_other_extension(filename: &str) -> bool {
    filename.rsplit_once('.').is_some_and(|(_, extension)| {
        !extension.is_empty() && !extension.eq_ignore_ascii_case("jsonl")
    })
}

/// Checks UTF-8 over pieces that may end inside of a character.
#[derive(Debug, Default)]
struct Utf8 {
    /// The beginning of a character whose end has not come; at most three bytes.
    begun: Vec<u8>,
    broken: bool,
}

impl Utf8 {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.broken
            && !self.begun.is_empty()
            && let Some((next, tail)) = rest.split_first()
        {
            self.begun.push(*next);
            rest = tail;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) => self.broken = error.error_len().is_some(),
            }
        }
        if self.broken {
            return;
        }
        if let Err(error) = simdutf8::compat::from_utf8(rest) {
            self.broken = error.error_len().is_some();
            self.begun
                .extend_from_slice(rest.get(error.valid_up_to()..).unwrap_or_default());
        }
    }

    fn is_whole(&self) -> bool {
        !self.broken && self.begun.is_empty()
    }
}

/// Keeps the first line that is not blank.
#[derive(Debug, Default)]
struct FirstLine {
    line: Vec<u8>,
    /// The line goes on behind what is kept of it.
    cut: bool,
    complete: bool,
}

impl FirstLine {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.complete && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            self.keep(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            if self.cut || (end.is_some() && !self.text().is_empty()) {
                self.complete = true;
            } else if end.is_some() {
                self.line.clear();
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = FIRST_LINE_BYTES_MAX - self.line.len().min(FIRST_LINE_BYTES_MAX);
        self.line
            .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.cut = bytes.len() > room;
    }

    fn text(&self) -> &[u8] {
        self.line
            .strip_prefix(BOM)
            .unwrap_or(&self.line)
            .trim_ascii()
    }

    fn verdict(&self) -> Result<(), ApiError> {
        let text = self.text();
        if text.is_empty() {
            return Err(ApiError::bad_request(
                "Invalid file format. The file is empty: a jsonl file with one request a line is \
                 expected.",
            ));
        }
        let is_json = if self.cut {
            text.starts_with(b"{")
        } else {
            serde_json::from_slice::<&RawValue>(text).is_ok()
        };
        if is_json {
            return Ok(());
        }
        Err(ApiError::bad_request(
            "Invalid file format. The file is not jsonl: its first line is not valid JSON.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fed(pieces: &[&[u8]]) -> InputCheck {
        let mut check = InputCheck::default();
        for piece in pieces {
            check.feed(piece);
        }
        check
    }

    #[test]
    fn a_line_longer_than_what_is_kept_is_believed_if_it_begins_as_an_object() {
        let mut line = b"{\"custom_id\":\"".to_vec();
        line.resize(FIRST_LINE_BYTES_MAX + 10, b'a');
        assert!(fed(&[&line]).verdict(Purpose::Batch, "a.jsonl").is_ok());
        line[0] = b'(';
        assert!(fed(&[&line]).verdict(Purpose::Batch, "a.jsonl").is_err());
    }

    proptest! {
        #[test]
        fn utf8_is_judged_alike_under_any_chunking(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                any::<String>().prop_map(String::into_bytes),
            ],
            cuts in proptest::collection::vec(0_usize..64, 0..8),
        ) {
            let mut utf8 = Utf8::default();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                utf8.feed(piece);
                rest = tail;
            }
            utf8.feed(rest);
            prop_assert_eq!(utf8.is_whole(), std::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn the_first_line_is_found_under_any_chunking(
            text in "[ \r\n{}1\u{feff}]{0,24}",
            cuts in proptest::collection::vec(0_usize..12, 0..8),
        ) {
            let whole = fed(&[text.as_bytes()]).first_line.verdict().is_ok();
            let mut check = InputCheck::default();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                check.feed(piece);
                rest = tail;
            }
            check.feed(rest);
            prop_assert_eq!(check.first_line.verdict().is_ok(), whole);
        }
    }
}
