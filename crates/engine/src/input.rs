//! The input file of a batch: any bytes of it, across its extents.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use overnight_core::segment::{Extent, PlacedExtent, placed};
use overnight_store::Blobs;
use overnight_store::blobs::{BlobError, ExtentReader};

/// Reads an input file, which never changes. Cloning shares the list of extents.
#[derive(Clone)]
pub(crate) struct InputReader {
    blobs: Blobs,
    extents: Arc<[PlacedExtent]>,
}

impl InputReader {
    pub(crate) fn new(blobs: Blobs, extents: &[Extent]) -> Self {
        Self {
            blobs,
            extents: placed(extents).into(),
        }
    }

    /// How many bytes the file has.
    pub(crate) fn length(&self) -> u64 {
        self.extents
            .last()
            .map_or(0, |last| last.at + last.extent.length)
    }

    /// The extents that hold those bytes of the file.
    pub(crate) fn extents_of(&self, range: Range<u64>) -> &[PlacedExtent] {
        let end_of = |placed: &PlacedExtent| placed.at + placed.extent.length;
        let first = self
            .extents
            .partition_point(|placed| end_of(placed) <= range.start);
        let behind = self.extents.partition_point(|placed| placed.at < range.end);
        self.extents.get(first..behind).unwrap_or_default()
    }

    /// Those bytes of the file, in one go when they lie in one extent. They are not compared with a
    /// checksum of their extents.
    ///
    /// # Errors
    ///
    /// As [`Blobs::read`]; [`BlobError::Corrupt`] when the file has no such bytes.
    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let extents = self.extents_of(range.clone());
        if extents
            .last()
            .is_none_or(|last| last.at + last.extent.length < range.end)
        {
            return Err(BlobError::Corrupt("the input file is too short".into()));
        }
        let mut bytes = BytesMut::new();
        for PlacedExtent { at, extent } in extents {
            let from = extent.offset + (range.start.max(*at) - at);
            let to = extent.offset + (range.end.min(at + extent.length) - at);
            let piece = self.blobs.read(&extent.blob, from..to).await?;
            if extents.len() == 1 {
                return Ok(piece);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Those bytes of the file, piece by piece. Lines have checksums of their own, so a part of an
    /// extent is not worth reading all of it.
    pub(crate) fn stream(&self, range: Range<u64>) -> ExtentReader {
        ExtentReader::new(self.blobs.clone(), self.extents.to_vec(), range)
            .without_comparing_parts()
    }
}
