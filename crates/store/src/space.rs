//! Whether something failed because no room was left for it.

use std::error::Error;
use std::io;

/// Whether the error, or anything behind it, is a disk or a quota that is full.
pub(crate) fn is_out_of_space(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::blobs::BlobError;
    use crate::store::StoreError;

    #[test]
    fn a_full_disk_is_told_from_other_faults_of_the_blobs() {
        let full = |kind| BlobError::Unavailable(Box::new(io::Error::from(kind)));
        assert!(full(io::ErrorKind::StorageFull).is_out_of_space());
        assert!(full(io::ErrorKind::QuotaExceeded).is_out_of_space());
        assert!(!full(io::ErrorKind::TimedOut).is_out_of_space());
    }

    #[test]
    fn a_full_disk_is_told_from_other_faults_of_the_database() {
        let database = Connection::open_in_memory().unwrap();
        database.pragma_update(None, "max_page_count", 1).unwrap();
        let error = database.execute("CREATE TABLE t (a)", []).unwrap_err();
        assert!(StoreError::from(error).is_out_of_space());
        let error = database.execute("NO SQL", []).unwrap_err();
        assert!(!StoreError::from(error).is_out_of_space());
    }
}
