//! Result lines that wait to be written.

use std::time::Duration;

use bytes::Bytes;
use overnight_core::batch::Tally;
use overnight_core::outcome::{
    LineError, LineIds, append_answer, strip_newlines, write_error, write_head, write_tail,
};
use overnight_core::plan::IndexEntry;
use overnight_core::segment::{LineSet, ResultFile};
use overnight_core::usage::Usage;
use tokio::time::Instant;

use crate::upstream::AnswerBody;

/// A flush begins when so many outcomes wait, or as many as there are lines in flight in all, if more.
const FLUSH_LINES: u64 = 32;

/// A flush begins when the outcomes that wait hold so many bytes.
pub(crate) const FLUSH_BYTES: u64 = 4 << 20;

/// Small lines are gathered in pieces of about this size, so that none is moved when it grows.
const PIECE_BYTES: usize = 1 << 20;

/// Which line ended, and what it took.
pub(crate) struct LineResult<'a> {
    /// Its number.
    pub(crate) line: u32,
    /// Its raw `custom_id` token.
    pub(crate) custom_id: &'a [u8],
    /// The ids that its result line gets.
    pub(crate) ids: LineIds,
    /// How many attempts were made.
    pub(crate) attempts: u16,
    /// How long the last one took.
    pub(crate) took: Duration,
    /// What it cost.
    pub(crate) usage: Usage,
}

/// How a line ended.
pub(crate) enum Outcome {
    /// With an answer. Its body is well-formed JSON.
    Answer {
        /// Its status.
        status: u16,
        /// Its body, line ends and all.
        body: AnswerBody,
    },
    /// With a body that stands for an answer.
    Substitute {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// With an error.
    Error(LineError),
}

/// A part of a result file that is to be written.
pub(crate) enum Part {
    /// Bytes, as they are.
    Bytes(Bytes),
    /// A large answer, to be written without its line ends.
    Answer(AnswerBody),
}

/// The lines of one result file that wait.
#[derive(Default)]
pub(crate) struct Lines {
    parts: Vec<Part>,
    tail: Vec<u8>,
    /// How many bytes wait, the line ends of large answers included.
    length: u64,
    /// For each large answer among the parts, in order: its entry in the index.
    large: Vec<usize>,
    /// The room that contiguous memory is given when the first line comes.
    room: usize,
}

impl Lines {
    /// None yet, but about as many bytes of them are expected as the others have in one piece.
    fn like(others: &Self) -> Self {
        let held = others.tail.len();
        Self {
            // A quarter more, so that one that holds a little more is not moved.
            room: (held + held / 4).min(PIECE_BYTES),
            ..Self::default()
        }
    }

    /// Everything that waits, in order.
    pub(crate) fn take_parts(&mut self) -> Vec<Part> {
        self.cut();
        std::mem::take(&mut self.parts)
    }

    /// Appends what `write` writes to contiguous memory; answers where in the tail it begins.
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.tail.len() >= PIECE_BYTES {
            self.cut();
        }
        if self.tail.capacity() == 0 {
            self.tail.reserve(self.room);
        }
        let start = self.tail.len();
        write(&mut self.tail);
        self.length += (self.tail.len() - start) as u64;
        start
    }

    fn cut(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.parts.push(Part::Bytes(tail.into()));
        }
    }
}

/// Outcomes that wait for a flush.
#[derive(Default)]
pub(crate) struct Buffer {
    pub(crate) output: Lines,
    pub(crate) error: Lines,
    index: Vec<IndexEntry>,
    pub(crate) lines: LineSet,
    pub(crate) tally: Tally,
    pub(crate) usage: Usage,
    oldest: Option<Instant>,
}

