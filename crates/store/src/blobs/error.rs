//! Why a verb on blobs did not happen, told from what the drivers say.

use std::error::Error;
use std::io;

use overnight_core::segment::{BlobKey, Extent};
use rustix::io::Errno;
use thiserror::Error as ThisError;

use crate::entries::FSYNC_FAILED;
use crate::space::is_out_of_space;

/// Why a verb on blobs did not happen. Named by what the caller does next.
#[derive(Debug, ThisError)]
pub enum BlobError {
    /// There is no such blob: what names it is out of date, or it was lost.
    #[error("there is no such blob")]
    NotFound(#[source] Box<dyn Error + Send + Sync>),
    /// The place did not answer, or refused: try again later.
    #[error("the blob store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The disk failed to keep what it was given. What it holds of recent writes is unknown, and
    /// asking again may be answered with a false success: end the process.
    #[error("the disk did not keep what was written")]
    NotDurable(#[source] Box<dyn Error + Send + Sync>),
    /// The blob is not what was written, or the disk cannot read it: leave it alone, and tell a person.
    #[error("the blob is damaged")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl BlobError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::NotFound(_) | Self::NotDurable(_) | Self::Corrupt(_) => false,
        }
    }

    /// Whether the disk was full: the same call may succeed when there is room again.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        is_out_of_space(self)
    }
}

pub(super) fn object(source: object_store::Error) -> BlobError {
    if let object_store::Error::NotFound { .. } = source {
        return BlobError::NotFound(Box::new(source));
    }
    if lost_a_write(&source) {
        return BlobError::NotDurable(Box::new(source));
    }
    BlobError::Unavailable(Box::new(source))
}

pub(super) fn io(source: io::Error) -> BlobError {
    if source.kind() == io::ErrorKind::NotFound {
        return BlobError::NotFound(Box::new(source));
    }
    if lost_a_write(&source) {
        return BlobError::NotDurable(Box::new(source));
    }
    BlobError::Unavailable(Box::new(source))
}

/// Of a read. What the disk cannot read is damage of that blob alone, and says nothing of what was
/// written elsewhere.
pub(super) fn read(source: io::Error) -> BlobError {
    if is_unreadable(&source) {
        return BlobError::Corrupt(Box::new(source));
    }
    io(source)
}

/// As [`read`], of what a driver says.
pub(super) fn read_object(source: object_store::Error) -> BlobError {
    if is_unreadable(&source) {
        return BlobError::Corrupt(Box::new(source));
    }
    object(source)
}

/// Of a look at a folder, which is no blob: nothing was written, so nothing was lost.
pub(super) fn list(source: object_store::Error) -> BlobError {
    BlobError::Unavailable(Box::new(source))
}

pub(super) fn not_durable(source: io::Error) -> BlobError {
    BlobError::NotDurable(Box::new(source))
}

pub(super) fn missing(key: &BlobKey) -> BlobError {
    let text = format!("no file to append to is mounted as {key}");
    BlobError::NotFound(Box::new(io::Error::new(io::ErrorKind::NotFound, text)))
}

pub(super) fn short(key: &BlobKey, end: u64) -> BlobError {
    corrupt(format!("{key} ends before byte {end}"))
}

pub(super) fn altered(extent: &Extent) -> BlobError {
    let Extent {
        blob,
        offset,
        length,
        ..
    } = extent;
    corrupt(format!(
        "the {length} bytes at {offset} of {blob} do not have their checksum"
    ))
}

fn corrupt(text: String) -> BlobError {
    BlobError::Corrupt(Box::new(io::Error::new(io::ErrorKind::InvalidData, text)))
}

/// What the system says of bytes that are there and cannot be read: an error of the device, or a
/// checksum or a structure of the file system's own that is wrong.
#[cfg(target_os = "linux")]
const UNREADABLE: &[Errno] = &[Errno::IO, Errno::BADMSG, Errno::UCLEAN];
#[cfg(not(target_os = "linux"))]
const UNREADABLE: &[Errno] = &[Errno::IO];

fn is_unreadable(error: &(dyn Error + 'static)) -> bool {
    let mut codes = causes(error).filter_map(code);
    codes.any(|code| UNREADABLE.iter().any(|known| known.raw_os_error() == code))
}

/// A failed fsync, or an error of the device itself anywhere below. The driver's type of error is not
/// public, so its message is looked at.
fn lost_a_write(error: &(dyn Error + 'static)) -> bool {
    let device_error = Some(Errno::IO.raw_os_error());
    causes(error)
        .any(|error| code(error) == device_error || error.to_string().starts_with(FSYNC_FAILED))
}

/// The number that the system gave an error.
fn code(error: &(dyn Error + 'static)) -> Option<i32> {
    error.downcast_ref::<io::Error>()?.raw_os_error()
}

/// An error and everything behind it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
