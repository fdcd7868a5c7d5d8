//! A blob whose bytes come one after another: uploads, plans, large segments.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use overnight_core::segment::{BlobKey, Extent};
use xxhash_rust::xxh3::Xxh3;

use super::{Result, error, path};

/// A blob that is being written. It holds about 1 MiB at most, or 8 MiB for a bucket. Dropped before
/// [`Self::finish`], it leaves nothing under its key; what the folder had of it goes with it, or with the
/// next [`super::Blobs::sweep_staging`].
pub struct BlobWriter {
    place: Arc<dyn ObjectStore>,
    key: BlobKey,
    /// How many bytes are gathered before they are handed on.
    hop_bytes: usize,
    gathered: BytesMut,
    /// Begun with the first hop: a blob of less than one is put whole.
    upload: Option<Box<dyn MultipartUpload>>,
    length: u64,
    hash: Box<Xxh3>,
}

impl BlobWriter {
    pub(super) fn new(place: Arc<dyn ObjectStore>, key: BlobKey, hop_bytes: usize) -> Self {
        Self {
            place,
            key,
            hop_bytes,
            gathered: BytesMut::new(),
            upload: None,
            length: 0,
            hash: Box::new(Xxh3::new()),
        }
    }

    /// The bytes that come next.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when they could not be written; the blob is lost then.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.hash.update(&bytes);
        self.length += bytes.len() as u64;
        if self.gathered.is_empty() && bytes.len() >= self.hop_bytes {
            return self.hop(bytes).await;
        }
        while !bytes.is_empty() {
            if self.gathered.capacity() == 0 {
                // All of it at once: growing would leave the memory of each step behind.
                self.gathered = BytesMut::with_capacity(self.hop_bytes);
            }
            let room = self.hop_bytes.saturating_sub(self.gathered.len());
            let fitting = bytes.split_to(room.min(bytes.len()));
            self.gathered.extend_from_slice(&fitting);
            if self.gathered.len() >= self.hop_bytes {
                let full = std::mem::take(&mut self.gathered).freeze();
                self.hop(full).await?;
            }
        }
        Ok(())
    }

    /// How many bytes were given so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The blob is there for good. Answers the extent that spans it.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when it could not be written,
    /// [`super::BlobError::NotDurable`] when the disk did not promise to keep it.
    pub async fn finish(mut self) -> Result<Extent> {
        let rest = self.gathered.split().freeze();
        if self.upload.is_some() && !rest.is_empty() {
            self.hop(rest).await?;
        } else if self.upload.is_none() {
            let whole = PutPayload::from_bytes(rest);
            self.place
                .put(&path(&self.key), whole)
                .await
                .map_err(error::object)?;
        }
        if let Some(mut upload) = self.upload.take() {
            upload.complete().await.map_err(error::object)?;
        }
        Ok(Extent {
            blob: self.key.clone(),
            offset: 0,
            length: self.length,
            checksum: self.hash.digest(),
        })
    }

    /// Gives the blob up and deletes what was written of it.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when that could not be deleted.
    pub async fn abort(mut self) -> Result<()> {
        match self.upload.take() {
            Some(mut upload) => upload.abort().await.map_err(error::object),
            None => Ok(()),
        }
    }

    async fn hop(&mut self, bytes: Bytes) -> Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let begun = self.place.put_multipart(&path(&self.key)).await;
                none.insert(begun.map_err(error::object)?)
            }
        };
        upload
            .put_part(PutPayload::from_bytes(bytes))
            .await
            .map_err(error::object)
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobWriter")
            .field("key", &self.key)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
