//! Where each line of a batch lies: written once by validation, read in pieces by the feed.
//!
//! Without the plan a restart would have to parse the input again, and so would every look-up. An
//! entry has a fixed width and names the bytes of a line, of its `custom_id` and of its body, so
//! that nobody parses a line a second time.
//!
//! ```text
//! blob = run of entries (one model) │ run │ … │ footer (models, runs, total) │ trailer
//! ```
//!
//! Entries are grouped by model because a lane feeds one model: it reads only that model's runs,
//! and a run is one ranged read. The footer comes last because the models and the number of lines are
//! known only when the last line was seen, and the blob is written while the input is read.
//!
//! All numbers are little-endian.

mod entry;
mod footer;
mod index;
mod writer;

#[cfg(test)]
mod properties;

pub use self::entry::{LineParts, PlanEntry};
pub use self::footer::{PlanCorrupt, PlanFooter, Run, TRAILER_SIZE, tail_range};
pub use self::index::IndexEntry;
pub use self::writer::{BUFFERED_BYTES_MAX, PlanWriter};

/// Takes the next `N` bytes off the front; `None` when there are fewer.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Takes a number off the front.
fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

/// Takes a number off the front.
fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}
