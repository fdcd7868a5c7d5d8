//! The lines of a batch, one by one and grouped by why they failed; routes of our own.
//!
//! The database knows no lines. What is asked here is answered from what the engine writes anyway:
//! the segments' rows (which lines have ended), their indexes (where each result line lies and what
//! it took), the result lines, the plan while the batch is open, and the input file.
//!
//! ```text
//! segments ──► Recorded ──► Ended (a line, and where its result lies) ──┬──► Lowest ──► a page
//! plan ──────────────────► entries of lines that have not ended ────────┘
//! error lines ──► Failure ──► Groups
//! ```
//!
//! Everything is read in passing. At a time a request holds one page of segments with their sets of
//! lines (an eighth of a byte a line, about), the index of one segment, a page of at most
//! [`PAGE_MAX`] lines or [`GROUPS_MAX`] groups, and [`HEAD_BYTES`] of one result line: a
//! million lines take no more than a thousand do, but for the sets. Nothing is kept between requests.

mod ended;
mod failures;
mod groups;
mod heads;
mod input;
mod list;
mod lowest;
mod one;
mod plan;
mod recorded;

pub(crate) use self::ended::{Ended, Hidden};
pub(crate) use self::failures::failures;
pub(crate) use self::groups::{GROUPS_MAX, Group};
pub(crate) use self::heads::{Head, HeadReader};
pub(crate) use self::input::{InputLines, input_of};
pub(crate) use self::list::{PAGE_MAX, list};
pub(crate) use self::one::one;
pub(crate) use self::recorded::Recorded;

/// How much of a result line is looked at for its page or its group, in bytes.
const HEAD_BYTES: usize = 64 << 10;
