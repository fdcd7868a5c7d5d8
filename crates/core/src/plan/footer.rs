//! The end of a plan blob: which models there are, and where their entries lie.

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::entry::PlanEntry;
use super::{take, take_u32, take_u64};

/// Marks a plan blob; its last byte is the version of the format.
const MAGIC: [u8; 8] = *b"ovnplan\x01";

/// The bytes at the very end of a plan blob, from which the footer is found.
pub const TRAILER_SIZE: usize = 20;

/// These bytes are not a plan, or have changed since it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the plan is corrupt: {0}")]
pub struct PlanCorrupt(&'static str);

/// A run of entries of one model that lie one after another in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The model: an index into [`PlanFooter::models`].
    pub model: u32,
    /// The offset of the first entry in the blob, in bytes.
    pub offset: u64,
    /// How many entries the run has.
    pub entries: u32,
}

impl Run {
    /// Where the run's entries lie in the blob.
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.offset..self.end()
    }

    /// The offset of the first byte after the run.
    pub(super) const fn end(&self) -> u64 {
        self.offset
            .saturating_add(self.entries as u64 * PlanEntry::SIZE as u64)
    }
}

/// What a plan holds besides its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFooter {
    /// The names of the models, in the order in which the lines first named them.
    pub models: Vec<Arc<str>>,
    /// The runs in the order of the blob, without gaps; those of one model are in line order.
    pub runs: Vec<Run>,
    /// How many entries there are: one a line.
    pub total: u64,
}

impl PlanFooter {
    /// The runs of one model, in line order.
    pub fn runs_of(&self, model: u32) -> impl Iterator<Item = Run> + '_ {
        self.runs
            .iter()
            .copied()
            .filter(move |run| run.model == model)
    }

    /// Appends the footer and the trailer.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.total.to_le_bytes());
        out.extend_from_slice(&width(self.models.len()));
        for model in &self.models {
            out.extend_from_slice(&width(model.len()));
            out.extend_from_slice(model.as_bytes());
        }
        out.extend_from_slice(&width(self.runs.len()));
        for run in &self.runs {
            out.extend_from_slice(&run.model.to_le_bytes());
            out.extend_from_slice(&run.offset.to_le_bytes());
            out.extend_from_slice(&run.entries.to_le_bytes());
        }
        let footer = out.get(start..).unwrap_or_default();
        let (length, crc32c) = (footer.len() as u64, crc32c::crc32c(footer));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&crc32c.to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    /// Reads the tail of a plan blob: the bytes of [`tail_range`], footer and trailer.
    ///
    /// # Errors
    ///
    /// [`PlanCorrupt`] when the bytes are not a tail that fits its own checksum and numbers.
    pub fn decode(tail: &[u8]) -> Result<Self, PlanCorrupt> {
        let split = tail
            .len()
            .checked_sub(TRAILER_SIZE)
            .ok_or(PlanCorrupt("it is cut short"))?;
        let (footer, trailer) = tail
            .split_at_checked(split)
            .ok_or(PlanCorrupt("it is cut short"))?;
        let (length, checksum) = read_trailer(trailer)?;
        if length != footer.len() as u64 {
            return Err(PlanCorrupt("its footer has another length"));
        }
        if crc32c::crc32c(footer) != checksum {
            return Err(PlanCorrupt("its footer has another checksum"));
        }
        let footer = read_footer(footer).ok_or(PlanCorrupt("its footer cannot be read"))?;
        footer.verify()?;
        Ok(footer)
    }

    /// Checks that runs name existing models, follow each other, and sum to the total.
    fn verify(&self) -> Result<(), PlanCorrupt> {
        let mut end = 0;
        for run in &self.runs {
            if run.model as usize >= self.models.len() {
                return Err(PlanCorrupt("a run names an unknown model"));
            }
            if run.offset != end {
                return Err(PlanCorrupt("its runs have a gap"));
            }
            end = run.end();
        }
        let total = self
            .runs
            .iter()
            .map(|run| u64::from(run.entries))
            .sum::<u64>();
        if total != self.total {
            return Err(PlanCorrupt("its runs do not sum to its lines"));
        }
        Ok(())
    }
}

