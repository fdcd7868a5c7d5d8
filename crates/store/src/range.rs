//! Neighbouring segments that one merged segment takes the place of.

use std::ops::AddAssign;

use overnight_core::batch::Tally;
use overnight_core::segment::{Extent, LineSet, Segment};
use overnight_core::usage::Usage;

use crate::rows::SegmentRow;
use crate::rules::written_under;

/// Neighbouring segments, summed up.
pub(crate) struct Range {
    first: (u64, u64),
    key_of_last: (u64, u64),
    /// As [`SegmentRow::last`] of the last one.
    pub(crate) last: (u64, u64),
    pub(crate) output_at: Option<u64>,
    pub(crate) error_at: Option<u64>,
    output_bytes: u64,
    error_bytes: u64,
    lines: LineSet,
    tally: Tally,
    usage: Usage,
}

impl Range {
    /// The sum of the rows; `None` when there are none.
    pub(crate) fn over(rows: &[SegmentRow]) -> Option<Self> {
        let (first, last) = (rows.first()?, rows.last()?);
        let mut range = Self {
            first: (first.segment.epoch, first.segment.seq),
            key_of_last: (last.segment.epoch, last.segment.seq),
            last: last.last,
            output_at: rows.iter().find_map(|row| row.output_at),
            error_at: rows.iter().find_map(|row| row.error_at),
            output_bytes: 0,
            error_bytes: 0,
            lines: LineSet::new(),
            tally: Tally::default(),
            usage: Usage::default(),
        };
        for SegmentRow { segment, .. } in rows {
            range.output_bytes += bytes(segment.output.as_ref());
            range.error_bytes += bytes(segment.error.as_ref());
            range.lines.union_with(&segment.lines);
            range.tally.add_assign(segment.tally);
            range.usage.add_assign(segment.usage);
        }
        Some(range)
    }

    /// Whether the rows are those from the key of `merged` to `last`, and `merged` holds what they
    /// hold.
    pub(crate) fn is_replaced_by(&self, merged: &Segment, last: (u64, u64)) -> bool {
        self.first == (merged.epoch, merged.seq)
            && self.key_of_last == last
            && self.holds_the_same_as(merged)
    }

    fn holds_the_same_as(&self, merged: &Segment) -> bool {
        self.output_at.is_some() == merged.output.is_some()
            && self.error_at.is_some() == merged.error.is_some()
            && self.output_bytes == bytes(merged.output.as_ref())
            && self.error_bytes == bytes(merged.error.as_ref())
            && self.lines == merged.lines
            && self.tally == merged.tally
            && self.usage == merged.usage
    }
}

/// Whether a new blob of the merged segment was written under an epoch that is past: then somebody
/// may be about to delete it, as one that nobody names and nobody can name later.
pub(crate) fn may_be_swept(epoch: u64, merged: &Segment, replaced: &[SegmentRow]) -> bool {
    merged.blobs().any(|blob| {
        let is_past = written_under(blob).is_some_and(|(_, written)| written < epoch);
        let is_named = |old: &SegmentRow| old.segment.blobs().any(|named| named == blob);
        is_past && !replaced.iter().any(is_named)
    })
}

fn bytes(extent: Option<&Extent>) -> u64 {
    extent.map_or(0, |extent| extent.length)
}
