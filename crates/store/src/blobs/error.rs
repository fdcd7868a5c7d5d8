//! Why a verb on blobs did not happen, told from what the drivers say.

use std::error::Error;
use std::io;

use overnight_core::segment::{BlobKey, Extent};
use thiserror::Error as ThisError;

use crate::space::is_out_of_space;

/// How the folder driver begins the message of a failed fsync; its error type is not public.
const FSYNC_FAILED: &str = "Unable to sync data to disk";

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
    /// The blob is not what was written: leave it alone, and tell a person.
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

/// A failed fsync, or an error of the device itself anywhere below.
fn lost_a_write(error: &(dyn Error + 'static)) -> bool {
    let device_error = Some(rustix::io::Errno::IO.raw_os_error());
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_device = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.raw_os_error() == device_error);
        if of_device || error.to_string().starts_with(FSYNC_FAILED) {
            return true;
        }
        cause = error.source();
    }
    false
}
