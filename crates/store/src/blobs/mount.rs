//! A plain file under a blob's key. Its handle stays open for as long as the blobs live.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use overnight_core::segment::{BlobKey, Extent};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use xxhash_rust::xxh3::Xxh3;

use super::{Result, error};
use crate::blocking::Blocking;

#[derive(Debug)]
pub(super) struct Mount {
    file: File,
    /// Where the next append goes; `None` for a file that is only read. What lies behind it was
    /// torn.
    end: Option<Mutex<u64>>,
}

impl Mount {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(error::io)?;
        Ok(Self { file, end: None })
    }

    pub(super) fn open_to_append(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(error::io)?;
        // The name of a file that was just created is an entry of its folder: keep that, too.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or_else(|| Path::new("."))).map_err(error::io)?;
        folder.sync_all().map_err(error::not_durable)?;
        let end = file.metadata().map_err(error::io)?.len();
        Ok(Self {
            file,
            end: Some(Mutex::new(end)),
        })
    }

    /// Whether it is one that grows by appends, each of which has a checksum.
    pub(super) const fn is_appended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) async fn read(
        self: &Arc<Self>,
        blocking: Blocking,
        range: Range<u64>,
    ) -> Result<Bytes> {
        let mount = Arc::clone(self);
        let bytes = room(&range)?;
        let work = move || read_at(&mount.file, &range, bytes);
        let bytes = blocking.run(work).await.flatten().map_err(error::read)?;
        Ok(bytes.into())
    }

    pub(super) async fn length(self: &Arc<Self>, blocking: Blocking) -> Result<u64> {
        let mount = Arc::clone(self);
        let work = move || mount.file.metadata().map(|metadata| metadata.len());
        blocking.run(work).await.flatten().map_err(error::read)
    }

    pub(super) async fn append(
        self: &Arc<Self>,
        blocking: Blocking,
        key: &BlobKey,
        parts: Vec<Bytes>,
    ) -> Result<Extent> {
        let mount = Arc::clone(self);
        let key = key.clone();
        blocking
            .run(move || mount.append_now(&key, &parts))
            .await
            .map_err(error::io)?
    }

    pub(super) async fn truncate(
        self: &Arc<Self>,
        blocking: Blocking,
        key: &BlobKey,
        length: u64,
    ) -> Result<()> {
        let mount = Arc::clone(self);
        let key = key.clone();
        blocking
            .run(move || mount.truncate_now(&key, length))
            .await
            .map_err(error::io)?
    }

    fn append_now(&self, key: &BlobKey, parts: &[Bytes]) -> Result<Extent> {
        let end = self.end.as_ref().ok_or_else(|| error::missing(key))?;
        // A panic while the lock was held has moved nothing: the end is moved last.
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hash = Xxh3::new();
        let mut at = *end;
        for part in parts {
            hash.update(part);
            if let Err(source) = self.file.write_all_at(part, at) {
                // Best effort: what cannot be cut off now is overwritten by the next append.
                let _ = self.file.set_len(*end);
                return Err(error::io(source));
            }
            at += part.len() as u64;
        }
        let extent = Extent {
            blob: key.clone(),
            offset: *end,
            length: at - *end,
            checksum: hash.digest(),
        };
        if extent.length > 0 {
            self.file.sync_data().map_err(error::not_durable)?;
        }
        *end = at;
        Ok(extent)
    }

    fn truncate_now(&self, key: &BlobKey, length: u64) -> Result<()> {
        let end = self.end.as_ref().ok_or_else(|| error::missing(key))?;
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        if self.file.metadata().map_err(error::io)?.len() < length {
            return Err(error::short(key, length));
        }
        self.file.set_len(length).map_err(error::io)?;
        self.file.sync_all().map_err(error::not_durable)?;
        *end = length;
        Ok(())
    }
}

/// Reads those bytes of a file that is opened for it. A file that ends sooner gives fewer.
pub(super) async fn read_file(
    blocking: Blocking,
    path: PathBuf,
    range: Range<u64>,
) -> Result<Bytes> {
    let bytes = room(&range)?;
    let work = move || read_at(&File::open(path)?, &range, bytes);
    let bytes = blocking.run(work).await.flatten().map_err(error::read)?;
    Ok(bytes.into())
}

/// Room for the bytes of a range. It is made where it is given back, not on the thread that reads:
/// an allocator keeps for each thread what others gave back, and there are many that read.
fn room(range: &Range<u64>) -> Result<Vec<u8>> {
    Ok(Vec::with_capacity(length(range).map_err(error::io)?))
}

fn length(range: &Range<u64>) -> io::Result<usize> {
    usize::try_from(range.end - range.start).map_err(io::Error::other)
}

/// Reads into the room for a range, which nobody has to fill with zeros first. A file that ends
/// sooner gives nothing: the caller sees by the length that it is too short.
fn read_at(file: &File, range: &Range<u64>, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = length(range)?;
    while bytes.len() < length {
        let at = range.start.saturating_add(bytes.len() as u64);
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Ok(Vec::new()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // An allocator may give more room than it was asked for.
    bytes.truncate(length);
    Ok(bytes)
}