impl Buffer {
    /// An empty one that expects about what the other holds. It takes no memory before a line comes.
    pub(crate) fn like(other: &Self) -> Self {
        Self {
            output: Lines::like(&other.output),
            error: Lines::like(&other.error),
            ..Self::default()
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    /// How many outcomes wait.
    pub(crate) const fn lines(&self) -> u64 {
        self.tally.ended()
    }

    /// How many bytes they hold.
    pub(crate) const fn bytes(&self) -> u64 {
        self.output.length + self.error.length
    }

    /// Whether enough waits for a flush, with so many lines of all batches in flight.
    pub(crate) fn is_full(&self, in_flight: u64) -> bool {
        self.lines() >= in_flight.max(FLUSH_LINES) || self.bytes() >= FLUSH_BYTES
    }

    /// Since when the first of them waits.
    pub(crate) const fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// Takes an outcome.
    pub(crate) fn push(&mut self, line: &LineResult<'_>, outcome: Outcome) {
        let status = match &outcome {
            Outcome::Answer { status, .. } | Outcome::Substitute { status, .. } => *status,
            Outcome::Error(_) => 0,
        };
        let is_success = (200..300).contains(&status);
        self.oldest.get_or_insert_with(Instant::now);
        self.lines.insert(line.line);
        match &outcome {
            Outcome::Error(LineError::Cancelled | LineError::Expired) => self.tally.unrun += 1,
            Outcome::Answer { .. } if is_success => {
                self.tally.completed += 1;
                self.usage += line.usage;
            }
            Outcome::Answer { .. }
            | Outcome::Substitute { .. }
            | Outcome::Error(LineError::RequestTimeout) => self.tally.failed += 1,
        }
        let (file, lines) = if is_success {
            (ResultFile::Output, &mut self.output)
        } else {
            (ResultFile::Error, &mut self.error)
        };
        let before = lines.length;
        let crc32c = write(lines, line, outcome, self.index.len());
        let length = lines.length - before;
        self.index.push(IndexEntry {
            line: line.line,
            file,
            status,
            attempts: line.attempts,
            milliseconds: u32::try_from(line.took.as_millis()).unwrap_or(u32::MAX),
            input_tokens: u32::try_from(line.usage.input_tokens).unwrap_or(u32::MAX),
            output_tokens: u32::try_from(line.usage.output_tokens).unwrap_or(u32::MAX),
            offset: 0,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            crc32c,
        });
    }

    /// How long the last so many answered lines took, in milliseconds.
    pub(crate) fn latest_took(&self, lines: usize) -> Vec<u32> {
        let latest = self.index.iter().rev().take(lines);
        let answered = latest.filter(|entry| entry.status != 0);
        answered.map(|entry| entry.milliseconds).collect()
    }

    /// Whether the length of each line is known before it is written.
    pub(crate) fn has_known_lengths(&self) -> bool {
        self.output.large.is_empty() && self.error.large.is_empty()
    }

    /// The index, encoded. `starts` says where the lines of this buffer begin in the two result files,
    /// `stripped` how many line ends each large answer lost, in the order of the files' parts.
    pub(crate) fn encode_index(
        &mut self,
        starts: (u64, u64),
        stripped: (&[u64], &[u64]),
    ) -> Vec<u8> {
        for (lines, lost) in [(&self.output, stripped.0), (&self.error, stripped.1)] {
            for (entry, lost) in lines.large.iter().zip(lost) {
                if let Some(entry) = self.index.get_mut(*entry) {
                    let lost = u32::try_from(*lost).unwrap_or(u32::MAX);
                    entry.length = entry.length.saturating_sub(lost);
                }
            }
        }
        let (mut output_at, mut error_at) = starts;
        let mut bytes = Vec::with_capacity(self.index.len() * IndexEntry::SIZE);
        for entry in &mut self.index {
            let at = match entry.file {
                ResultFile::Output => &mut output_at,
                ResultFile::Error => &mut error_at,
            };
            entry.offset = *at;
            *at += u64::from(entry.length);
            entry.encode(&mut bytes);
        }
        bytes
    }
}

/// Writes a result line; answers its checksum, or 0 for one whose body is not in memory in one piece.
fn write(lines: &mut Lines, line: &LineResult<'_>, outcome: Outcome, entry: usize) -> u32 {
    let LineResult { ids, custom_id, .. } = line;
    let start = match outcome {
        Outcome::Error(error) => lines.append(|out| write_error(out, *ids, custom_id, error)),
        Outcome::Substitute { status, body } => lines.append(|out| {
            write_head(out, *ids, custom_id, status);
            out.extend_from_slice(&body);
            write_tail(out);
        }),
        Outcome::Answer { status, body } => {
            let Some(small) = body.small() else {
                lines.append(|out| write_head(out, *ids, custom_id, status));
                lines.cut();
                lines.length += body.len();
                lines.parts.push(Part::Answer(body));
                lines.large.push(entry);
                lines.append(write_tail);
                return 0;
            };
            lines.append(|out| {
                write_head(out, *ids, custom_id, status);
                append_answer(out, small);
                write_tail(out);
            })
        }
    };
    lines.tail.get(start..).map_or(0, crc32c::crc32c)
}

/// A piece of an answer without its line ends, uncopied.
pub(crate) fn stripped(piece: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    strip_newlines(piece).map(|run| piece.slice_ref(run))
}
