//! What is looked at in the bytes of an upload before they become a file: one streaming pass over
//! its parts, a few pieces held at a time, whatever their number and size.

use overnight_core::file::Purpose;
use overnight_core::segment::{Extent, placed};
use overnight_core::upload::Upload;
use overnight_store::blobs::ExtentReader;

use crate::api::Api;
use crate::errors::ApiError;
use crate::files::check::InputCheck;

/// An MD5 checksum that a client expects: 32 lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Md5(String);

impl Md5 {
    /// Reads a checksum as clients write it: 32 hexadecimal digits, in any case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_ascii_lowercase()))
    }
}

/// Looks at the bytes, if anything about them has to hold.
///
/// # Errors
///
/// 400 when they are not what the client expects, or may not be the input of a batch; else what
/// reading them fails with.
pub(super) async fn check(
    api: &Api,
    upload: &Upload,
    extents: &[Extent],
    expected: Option<&Md5>,
) -> Result<(), ApiError> {
    if expected.is_none() && upload.purpose != Purpose::Batch {
        return Ok(());
    }
    let mut input = InputCheck::default();
    let mut sum = md5::Context::new();
    let mut reader = ExtentReader::new(api.blobs.clone(), placed(extents), 0..upload.bytes);
    while let Some(bytes) = reader.next().await? {
        if expected.is_some() {
            sum.consume(&bytes);
        }
        if upload.purpose == Purpose::Batch {
            input.feed(&bytes);
        }
    }
    if let Some(Md5(expected)) = expected {
        let found = format!("{:x}", sum.finalize());
        if found != *expected {
            let message = format!(
                "The MD5 checksum of the Parts in this order is '{found}', but the request says \
                 '{expected}'. Check the order of 'part_ids', or send the damaged Parts again."
            );
            return Err(ApiError::invalid_param("md5", "invalid_value", message));
        }
    }
    input.verdict(upload.purpose, &upload.filename)
}
