//! Why something cannot be done with an upload, as a sentence that its client can act on.

use overnight_core::id::UploadId;
use overnight_core::upload::{PARTS_MAX, UploadRefusal, UploadStatus};
use overnight_store::StoreError;

use crate::errors::ApiError;
use crate::params::shown;

/// What a failed verb about an upload means to a client.
pub(super) fn from_store(error: StoreError, id: &UploadId) -> ApiError {
    match error {
        StoreError::Refused(refusal) => refused(&refusal, id),
        other @ (StoreError::NotFound
        | StoreError::Fenced
        | StoreError::Illegal(_)
        | StoreError::Unavailable(_)
        | StoreError::Contradicts(_)
        | StoreError::Corrupt(_)) => ApiError::from_store(other, || no_upload(id)),
    }
}

/// The documented kind of 404.
fn no_upload(id: &UploadId) -> ApiError {
    ApiError {
        param: Some("id".to_owned()),
        ..ApiError::not_found(format!("No such Upload object: {id}"))
    }
}

/// 400: what was asked of an upload is not possible.
pub(super) fn refused(refusal: &UploadRefusal, id: &UploadId) -> ApiError {
    let of_parts = |message: String| ApiError::invalid_param("part_ids", "invalid_value", message);
    match refusal {
        UploadRefusal::Closed(status) => ApiError::bad_request(closed(*status, id)),
        UploadRefusal::TooManyParts => ApiError::bad_request(format!(
            "Upload '{id}' has {PARTS_MAX} Parts, which is the most an Upload can have. Create a \
             new Upload and send larger Parts."
        )),
        UploadRefusal::TooManyBytes { max } => ApiError::bad_request(format!(
            "The Parts of Upload '{id}' would have more than {max} bytes together, far more than \
             it was created with. Complete it with the Parts that it has, or create a larger one."
        )),
        UploadRefusal::UnknownPart(part) => of_parts(format!(
            "Upload '{id}' has no Part '{}'. Name the Parts by the ids that their uploads were \
             answered with.",
            shown(part.as_str())
        )),
        UploadRefusal::RepeatedPart(part) => of_parts(format!(
            "Part '{part}' is named twice. Name each Part once, in the order of the file's bytes."
        )),
        UploadRefusal::WrongSize { declared, found } => of_parts(format!(
            "The Parts have {found} bytes together, but Upload '{id}' was created with 'bytes': \
             {declared}. Name every Part of the file, or create an Upload of the right size."
        )),
    }
}

fn closed(status: UploadStatus, id: &UploadId) -> String {
    let what_next = match status {
        UploadStatus::Completed => "Its file is there.",
        UploadStatus::Pending | UploadStatus::Cancelled | UploadStatus::Expired => {
            "Create a new Upload."
        }
    };
    format!(
        "Upload '{id}' has status '{status}'. Only a pending Upload takes Parts and can be \
         completed or cancelled. {what_next}"
    )
}
