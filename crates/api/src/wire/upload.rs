//! Uploads and their parts as clients see them.

use overnight_core::file::File;
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart};
use serde::Serialize;

use super::file::FileObject;

/// An upload.
#[derive(Debug, Serialize)]
pub(crate) struct UploadObject<'a> {
    id: &'a str,
    object: &'static str,
    bytes: u64,
    created_at: u64,
    filename: &'a str,
    purpose: &'static str,
    status: &'static str,
    expires_at: u64,
    /// Absent, not `null`, until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileObject<'a>>,
}

impl<'a> UploadObject<'a> {
    /// An upload as it is at that time, with the file that it became, if it did.
    pub(crate) fn new(upload: &'a Upload, file: Option<&'a File>, at: Timestamp) -> Self {
        Self {
            id: upload.id.as_str(),
            object: "upload",
            bytes: upload.bytes,
            created_at: upload.created_at.seconds(),
            filename: &upload.filename,
            purpose: upload.purpose.as_str(),
            status: upload.status(at).as_str(),
            expires_at: upload.expires_at.seconds(),
            file: file.map(FileObject::from),
        }
    }
}

/// A part of an upload.
#[derive(Debug, Serialize)]
pub(crate) struct PartObject<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    upload_id: &'a str,
}

impl<'a> From<&'a UploadPart> for PartObject<'a> {
    fn from(part: &'a UploadPart) -> Self {
        Self {
            id: part.id.as_str(),
            object: "upload.part",
            created_at: part.created_at.seconds(),
            upload_id: part.upload.as_str(),
        }
    }
}
