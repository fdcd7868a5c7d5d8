//! Bytes to lines, in chunks of any size, without copying lines that lie whole in a chunk.

/// What a file may begin with although it means nothing: editors and spreadsheets write it.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes that count as part of a line while it is gathered but not as its length: the BOM and the
/// carriage return.
const SLACK: usize = BOM.len() + 1;

/// One physical line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1. Blank lines count, so that it is the number that an editor shows.
    pub no: u64,
    /// The offset of its first byte in the file, after a BOM.
    pub offset: u64,
    /// Its bytes without the line end.
    pub bytes: Result<&'a [u8], LineTooLong>,
}

/// A line has more bytes than the splitter was told to gather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong {
    /// The bytes of the line, without its line end.
    pub length: u64,
    /// The most that it may have.
    pub max: usize,
}

/// Splits bytes that come in chunks into physical lines.
///
/// Lines end in LF or CRLF; the last one need not end. Lines of nothing but whitespace are skipped
/// but counted. Of a line that is too long no more than the maximum is held.
#[derive(Clone, Debug)]
pub struct LineSplitter {
    line_bytes_max: usize,
    /// The start of a line whose end has not come: what fits of it.
    gathered: Vec<u8>,
    /// The bytes of that line so far, also those that do not fit.
    length: u64,
    /// The last of those bytes.
    last: u8,
    /// The number and offset of the next line to be given out.
    no: u64,
    offset: u64,
}

impl LineSplitter {
    /// A splitter that gives out lines of at most so many bytes; 0 means 4 GiB, the most that a
    /// plan entry can hold.
    #[must_use]
    pub const fn new(line_bytes_max: usize) -> Self {
        let most = u32::MAX as usize - SLACK;
        let line_bytes_max = if line_bytes_max == 0 || line_bytes_max > most {
            most
        } else {
            line_bytes_max
        };
        Self {
            line_bytes_max,
            gathered: Vec::new(),
            length: 0,
            last: 0,
            no: 1,
            offset: 0,
        }
    }

