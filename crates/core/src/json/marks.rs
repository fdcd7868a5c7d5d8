//! Finds what is special in strings: every byte of an input file goes through here.
//!
//! Strings are short, and where one ends cannot be guessed: a processor that looks byte by byte, or
//! word by word, goes wrong at the end of nearly each of them. So 64 bytes at a time are reduced to
//! 64 bits, without a branch, and the next end is counted off from those.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

/// How many bytes one word marks.
const WORD: usize = u64::BITS as usize;

/// How many words are marked at a time: choosing the instructions that this processor has costs as
/// much as some of them.
const WORDS: usize = 32;

/// How many bytes those are.
const WINDOW: usize = WORD * WORDS;

/// The quotes, backslashes and control characters of a part of a text: one bit a byte.
#[derive(Debug)]
pub(super) struct Marks {
    words: [u64; WORDS],
    /// Which part that is; nothing is marked before the first is asked for.
    window: Option<usize>,
}

impl Marks {
    pub(super) const fn new() -> Self {
        Self {
            words: [0; WORDS],
            window: None,
        }
    }

    /// The place of the next quote, backslash or control character, from `at` on; the length of the
    /// text if there is none. The text has to be the same at every call.
    #[inline]
    pub(super) fn next(&mut self, text: &[u8], mut at: usize) -> usize {
        while at < text.len() {
            if self.window != Some(at / WINDOW) {
                self.fill(text, at / WINDOW);
            }
            let word = self.words.get(at / WORD % WORDS).copied();
            let marks = word.unwrap_or_default() >> (at % WORD);
            if marks != 0 {
                return at + marks.trailing_zeros() as usize;
            }
            at = (at / WORD + 1) * WORD;
        }
        text.len()
    }

    #[inline(never)]
    fn fill(&mut self, text: &[u8], window: usize) {
        let part = text.get(window * WINDOW..).unwrap_or_default();
        dispatch!(Level::new(), simd => mark(simd, part, &mut self.words));
        self.window = Some(window);
    }
}

/// Marks as much of the text as there are words for.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "else it is compiled for the least of processors"
)]
fn mark<S: Simd>(simd: S, text: &[u8], words: &mut [u64; WORDS]) {
    let (blocks, rest) = text.as_chunks::<WORD>();
    let mut last = [b' '; WORD];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    for (word, block) in words.iter_mut().zip(blocks.iter().chain([&last])) {
        let bytes = u8x64::load_array_ref(simd, block);
        let special = bytes.simd_eq(b'"') | bytes.simd_eq(b'\\') | bytes.simd_lt(b' ');
        *word = special.to_bitmask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &[u8]) -> Vec<usize> {
        let mut marks = Marks::new();
        let mut places = Vec::new();
        let mut at = marks.next(text, 0);
        while at < text.len() {
            places.push(at);
            at = marks.next(text, at + 1);
        }
        assert_eq!(at, text.len());
        places
    }

    #[test]
    fn every_byte_is_told_apart() {
        let text: Vec<u8> = (0..=u8::MAX).collect();
        let special: Vec<usize> = (0..0x20)
            .chain([usize::from(b'"'), usize::from(b'\\')])
            .collect();
        assert_eq!(places(&text), special);
    }

    #[test]
    fn every_place_of_a_text_of_any_length_is_looked_at() {
        for length in (0..200)
            .chain(WINDOW - 2..WINDOW + 66)
            .chain([3 * WINDOW + 1])
        {
            assert!(places(&vec![b'a'; length]).is_empty());
            let all: Vec<usize> = (0..length).collect();
            assert_eq!(places(&vec![b'"'; length]), all);
            let text: Vec<u8> = b"ab\\".iter().copied().cycle().take(length).collect();
            let some: Vec<usize> = (2..length).step_by(3).collect();
            assert_eq!(places(&text), some);
        }
    }
}
