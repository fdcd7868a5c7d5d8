//! What an error of SQLite means to a caller of the store.

use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        if is_damage(&source) {
            Self::Corrupt(Box::new(source))
        } else if is_unreadable(&source) {
            Self::Contradicts(Box::new(source))
        } else if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Self::Unavailable(Box::new(io::Error::new(io::ErrorKind::StorageFull, source)))
        } else {
            Self::Unavailable(Box::new(source))
        }
    }
}

/// Whether the file is damaged, or the disk did not keep what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
        ) || matches!(
            failure.extended_code,
            SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC
        )
    })
}

/// Whether one row is not as it must be: a value that does not read as its type, or a change that a
/// constraint refuses.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
    ) || error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