    /// Takes the next bytes of the file, and gives out each line that ends in them.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let piece = chunk.get(start..end).unwrap_or_default();
            self.end_line(piece, 1, &mut each);
            start = end + 1;
        }
        self.gather(chunk.get(start..).unwrap_or_default());
    }

    /// Gives out the last line when it has no line end.
    pub fn finish(mut self, mut each: impl FnMut(Line<'_>)) {
        self.end_line(&[], 0, &mut each);
    }

    /// Keeps the start of a line whose end is in a later chunk.
    fn gather(&mut self, piece: &[u8]) {
        let room = (self.line_bytes_max + SLACK).saturating_sub(self.gathered.len());
        self.gathered
            .extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.length += piece.len() as u64;
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    /// Ends the line whose last bytes are `piece` and which is followed by `end` bytes of line end.
    fn end_line(&mut self, piece: &[u8], end: u64, each: &mut impl FnMut(Line<'_>)) {
        let (mut bytes, mut length) = (piece, piece.len() as u64);
        let mut ends_in_cr = piece.last() == Some(&b'\r');
        if self.length > 0 {
            self.gather(piece);
            (bytes, length) = (&self.gathered, self.length);
            ends_in_cr = self.last == b'\r';
        }
        let (no, mut offset) = (self.no, self.offset);
        self.no += 1;
        self.offset += length + end;

        let mut left_out = length - bytes.len() as u64;
        if ends_in_cr && left_out > 0 {
            left_out -= 1;
        } else if ends_in_cr {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        if offset == 0
            && let Some(after) = bytes.strip_prefix(BOM)
        {
            bytes = after;
            offset += BOM.len() as u64;
        }
        if left_out > 0 || bytes.len() > self.line_bytes_max {
            let length = bytes.len() as u64 + left_out;
            let max = self.line_bytes_max;
            each(Line {
                no,
                offset,
                bytes: Err(LineTooLong { length, max }),
            });
        } else if !is_blank(bytes) {
            each(Line {
                no,
                offset,
                bytes: Ok(bytes),
            });
        }
        self.gathered.clear();
        self.length = 0;
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    type Owned = (u64, u64, Result<Vec<u8>, u64>);

    fn owned(line: Line<'_>) -> Owned {
        (
            line.no,
            line.offset,
            line.bytes.map(<[u8]>::to_vec).map_err(|long| long.length),
        )
    }

    fn split(chunks: &[&[u8]], line_bytes_max: usize) -> Vec<Owned> {
        let mut splitter = LineSplitter::new(line_bytes_max);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push(owned(line)));
            assert!(splitter.gathered.len() <= line_bytes_max.saturating_add(SLACK));
        }
        splitter.finish(|line| lines.push(owned(line)));
        lines
    }

    /// The same, the plain way.
    fn split_naively(bytes: &[u8], line_bytes_max: usize) -> Vec<Owned> {
        let mut lines = Vec::new();
        let mut offset = 0;
        for (index, whole) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let (mut line, mut at) = (whole, offset);
            if offset == 0 && line.starts_with(BOM) {
                line = &line[BOM.len()..];
                at += BOM.len();
            }
            if line.ends_with(b"\r") {
                line = &line[..line.len() - 1];
            }
            let (no, at) = (index as u64 + 1, at as u64);
            if line.len() > line_bytes_max {
                lines.push((no, at, Err(line.len() as u64)));
            } else if !line.iter().all(u8::is_ascii_whitespace) {
                lines.push((no, at, Ok(line.to_vec())));
            }
            offset += whole.len() + 1;
        }
        lines
    }

    fn line(no: u64, offset: u64, bytes: &[u8]) -> Owned {
        (no, offset, Ok(bytes.to_vec()))
    }

    #[test]
    fn line_ends_may_be_lf_or_crlf_or_missing() {
        assert_eq!(
            split(&[b"a\nbc\r\nd"], 0),
            [line(1, 0, b"a"), line(2, 2, b"bc"), line(3, 6, b"d")]
        );
        assert_eq!(split(&[b"a\n"], 0), [line(1, 0, b"a")]);
        assert_eq!(split(&[b"a\r"], 0), [line(1, 0, b"a")]);
        assert_eq!(split(&[b""], 0), []);
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        assert_eq!(split(&[b"\n \t\r\n\na\n\n"], 0), [line(4, 6, b"a")]);
    }

    #[test]
    fn a_bom_is_stripped_only_from_the_start_of_the_file() {
        assert_eq!(split(&[b"\xef", b"\xbb\xbfa\n"], 0), [line(1, 3, b"a")]);
        assert_eq!(
            split(&[b"a\n\xef\xbb\xbfb"], 0)[1],
            line(2, 2, b"\xef\xbb\xbfb")
        );
        assert_eq!(split(&[b"\xef\xbb\xbf\n"], 0), []);
    }

    #[test]
    fn a_line_that_lies_whole_in_a_chunk_is_not_copied() {
        let chunk = b"{}\n{}\n".as_slice();
        let mut splitter = LineSplitter::new(0);
        let inside = chunk.as_ptr_range();
        let mut count = 0;
        splitter.push(chunk, |line| {
            assert!(inside.contains(&line.bytes.unwrap().as_ptr()));
            count += 1;
        });
        assert_eq!(count, 2);
    }

    #[test]
    fn a_line_may_have_the_maximum_of_bytes_and_no_more() {
        let lines = split(&[b"\xef\xbb\xbfabc\r\n", b"ab", b"cd\nabcd\r\nabc"], 3);
        assert_eq!(
            lines,
            [
                line(1, 3, b"abc"),
                (2, 8, Err(4)),
                (3, 13, Err(4)),
                line(4, 19, b"abc")
            ]
        );
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
        #![proptest_config(seeded(2_000))]

        #[test]
        fn any_chunking_gives_the_lines_of_a_naive_splitter(
            bom in any::<bool>(),
            symbols in prop::collection::vec(
                prop::sample::select(&b"\n\n\r a{\xef\xbb\xbf"[..]), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            line_bytes_max in 1_usize..12,
        ) {
            let mut bytes = if bom { BOM.to_vec() } else { Vec::new() };
            bytes.extend(symbols);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let lines = split(&chunks, line_bytes_max);
            // A blank line that is too long is known to be too long, not to be blank.
            prop_assert_eq!(lines, split_naively(&bytes, line_bytes_max));
        }
    }
}
