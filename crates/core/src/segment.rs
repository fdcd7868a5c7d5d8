//! Blobs, extents and segments: how results are kept.
//!
//! The outcomes of a batch are flushed as segments. A line is done if and only if a recorded
//! segment names it; a result file is the extents of its batch's segments, in their order.

use std::fmt;
use std::sync::Arc;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::batch::Tally;
use crate::id::BatchId;
use crate::usage::Usage;

/// The name of a blob: relative, parts separated by `/`, of letters, digits, `_`, `-` and `.` only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobKey(Arc<str>);

impl BlobKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The blob of an uploaded file. `random` keeps two attempts apart.
    #[must_use]
    pub fn upload(random: u128) -> Self {
        format!("files/{random:032x}").into()
    }

    /// The plan of a batch, written by the holder of that epoch.
    #[must_use]
    pub fn plan(batch: &BatchId, epoch: u64, random: u128) -> Self {
        format!("plans/{batch}-{epoch}-{:08x}", random >> 96).into()
    }

    /// A blob of a segment, written by the holder of that epoch.
    #[must_use]
    pub fn segment(batch: &BatchId, epoch: u64, seq: u64, part: Part, random: u128) -> Self {
        let part = part.as_str();
        format!(
            "segments/{batch}-{epoch}-{seq:010}-{part}-{:08x}",
            random >> 96
        )
        .into()
    }
}

impl From<String> for BlobKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for BlobKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What a blob of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Result lines of the output file.
    Output,
    /// Result lines of the error file.
    Error,
    /// Index entries, one for each result line.
    Index,
}

impl Part {
    /// The word in a blob's key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Error => "error",
            Self::Index => "index",
        }
    }
}

/// One of the two result files of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultFile {
    /// The lines that were answered with a 2xx status.
    Output,
    /// All others.
    Error,
}

impl ResultFile {
    /// The word in a result file's name and in queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Error => "error",
        }
    }
}

/// A run of bytes inside a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The blob.
    pub blob: BlobKey,
    /// Where the run begins in it, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The xxh3 hash of the run's bytes.
    pub checksum: u64,
}

/// An extent and where its bytes lie in the file that it is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedExtent {
    /// The offset of the extent's first byte in the file.
    pub at: u64,
    /// The bytes.
    pub extent: Extent,
}

/// Places extents one after another, from the start of a file.
#[must_use]
pub fn placed(extents: &[Extent]) -> Vec<PlacedExtent> {
    let mut at = 0;
    extents
        .iter()
        .map(|extent| {
            let placed = PlacedExtent {
                at,
                extent: extent.clone(),
            };
            at += extent.length;
            placed
        })
        .collect()
}

/// A set of line numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineSet(RoaringBitmap);

impl LineSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line; false when it was there already.
    pub fn insert(&mut self, line: u32) -> bool {
        self.0.insert(line)
    }

    /// Whether the line is in the set.
    #[must_use]
    pub fn contains(&self, line: u32) -> bool {
        self.0.contains(line)
    }

    /// How many lines the set has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether the set has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds every line of another set.
    pub fn union_with(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Whether no line is in both sets.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    /// The lowest line of the set.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.min()
    }

    /// The highest line of the set.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.0.max()
    }

    /// The lines in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }

    /// The portable serialised form of a roaring bitmap.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        // Writing to memory cannot fail.
        let _ = self.0.serialize_into(&mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when the bytes are not such a set.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        RoaringBitmap::deserialize_from(bytes).ok().map(Self)
    }
}

impl FromIterator<u32> for LineSet {
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

/// Result lines that are recorded as a unit. Once recorded, a segment's lines never change.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The epoch of the lease under which it was recorded.
    pub epoch: u64,
    /// Its place among the segments of that epoch, from 0.
    pub seq: u64,
    /// Its bytes of the output file.
    pub output: Option<Extent>,
    /// Its bytes of the error file.
    pub error: Option<Extent>,
    /// Its index entries, one a line: for look-ups, never needed to be correct.
    pub index: Option<Extent>,
    /// The lines that it ends.
    pub lines: LineSet,
    /// How those lines ended; its parts sum to the number of `lines`.
    pub tally: Tally,
    /// The tokens of those lines.
    pub usage: Usage,
}

impl Segment {
    /// Its bytes of one of the two result files.
    #[must_use]
    pub const fn extent(&self, file: ResultFile) -> Option<&Extent> {
        match file {
            ResultFile::Output => self.output.as_ref(),
            ResultFile::Error => self.error.as_ref(),
        }
    }

    /// The blobs that it names.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobKey> {
        [&self.output, &self.error, &self.index]
            .into_iter()
            .flatten()
            .map(|extent| &extent.blob)
    }
}

#[cfg(test)]
mod tests;
