//! Copies blobs, and compares each copy with what its rows say.

use std::pin::pin;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use overnight_core::segment::BlobKey;

use super::{BackupError, Damaged, Result};
use crate::blobs::{BlobError, Blobs, PIECE_BYTES};
use crate::sqlite::inspect::NamedExtent;

/// What was copied.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Blobs that belong to the copy, whether they were there already or not.
    pub(crate) blobs: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Those that were not there, or not whole.
    pub(crate) new_blobs: u64,
    /// Their bytes.
    pub(crate) new_bytes: u64,
    /// Those that could not be copied, because they are lost or damaged.
    pub(crate) damaged: Vec<Damaged>,
}

/// So many blobs are copied at once: a bucket takes long to answer.
const COPIES_MAX: usize = 8;

/// Copies blobs from one place to another.
pub(crate) struct Copier<'a> {
    pub(crate) from: &'a Blobs,
    pub(crate) to: &'a Blobs,
    /// Called before each piece: whoever copies says that it is still there.
    pub(crate) alive: &'a dyn Fn() -> Result<()>,
}

/// What became of one blob: its length and whether it was there already, or what is wrong with it.
type Answer = std::result::Result<(u64, bool), String>;

impl Copier<'_> {
    /// Copies every blob of a sorted list of extents that is not there yet, or not as it was. What is
    /// lost or damaged is left out and told; an index that is, is only left out.
    pub(crate) async fn copy(&self, named: &[NamedExtent]) -> Result<Copied> {
        let blobs = named.chunk_by(|one, other| one.extent.blob == other.extent.blob);
        let copies = blobs.filter_map(|extents| {
            let key = &extents.first()?.extent.blob;
            Some(async move {
                let answer = self.one(key, extents).await?;
                Result::Ok((key, extents, answer))
            })
        });
        let mut copies = pin!(stream::iter(copies).buffered(COPIES_MAX));
        let mut copied = Copied::default();
        while let Some((key, extents, answer)) = copies.try_next().await? {
            match answer {
                Ok((length, is_there)) => {
                    copied.blobs += 1;
                    copied.bytes += length;
                    copied.new_blobs += u64::from(!is_there);
                    copied.new_bytes += if is_there { 0 } else { length };
                }
                Err(_) if extents.iter().all(|named| named.is_index) => {}
                Err(why) => copied.damaged.push((key.clone(), why)),
            }
        }
        Ok(copied)
    }

    async fn one(&self, key: &BlobKey, extents: &[NamedExtent]) -> Result<Answer> {
        if let Some(length) = self.kept(key, extents).await? {
            return Ok(Ok((length, true)));
        }
        let copied = self.blob(key, extents).await?;
        Ok(copied.map(|length| (length, false)))
    }

    /// The length of a copy that is there already. It is compared with what its rows say: disks for
    /// backups lose bytes, too, and a copy that did is made anew.
    async fn kept(&self, key: &BlobKey, extents: &[NamedExtent]) -> Result<Option<u64>> {
        let of_blob = |error| BackupError::Blob(key.clone(), error);
        let length = match self.to.length(key).await {
            Ok(length) => length,
            Err(BlobError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(of_blob(error)),
        };
        for NamedExtent { extent, .. } in extents {
            (self.alive)()?;
            match self.to.verify(extent).await {
                Ok(()) => {}
                Err(BlobError::NotFound(_) | BlobError::Corrupt(_)) => {
                    self.to.delete(key).await.map_err(of_blob)?;
                    return Ok(None);
                }
                Err(error) => return Err(of_blob(error)),
            }
        }
        Ok(Some(length))
    }

    /// Copies one blob; answers its length, or what is wrong with it.
    async fn blob(
        &self,
        key: &BlobKey,
        extents: &[NamedExtent],
    ) -> Result<std::result::Result<u64, String>> {
        let of_blob = |error| BackupError::Blob(key.clone(), error);
        let length = match self.pieces(key).await? {
            Ok(length) => length,
            Err(error) => return damage(error).map_err(of_blob),
        };
        for NamedExtent { extent, .. } in extents {
            (self.alive)()?;
            let Err(error) = self.to.verify(extent).await else {
                continue;
            };
            self.to.delete(key).await.map_err(of_blob)?;
            // Whose fault it is: that of the copy, or of what was copied.
            return match self.from.verify(extent).await {
                Ok(()) => Err(of_blob(error)),
                Err(error) => damage(error).map_err(of_blob),
            };
        }
        Ok(Ok(length))
    }

    /// Copies the bytes of a blob; the inner error is that of reading.
    async fn pieces(&self, key: &BlobKey) -> Result<std::result::Result<u64, BlobError>> {
        let of_blob = |error| BackupError::Blob(key.clone(), error);
        let length = match self.from.length(key).await {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        let mut writer = self.to.upload(key);
        let mut at = 0;
        while at < length {
            (self.alive)()?;
            let until = length.min(at + PIECE_BYTES);
            match self.from.read(key, at..until).await {
                Ok(piece) => writer.write(piece).await.map_err(of_blob)?,
                Err(error) => {
                    writer.abort().await.map_err(of_blob)?;
                    return Ok(Err(error));
                }
            }
            at = until;
        }
        writer.finish().await.map_err(of_blob)?;
        Ok(Ok(length))
    }
}

/// What is wrong with a blob, unless it is only that it cannot be read at present.
fn damage(error: BlobError) -> std::result::Result<std::result::Result<u64, String>, BlobError> {
    match error {
        BlobError::NotFound(_) => Ok(Err("it is not there".to_owned())),
        BlobError::Corrupt(source) => Ok(Err(source.to_string())),
        error @ (BlobError::Unavailable(_) | BlobError::NotDurable(_)) => Err(error),
    }
}
