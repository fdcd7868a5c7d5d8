//! Immutable bytes by name: a folder, a bucket or memory, behind one struct.
//!
//! A blob is written whole and never changes; it is there after the answer, also when the power
//! fails in the next moment. A *mount* is a plain file outside the folder under a blob's key, for a
//! run that reads its input where it lies and appends its results to the file that was asked for.

mod bucket;
mod error;
mod extent_reader;
#[cfg(any(test, feature = "conformance"))]
mod faulty;
mod folders;
mod local;
mod mount;
mod staging;
#[cfg(test)]
mod tests;
mod verified;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use overnight_core::segment::{BlobKey, Extent};
use xxhash_rust::xxh3::Xxh3;

pub use self::bucket::{BadBucket, BucketSettings, LostUploads};
pub use self::error::BlobError;
pub use self::extent_reader::ExtentReader;
use self::folders::Folders;
use self::mount::Mount;
use self::verified::Verified;
pub use self::writer::BlobWriter;
use crate::blocking::Blocking;

/// How many bytes one read of a long run of bytes asks for.
pub const PIECE_BYTES: u64 = 256 * 1024;

/// The most that one asks for where few runs are read at a time.
pub const LARGE_PIECE_BYTES: u64 = 1024 * 1024;

/// How many bytes of a blob that comes bit by bit are gathered before they are handed on: a hop to the
/// disk costs the same for few bytes as for many.
const HOP_BYTES: usize = 1024 * 1024;

/// The same for a bucket, where a part of an upload has 5 MiB at least, and an upload 10,000 parts at
/// most.
const REMOTE_HOP_BYTES: usize = 8 * 1024 * 1024;

/// So many times as many bytes as from a disk are read at once from a bucket, whose first byte comes
/// later.
const REMOTE_PIECES: u64 = 4;

/// What is written to learn whether anything can be. Whoever asks writes the same.
const PROBE: &str = "probe";

/// What a verb on blobs answers.
pub type Result<T> = std::result::Result<T, BlobError>;

/// Where the bytes are kept. Cloning shares the place.
#[derive(Clone)]
pub struct Blobs {
    durable: Arc<dyn ObjectStore>,
    /// The same place without fsync, for bytes that may be lost.
    relaxed: Arc<dyn ObjectStore>,
    /// The folder, when the place is one.
    folders: Option<Arc<Folders>>,
    /// Whether each request goes a long way.
    is_remote: bool,
    mounts: BTreeMap<BlobKey, Arc<Mount>>,
    blocking: Blocking,
    verified: Verified,
    #[cfg(any(test, feature = "conformance"))]
    faults: Option<faulty::Faults>,
}

