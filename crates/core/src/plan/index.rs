//! One result line, as the index blob of a segment keeps it.

use super::{take, take_u32, take_u64};
use crate::segment::ResultFile;

/// Where one result line lies and what it cost: for look-ups, never needed to be correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The physical number of the input line, from 1.
    pub line: u32,
    /// The result file that has the line.
    pub file: ResultFile,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// How many attempts were made.
    pub attempts: u16,
    /// How long the last attempt took.
    pub milliseconds: u32,
    /// The tokens of the request, as the upstream counted them.
    pub input_tokens: u32,
    /// The tokens of the answer, as the upstream counted them.
    pub output_tokens: u32,
    /// The offset of the result line in its result file.
    pub offset: u64,
    /// How many bytes the result line has, with its line end.
    pub length: u32,
    /// The checksum of those bytes.
    pub crc32c: u32,
}

impl IndexEntry {
    /// The bytes of an encoded entry.
    pub const SIZE: usize = 37;

    /// Appends the entry's [`Self::SIZE`] bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let file = match self.file {
            ResultFile::Output => 0,
            ResultFile::Error => 1,
        };
        out.extend_from_slice(&self.line.to_le_bytes());
        out.push(file);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&self.attempts.to_le_bytes());
        out.extend_from_slice(&self.milliseconds.to_le_bytes());
        out.extend_from_slice(&self.input_tokens.to_le_bytes());
        out.extend_from_slice(&self.output_tokens.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.crc32c.to_le_bytes());
    }

    /// Reads what [`Self::encode`] wrote; `None` for any other bytes.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let entry = Self {
            line: take_u32(bytes)?,
            file: match take(bytes)? {
                [0] => ResultFile::Output,
                [1] => ResultFile::Error,
                [_] => return None,
            },
            status: take(bytes).map(u16::from_le_bytes)?,
            attempts: take(bytes).map(u16::from_le_bytes)?,
            milliseconds: take_u32(bytes)?,
            input_tokens: take_u32(bytes)?,
            output_tokens: take_u32(bytes)?,
            offset: take_u64(bytes)?,
            length: take_u32(bytes)?,
            crc32c: take_u32(bytes)?,
        };
        bytes.is_empty().then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back_and_has_the_fixed_size() {
        for file in [ResultFile::Output, ResultFile::Error] {
            let entry = IndexEntry {
                line: 1,
                file,
                status: 429,
                attempts: 3,
                milliseconds: 4,
                input_tokens: 5,
                output_tokens: 6,
                offset: u64::MAX,
                length: 7,
                crc32c: 8,
            };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            assert_eq!(bytes.len(), IndexEntry::SIZE);
            assert_eq!(IndexEntry::decode(&bytes), Some(entry));
            assert_eq!(IndexEntry::decode(&bytes[..36]), None);
            bytes[4] = 2;
            assert_eq!(IndexEntry::decode(&bytes), None);
        }
    }
}
