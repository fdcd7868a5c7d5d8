//! Checks UTF-8 over bytes that come in pieces.

use thiserror::Error;

/// The bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bytes are not UTF-8")]
pub struct NotUtf8;

/// Checks that bytes which come in pieces of any size are UTF-8, in constant memory.
#[derive(Clone, Debug, Default)]
pub struct Utf8Check {
    /// The start of a character that the last piece ended in: at most three bytes.
    cut: Vec<u8>,
}

impl Utf8Check {
    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`NotUtf8`] as soon as no continuation could be UTF-8.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while !self.cut.is_empty()
            && let Some((byte, rest)) = piece.split_first()
        {
            piece = rest;
            self.cut.push(*byte);
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        match simdutf8::compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                self.cut
                    .extend_from_slice(piece.get(error.valid_up_to()..).unwrap_or_default());
                Ok(())
            }
            Err(_) => Err(NotUtf8),
        }
    }

    /// Whether the bytes ended where a character does.
    ///
    /// # Errors
    ///
    /// [`NotUtf8`] when they ended inside of a character.
    pub const fn finish(&self) -> Result<(), NotUtf8> {
        if self.cut.is_empty() {
            Ok(())
        } else {
            Err(NotUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<(), NotUtf8> {
        let mut check = Utf8Check::default();
        for piece in pieces {
            check.push(piece)?;
        }
        check.finish()
    }

    #[test]
    fn a_character_may_span_pieces_but_not_the_end() {
        assert_eq!(check(&[b"a\xf0", b"\x9f", b"", b"\x98\x80b"]), Ok(()));
        assert_eq!(check(&[b"a\xf0", b"\x9f"]), Err(NotUtf8));
        assert_eq!(check(&[b"a\xf0", b"b"]), Err(NotUtf8));
        assert_eq!(check(&[b"\xff"]), Err(NotUtf8));
    }

    /// The same cases at every run.
    fn seeded(cases: u32) -> ProptestConfig {
        let rng_seed = RngSeed::Fixed(7);
        ProptestConfig {
            cases,
            rng_seed,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(seeded(500))]

        #[test]
        fn it_agrees_with_the_standard_library_under_any_cut(
            text in "\\PC{0,12}",
            spoiled in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            width in 1_usize..6,
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = spoiled && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let pieces: Vec<&[u8]> = bytes.chunks(width).collect();
            prop_assert_eq!(check(&pieces).is_ok(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
