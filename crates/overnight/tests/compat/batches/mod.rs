//! The Batches API.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod object;

/// The body of a request for a batch of chat lines over `f`, with further members.
pub(crate) fn request_with(more: &str) -> String {
    format!(
        r#"{{"input_file_id":"«f»","endpoint":"/v1/chat/completions","completion_window":"24h"{more}}}"#
    )
}
