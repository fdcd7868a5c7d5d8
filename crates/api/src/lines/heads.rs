//! The starts of the lines of an extent, however long the lines are.

use overnight_core::segment::{Extent, PlacedExtent};
use overnight_store::BlobError;
use overnight_store::blobs::ExtentReader;

use super::HEAD_BYTES;
use crate::api::Api;
use crate::content::found_damage;

/// One line of an extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where it begins in the extent.
    pub(crate) at: u64,
    /// How many bytes it has, with its line end.
    pub(crate) length: u64,
    /// Its bytes without the line end, as many as are kept.
    pub(crate) bytes: Vec<u8>,
}

/// Splits bytes that come in pieces, and keeps no more than the start of a line.
#[derive(Debug, Default)]
struct Splitter {
    kept: Vec<u8>,
    at: u64,
    length: u64,
}

impl Splitter {
    /// The lines that end in the next piece.
    fn push(&mut self, piece: &[u8]) -> Vec<Head> {
        let mut heads = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            let rest = piece.get(start..end).unwrap_or_default();
            self.length += rest.len() as u64 + 1;
            self.keep(rest);
            heads.push(Head {
                at: self.at,
                length: self.length,
                bytes: std::mem::take(&mut self.kept),
            });
            self.at += self.length;
            self.length = 0;
            start = end + 1;
        }
        let rest = piece.get(start..).unwrap_or_default();
        self.length += rest.len() as u64;
        self.keep(rest);
        heads
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.kept.len());
        self.kept
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// Reads the result lines of an extent.
pub(crate) struct HeadReader {
    reader: ExtentReader,
    splitter: Splitter,
}

impl HeadReader {
    pub(crate) fn new(api: &Api, extent: &Extent) -> Self {
        let placed = PlacedExtent {
            at: 0,
            extent: extent.clone(),
        };
        Self {
            reader: ExtentReader::new(api.blobs.clone(), vec![placed], 0..extent.length),
            splitter: Splitter::default(),
        }
    }

    /// The lines that end in the next piece; `None` behind the last.
    ///
    /// # Errors
    ///
    /// It cannot be read; a damaged blob is put in quarantine.
    pub(crate) async fn next(&mut self, api: &Api) -> Result<Option<Vec<Head>>, BlobError> {
        let read = self.reader.next().await;
        if let (Err(error), Some(extent)) = (&read, self.reader.damaged()) {
            found_damage(api, extent, error).await;
        }
        Ok(read?.map(|piece| self.splitter.push(&piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for piece in pieces {
            let heads = splitter.push(piece).into_iter();
            found.extend(heads.map(|head| (head.at, head.length, head.bytes)));
        }
        found
    }

    #[test]
    fn lines_are_found_wherever_the_pieces_end() {
        let text = b"one\n\ntwo\nthree\n";
        let whole = split(&[text]);
        let places: Vec<(u64, u64)> = whole.iter().map(|(at, length, _)| (*at, *length)).collect();
        assert_eq!(places, [(0, 4), (4, 1), (5, 4), (9, 6)]);
        assert_eq!(whole[3].2, b"three");
        for cut in 0..text.len() {
            assert_eq!(split(&[&text[..cut], &text[cut..]]), whole);
        }
    }

    #[test]
    fn of_a_long_line_only_the_start_is_kept() {
        let long = vec![b'x'; HEAD_BYTES + 7];
        for pieces in [
            vec![&long[..], b"\n"],
            vec![&long[..9], &long[9..], b"\nz\n"],
        ] {
            let found = split(&pieces);
            assert_eq!(found[0].1, HEAD_BYTES as u64 + 8);
            assert_eq!(found[0].2.len(), HEAD_BYTES);
        }
    }
}
