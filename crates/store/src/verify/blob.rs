//! What must be true of the bytes that a row names.

use overnight_core::segment::Extent;

use super::{Check, Checks, Finding};
use crate::blobs::BlobError;
use crate::store::{Result, StoreError};

impl Checks<'_> {
    /// The bytes are there and have their checksum.
    pub(super) async fn extent(&mut self, extent: &Extent, holder: &str) -> Result<()> {
        if self.told.contains(&extent.blob) {
            return Ok(());
        }
        self.summary.bytes += extent.length;
        let checked = self.blobs.verify(extent).await;
        self.compared(extent, holder, checked)
    }

    /// Tells what came of comparing an extent.
    pub(super) fn compared(
        &mut self,
        extent: &Extent,
        holder: &str,
        checked: std::result::Result<(), BlobError>,
    ) -> Result<()> {
        let (check, problem) = match checked {
            Ok(()) => return Ok(()),
            Err(BlobError::Unavailable(source) | BlobError::NotDurable(source)) => {
                return Err(StoreError::Unavailable(source));
            }
            Err(BlobError::NotFound(_)) => (Check::BlobMissing, "it is not there".to_owned()),
            Err(BlobError::Corrupt(source)) => (Check::BlobDamaged, source.to_string()),
        };
        if self.told.insert(extent.blob.clone()) {
            let problem = format!("{problem}; it holds {holder}");
            self.tell(Finding::new(check, extent.blob.as_str(), problem));
        }
        Ok(())
    }

    /// An index that is lost is missed by nobody but look-ups.
    pub(super) async fn index(&mut self, extent: &Extent, holder: &str) -> Result<()> {
        self.summary.bytes += extent.length;
        match self.blobs.verify(extent).await {
            Ok(()) => Ok(()),
            Err(BlobError::Unavailable(source) | BlobError::NotDurable(source)) => {
                Err(StoreError::Unavailable(source))
            }
            Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => {
                let problem = format!("{error}; it is the index of {holder}");
                self.tell(Finding::new(Check::Index, extent.blob.as_str(), problem));
                Ok(())
            }
        }
    }
}
