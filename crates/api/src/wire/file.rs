//! Files as clients see them.

use overnight_core::file::File;
use overnight_core::time::Timestamp;
use overnight_store::store::Page;
use serde::Serialize;

/// A file.
#[derive(Debug, Serialize)]
pub(crate) struct FileObject<'a> {
    object: &'static str,
    id: &'a str,
    purpose: &'static str,
    filename: &'a str,
    bytes: u64,
    created_at: u64,
    expires_at: Option<u64>,
    /// Deprecated, but clients wait for `processed`.
    status: &'static str,
    status_details: Option<&'a str>,
}

impl<'a> From<&'a File> for FileObject<'a> {
    fn from(file: &'a File) -> Self {
        Self {
            object: "file",
            id: file.id.as_str(),
            purpose: file.purpose.as_str(),
            filename: &file.filename,
            bytes: file.bytes,
            created_at: file.created_at.seconds(),
            expires_at: file.expires_at.map(Timestamp::seconds),
            status: "processed",
            status_details: None,
        }
    }
}

/// A page of files. The order of its last keys is not that of a page of batches.
#[derive(Debug, Serialize)]
pub(crate) struct FilePage<'a> {
    object: &'static str,
    data: Vec<FileObject<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

impl<'a> From<&'a Page<File>> for FilePage<'a> {
    fn from(page: &'a Page<File>) -> Self {
        Self {
            object: "list",
            data: page.items.iter().map(FileObject::from).collect(),
            has_more: page.has_more,
            first_id: page.items.first().map(|file| file.id.as_str()),
            last_id: page.items.last().map(|file| file.id.as_str()),
        }
    }
}

/// The answer to a deletion.
#[derive(Debug, Serialize)]
pub(crate) struct FileDeleted<'a> {
    object: &'static str,
    deleted: bool,
    id: &'a str,
}

impl<'a> FileDeleted<'a> {
    /// The file of that id is gone.
    pub(crate) const fn new(id: &'a str) -> Self {
        Self {
            object: "file",
            deleted: true,
            id,
        }
    }
}
