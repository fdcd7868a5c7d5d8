//! Finds the end of plain text in a string: the one loop that most bytes of an input file go through.

/// How many bytes come before the next quote, backslash or control character.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
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

/// The top bit of each of eight bytes that ends plain text; of those the lowest is right, and those
/// above it mean nothing, since a subtraction borrows from the next byte.
///
/// Flipping the second bit puts the quote (`0x22`) right behind the control characters, so one
/// comparison finds both.
const fn special_bytes(word: u64) -> u64 {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let control_or_quote = (word ^ all(0x02)).wrapping_sub(all(0x21));
    let backslash = (word ^ all(b'\\')).wrapping_sub(all(1));
    (control_or_quote | backslash) & !word & all(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_at_every_place() {
        for width in 1..40 {
            for at in 0..width {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; width];
                    bytes[at] = byte;
                    let is_special = byte == b'"' || byte == b'\\' || byte < 0x20;
                    let expected = if is_special { at } else { width };
                    assert_eq!(plain_length(&bytes), expected, "{byte} at {at} of {width}");
                }
            }
        }
    }

    #[test]
    fn neighbours_do_not_hide_or_invent_an_end() {
        for (before, byte) in (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b))) {
            let bytes = [b'a', before, byte, b'a', b'a', b'a', b'a', b'a', b'a'];
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let expected = bytes.iter().position(is_special).unwrap_or(bytes.len());
            assert_eq!(plain_length(&bytes), expected, "{before} {byte}");
        }
    }
}
