//! One line of the input file, as the plan keeps it.

use std::ops::Range;

use super::{take_u32, take_u64};

/// Where one line of the input file lies, and where its parts lie in it.
///
/// Offsets of parts count from the start of the line. Whoever reads the line checks it against
/// `crc32c` first ([`PlanEntry::parts`]): the input may have rotted since validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanEntry {
    /// The physical line number, from 1; blank lines count.
    pub line: u32,
    /// The offset of the line's first byte in the input file.
    pub offset: u64,
    /// How many bytes the line has, without its line end.
    pub length: u32,
    /// The checksum of those bytes.
    pub crc32c: u32,
    /// The line's model: an index into the plan's table of models.
    pub model: u32,
    /// Where the raw token of the `custom_id` begins, at its opening quote.
    pub id_start: u32,
    /// How many bytes the token has, both quotes included.
    pub id_len: u32,
    /// Where the raw body begins.
    pub body_start: u32,
    /// How many bytes the body has.
    pub body_len: u32,
}

/// The parts of a line that a request and its result line are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineParts<'a> {
    /// The raw JSON token of the `custom_id`, quotes included.
    pub custom_id: &'a [u8],
    /// The raw bytes of the body.
    pub body: &'a [u8],
}

impl PlanEntry {
    /// The bytes of an encoded entry.
    pub const SIZE: usize = 40;

    /// Appends the entry's [`Self::SIZE`] bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.crc32c.to_le_bytes());
        out.extend_from_slice(&self.model.to_le_bytes());
        out.extend_from_slice(&self.id_start.to_le_bytes());
        out.extend_from_slice(&self.id_len.to_le_bytes());
        out.extend_from_slice(&self.body_start.to_le_bytes());
        out.extend_from_slice(&self.body_len.to_le_bytes());
    }

    /// Reads what [`Self::encode`] wrote; `None` unless there are exactly [`Self::SIZE`] bytes.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let entry = Self {
            line: take_u32(bytes)?,
            offset: take_u64(bytes)?,
            length: take_u32(bytes)?,
            crc32c: take_u32(bytes)?,
            model: take_u32(bytes)?,
            id_start: take_u32(bytes)?,
            id_len: take_u32(bytes)?,
            body_start: take_u32(bytes)?,
            body_len: take_u32(bytes)?,
        };
        bytes.is_empty().then_some(entry)
    }

    /// Where the line lies in the input file.
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length as u64)
    }

    /// Where the raw token of the `custom_id` lies in the line.
    #[must_use]
    pub const fn id_range(&self) -> Range<usize> {
        let start = self.id_start as usize;
        start..start.saturating_add(self.id_len as usize)
    }

    /// Where the raw body lies in the line.
    #[must_use]
    pub const fn body_range(&self) -> Range<usize> {
        let start = self.body_start as usize;
        start..start.saturating_add(self.body_len as usize)
    }

    /// The parts of the line whose bytes were read from the input file; `None` when these are not
    /// the bytes that validation saw.
    #[must_use]
    pub fn parts<'a>(&self, line: &'a [u8]) -> Option<LineParts<'a>> {
        if line.len() != self.length as usize || crc32c::crc32c(line) != self.crc32c {
            return None;
        }
        let custom_id = line.get(self.id_range())?;
        let body = line.get(self.body_range())?;
        Some(LineParts { custom_id, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: PlanEntry = PlanEntry {
        line: 7,
        offset: 0x1_0000_0001,
        length: 10,
        crc32c: 4,
        model: 5,
        id_start: 1,
        id_len: 3,
        body_start: 6,
        body_len: 2,
    };

    #[test]
    fn an_entry_is_read_back_and_has_the_fixed_size() {
        let mut bytes = Vec::new();
        ENTRY.encode(&mut bytes);
        assert_eq!(bytes.len(), PlanEntry::SIZE);
        assert_eq!(PlanEntry::decode(&bytes), Some(ENTRY));
        assert_eq!(PlanEntry::decode(&bytes[1..]), None);
        bytes.push(0);
        assert_eq!(PlanEntry::decode(&bytes), None);
    }

    #[test]
    fn parts_are_given_only_for_the_bytes_that_validation_saw() {
        let line = b"{\"a\"::{}  ";
        let entry = PlanEntry {
            crc32c: crc32c::crc32c(line),
            ..ENTRY
        };
        let parts = entry.parts(line).unwrap();
        assert_eq!(
            parts,
            LineParts {
                custom_id: b"\"a\"",
                body: b"{}"
            }
        );
        assert_eq!(entry.parts(b"{\"b\"::{}  "), None);
        assert_eq!(entry.parts(&line[..9]), None);
    }

    #[test]
    fn parts_outside_of_the_line_are_refused() {
        let line = b"0123456789";
        let entry = PlanEntry {
            crc32c: crc32c::crc32c(line),
            body_len: u32::MAX,
            ..ENTRY
        };
        assert_eq!(entry.parts(line), None);
    }
}
