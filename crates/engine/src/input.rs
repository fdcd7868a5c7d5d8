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

    /// The extent that holds that byte of the file.
    pub(crate) fn extent_at(&self, offset: u64) -> Option<&Extent> {
        let place = self
            .extents
            .partition_point(|placed| placed.at + placed.extent.length <= offset);
        self.extents.get(place).map(|placed| &placed.extent)
    }

    /// Those bytes of the file, in one go when they lie in one extent.
    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let first = self
            .extents
            .partition_point(|placed| placed.at + placed.extent.length <= range.start);
        if let Some(placed) = self.extents.get(first)
            && range.end <= placed.at + placed.extent.length
        {
            let start = placed.extent.offset + (range.start - placed.at);
            return self
                .blobs
                .read(
                    &placed.extent.blob,
                    start..start + (range.end - range.start),
                )
                .await;
        }
        let mut reader = self.stream(range.clone());
        let mut bytes = BytesMut::new();
        while let Some(piece) = reader.next().await? {
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