/// Where the tail (footer and trailer) of a plan blob lies, from the blob's last [`TRAILER_SIZE`]
/// bytes and its length.
///
/// # Errors
///
/// [`PlanCorrupt`] when the trailer is not one, or names more bytes than the blob has.
pub fn tail_range(trailer: &[u8], blob_length: u64) -> Result<Range<u64>, PlanCorrupt> {
    let (length, _) = read_trailer(trailer)?;
    let start = blob_length
        .checked_sub(TRAILER_SIZE as u64)
        .and_then(|end| end.checked_sub(length))
        .ok_or(PlanCorrupt("its footer is longer than the blob"))?;
    Ok(start..blob_length)
}

fn read_trailer(mut trailer: &[u8]) -> Result<(u64, u32), PlanCorrupt> {
    let bytes = &mut trailer;
    let fields = take_u64(bytes).zip(take_u32(bytes)).zip(take::<8>(bytes));
    match fields {
        Some((numbers, MAGIC)) if bytes.is_empty() => Ok(numbers),
        Some(_) | None => Err(PlanCorrupt("it does not end in a trailer of this version")),
    }
}

fn read_footer(mut footer: &[u8]) -> Option<PlanFooter> {
    let bytes = &mut footer;
    let total = take_u64(bytes)?;
    let mut models = Vec::new();
    for _ in 0..take_u32(bytes)? {
        let length = take_u32(bytes)? as usize;
        let (name, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        models.push(std::str::from_utf8(name).ok()?.into());
    }
    let mut runs = Vec::new();
    for _ in 0..take_u32(bytes)? {
        let (model, offset) = (take_u32(bytes)?, take_u64(bytes)?);
        runs.push(Run {
            model,
            offset,
            entries: take_u32(bytes)?,
        });
    }
    bytes.is_empty().then_some(PlanFooter {
        models,
        runs,
        total,
    })
}

/// A count as it is written. None comes near the end of the range: models and runs are at most as
/// many as lines, whose numbers have 32 bits.
fn width(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: u64 = PlanEntry::SIZE as u64;

    fn footer() -> PlanFooter {
        let run = |model, offset, entries| Run {
            model,
            offset,
            entries,
        };
        PlanFooter {
            models: vec!["a".into(), "b".into()],
            runs: vec![run(0, 0, 3), run(1, 3 * ENTRY, 2)],
            total: 5,
        }
    }

    /// What is said of a footer that this change was made to.
    fn check(change: impl FnOnce(&mut PlanFooter), expected: Result<(), PlanCorrupt>) {
        let mut footer = footer();
        change(&mut footer);
        let mut tail = Vec::new();
        footer.encode(&mut tail);
        assert_eq!(
            PlanFooter::decode(&tail).map(|_| ()),
            expected,
            "{footer:?}"
        );
    }

    #[test]
    fn a_footer_whose_numbers_do_not_fit_each_other_is_none() {
        check(|_| (), Ok(()));
        let unknown = Err(PlanCorrupt("a run names an unknown model"));
        check(|footer| footer.runs[1].model = 2, unknown);
        let gap = Err(PlanCorrupt("its runs have a gap"));
        check(|footer| footer.runs[0].offset = ENTRY, gap);
        check(|footer| footer.runs[1].offset += ENTRY, gap);
        check(|footer| footer.runs[1].offset -= ENTRY, gap);
        let sum = Err(PlanCorrupt("its runs do not sum to its lines"));
        check(|footer| footer.total = 4, sum);
        check(|footer| footer.runs[1].entries = 3, sum);
    }

    #[test]
    fn a_tail_lies_at_the_end_of_its_blob() {
        let mut tail = Vec::new();
        footer().encode(&mut tail);
        let length = tail.len() as u64;
        let trailer = &tail[tail.len() - TRAILER_SIZE..];
        assert_eq!(tail_range(trailer, length + 200), Ok(200..length + 200));
        assert_eq!(tail_range(trailer, length), Ok(0..length));
        assert!(tail_range(trailer, length - 1).is_err());
        assert!(tail_range(&tail[tail.len() - TRAILER_SIZE + 1..], length).is_err());
        assert!(tail_range(&[trailer, &[0]].concat(), length).is_err());
        assert!(PlanFooter::decode(&tail[1..]).is_err());
    }
}