impl Blobs {
    /// Keeps blobs in memory, until the last clone is gone.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            is_remote: false,
            ..Self::remote(Arc::new(InMemory::new()))
        }
    }

    /// Keeps blobs as objects of a place that keeps each for good by itself.
    fn remote(place: Arc<dyn ObjectStore>) -> Self {
        Self {
            durable: Arc::clone(&place),
            relaxed: place,
            folders: None,
            is_remote: true,
            mounts: BTreeMap::new(),
            blocking: Blocking::Pool,
            verified: Verified::default(),
            #[cfg(any(test, feature = "conformance"))]
            faults: None,
        }
    }

    /// Whether each request goes a long way: then few large ones are better than many small ones.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// How many bytes to read at once where it would be `bytes` from a disk.
    pub(crate) const fn piece_bytes(&self, bytes: u64) -> u64 {
        if self.is_remote {
            bytes.saturating_mul(REMOTE_PIECES)
        } else {
            bytes
        }
    }

    /// Where the work on mounted files runs; the blocking pool unless told otherwise.
    #[must_use]
    pub fn with_blocking(mut self, blocking: Blocking) -> Self {
        self.blocking = blocking;
        self
    }

    /// Reads the blob of that key from an existing plain file, which nothing here ever changes.
    ///
    /// # Errors
    ///
    /// [`BlobError::NotFound`] when there is no such file, [`BlobError::Unavailable`] when it
    /// cannot be opened.
    pub fn with_mount(mut self, key: BlobKey, path: &Path) -> Result<Self> {
        self.mounts.insert(key, Arc::new(Mount::open(path)?));
        Ok(self)
    }

    /// Keeps the blob of that key in a plain file that grows by [`Self::append`], and is created
    /// when it is missing.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when the file cannot be opened or created.
    pub fn with_appended(mut self, key: BlobKey, path: &Path) -> Result<Self> {
        self.mounts
            .insert(key, Arc::new(Mount::open_to_append(path)?));
        Ok(self)
    }

    /// Either the whole blob is there for good, or none of it. Answers the extent that spans it.
    /// A repeated call replaces the blob by the same bytes.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when it could not be written, [`BlobError::NotDurable`] when the
    /// disk did not promise to keep it.
    pub async fn put(&self, key: &BlobKey, parts: Vec<Bytes>) -> Result<Extent> {
        put(&*self.durable, key, parts).await
    }

    /// As [`Self::put`], but the blob may be gone, or be cut short, after a power failure: for
    /// bytes that nothing needs to be correct.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when it could not be written.
    pub async fn put_relaxed(&self, key: &BlobKey, parts: Vec<Bytes>) -> Result<Extent> {
        put(&*self.relaxed, key, parts).await
    }

    /// Begins a blob whose bytes come one after another. Nothing is there under the key before
    /// [`BlobWriter::finish`].
    #[must_use]
    pub fn upload(&self, key: &BlobKey) -> BlobWriter {
        self.writer(&self.durable, key)
    }

    /// As [`Self::upload`], but the blob may be gone, or be cut short, after a power failure: for
    /// bytes that can be made anew.
    #[must_use]
    pub fn upload_relaxed(&self, key: &BlobKey) -> BlobWriter {
        self.writer(&self.relaxed, key)
    }

    fn writer(&self, place: &Arc<dyn ObjectStore>, key: &BlobKey) -> BlobWriter {
        let hop_bytes = if self.is_remote {
            REMOTE_HOP_BYTES
        } else {
            HOP_BYTES
        };
        BlobWriter::new(Arc::clone(place), key.clone(), hop_bytes)
    }

    /// Those bytes of a blob, read in one go; callers bound the range. An empty range reads
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`BlobError::NotFound`] when there is no such blob, [`BlobError::Corrupt`] when it ends
    /// before the range does or the disk cannot read it, [`BlobError::Unavailable`] when it could not be read.
    pub async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let bytes = match (self.mounts.get(key), &self.folders) {
            (Some(mount), _) => mount.read(self.blocking, range.clone()).await?,
            (None, Some(folders)) => {
                let file = folders.root().join(path(key).as_ref());
                mount::read_file(self.blocking, file, range.clone()).await?
            }
            (None, None) => self.read_object(key, range.clone()).await?,
        };
        if bytes.len() as u64 == range.end - range.start {
            Ok(bytes)
        } else {
            Err(error::short(key, range.end))
        }
    }

    /// The bytes of an extent, in one go, compared with its checksum; callers bound its length.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`BlobError::Corrupt`] also when the bytes are not those that were
    /// written.
    pub async fn read_extent(&self, extent: &Extent) -> Result<Bytes> {
        let bytes = self
            .read(&extent.blob, extent.offset..end_of(extent))
            .await?;
        check(extent, xxhash_rust::xxh3::xxh3_64(&bytes))?;
        Ok(bytes)
    }

    /// Reads an extent piece by piece and compares it with its checksum.
    ///
    /// # Errors
    ///
    /// As [`Self::read_extent`].
    pub async fn verify(&self, extent: &Extent) -> Result<()> {
        let mut hash = Xxh3::new();
        let end = end_of(extent);
        let mut at = extent.offset;
        while at < end {
            let until = end.min(at + self.piece_bytes(PIECE_BYTES));
            hash.update(&self.read(&extent.blob, at..until).await?);
            at = until;
        }
        check(extent, hash.digest())
    }

    /// As [`Self::verify`], unless that was done some minutes ago at most: for whoever wants a part
    /// of the extent.
    async fn verify_for_parts(&self, extent: &Extent) -> Result<()> {
        if !self.is_hashed(&extent.blob) {
            return Ok(());
        }
        self.verified.or_compare(extent, self.verify(extent)).await
    }

    /// How many bytes a blob has.
    ///
    /// # Errors
    ///
    /// [`BlobError::NotFound`] when there is no such blob, [`BlobError::Corrupt`] when the disk cannot
    /// read what it is, [`BlobError::Unavailable`] when nobody can tell.
    pub async fn length(&self, key: &BlobKey) -> Result<u64> {
        match self.mounts.get(key) {
            Some(mount) => mount.length(self.blocking).await,
            None => Ok(self
                .durable
                .head(&path(key))
                .await
                .map_err(error::read_object)?
                .size),
        }
    }

    /// The blobs are gone for good, as far as they were there. Mounted files stay.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when one could not be deleted, [`BlobError::NotDurable`] when the
    /// disk did not promise to keep that.
    pub async fn delete_all(&self, keys: &[BlobKey]) -> Result<()> {
        let Some(folders) = self.folders.clone() else {
            return self.delete_objects(keys).await;
        };
        for key in keys {
            self.delete(key).await?;
        }
        let files = keys.iter().filter(|key| !self.mounts.contains_key(key));
        let files: Vec<PathBuf> = files
            .map(|key| folders.root().join(path(key).as_ref()))
            .collect();
        let keep = move || folders.keep_deletions(files.iter().map(PathBuf::as_path));
        self.blocking.run(keep).await.flatten().map_err(error::io)
    }

    /// As [`Self::delete_all`], of objects: many in one request, where the place takes that.
    async fn delete_objects(&self, keys: &[BlobKey]) -> Result<()> {
        let owned = keys.iter().filter(|key| !self.mounts.contains_key(key));
        let paths: Vec<_> = owned.map(|key| Ok(path(key))).collect();
        let mut deleted = self.durable.delete_stream(stream::iter(paths).boxed());
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(error::object(source)),
            }
        }
        Ok(())
    }

    /// The blob is gone, but may be there again after a power failure; a missing one is fine. A
    /// mounted file is its owner's and stays.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when it could not be deleted.
    pub async fn delete(&self, key: &BlobKey) -> Result<()> {
        if self.mounts.contains_key(key) {
            return Ok(());
        }
        match self.durable.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(error::object(source)),
        }
    }

    /// Writes a few bytes and deletes them again, to learn whether blobs can be kept here and now.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    pub async fn probe(&self) -> Result<()> {
        let key = BlobKey::from(PROBE);
        self.put(&key, vec![Bytes::from_static(PROBE.as_bytes())])
            .await?;
        self.delete(&key).await
    }

    /// The keys that begin with these whole parts (`segments`, say), in no order. Mounts and
    /// unfinished blobs are not among them.
    #[must_use]
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobKey>> {
        self.durable
            .list(Some(&ObjectPath::from(prefix)))
            .map(|found| match found {
                Ok(object) => Ok(BlobKey::from(object.location.as_ref())),
                Err(source) => Err(error::list(source)),
            })
            .boxed()
    }

    /// Every key, as [`Self::list`] tells those of a folder.
    #[must_use]
    pub fn list_all(&self) -> BoxStream<'static, Result<BlobKey>> {
        self.durable
            .list(None)
            .map(|found| match found {
                Ok(object) => Ok(BlobKey::from(object.location.as_ref())),
                Err(source) => Err(error::list(source)),
            })
            .boxed()
    }

    /// Appends to a mounted file. The bytes are there for good, or the file is as long as before.
    /// Appends to one file take turns.
    ///
    /// # Errors
    ///
    /// [`BlobError::NotFound`] when no file to append to is mounted under the key,
    /// [`BlobError::Unavailable`] when it could not be written, [`BlobError::NotDurable`] when the
    /// disk did not promise to keep it.
    pub async fn append(&self, key: &BlobKey, parts: &[Bytes]) -> Result<Extent> {
        let mount = self.mounts.get(key).ok_or_else(|| error::missing(key))?;
        #[cfg(any(test, feature = "conformance"))]
        if let Some(faults) = &self.faults {
            return faults.append((mount, self.blocking), key, parts).await;
        }
        mount.append(self.blocking, key, parts.to_vec()).await
    }

    /// Cuts a mounted file to a length, for a torn tail that nothing names.
    ///
    /// # Errors
    ///
    /// As [`Self::append`]; [`BlobError::Corrupt`] when the file is shorter than that.
    pub async fn truncate(&self, key: &BlobKey, length: u64) -> Result<()> {
        let mount = self.mounts.get(key).ok_or_else(|| error::missing(key))?;
        let truncate = mount.truncate(self.blocking, key, length);
        #[cfg(any(test, feature = "conformance"))]
        if let Some(faults) = &self.faults {
            return faults.other(("truncate", key), truncate).await;
        }
        truncate.await
    }

    /// Whether the checksums of its extents are known. A file that is only read where it lies was
    /// never hashed as a whole.
    fn is_hashed(&self, key: &BlobKey) -> bool {
        self.mounts.get(key).is_none_or(|mount| mount.is_appended())
    }

    async fn read_object(&self, key: &BlobKey, range: Range<u64>) -> Result<Bytes> {
        let source = match self.durable.get_range(&path(key), range.clone()).await {
            Ok(bytes) => return Ok(bytes),
            Err(source) => error::read_object(source),
        };
        // A range behind the end is refused in words that differ by driver: ask for the length.
        match (&source, self.length(key).await) {
            (BlobError::Unavailable(_), Ok(length)) if length < range.end => {
                Err(error::short(key, range.end))
            }
            _ => Err(source),
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("root", &self.folders.as_deref().map(Folders::root))
            .field("mounts", &self.mounts.keys())
            .finish_non_exhaustive()
    }
}

async fn put(place: &dyn ObjectStore, key: &BlobKey, parts: Vec<Bytes>) -> Result<Extent> {
    let mut hash = Xxh3::new();
    let mut length = 0;
    for part in &parts {
        hash.update(part);
        length += part.len() as u64;
    }
    let payload = PutPayload::from_iter(parts);
    place
        .put(&path(key), payload)
        .await
        .map_err(error::object)?;
    Ok(Extent {
        blob: key.clone(),
        offset: 0,
        length,
        checksum: hash.digest(),
    })
}

fn path(key: &BlobKey) -> ObjectPath {
    ObjectPath::from(key.as_str())
}

fn end_of(extent: &Extent) -> u64 {
    extent.offset.saturating_add(extent.length)
}

fn check(extent: &Extent, checksum: u64) -> Result<()> {
    if checksum == extent.checksum {
        Ok(())
    } else {
        Err(error::altered(extent))
    }
}
