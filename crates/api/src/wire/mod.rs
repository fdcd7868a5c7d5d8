//! The documented JSON, written down once: the order of the keys is the live service's, and what is
//! unset is `null`, never absent. Nothing here decides anything.

pub(crate) mod batch;
pub(crate) mod engine;
pub(crate) mod file;
pub(crate) mod line;
pub(crate) mod model;
pub(crate) mod upload;

use serde::Serialize;

use crate::errors::ApiError;

/// A list without pages.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    object: &'static str,
    data: Vec<T>,
}

impl<T> List<T> {
    /// All there is.
    pub(crate) const fn new(data: Vec<T>) -> Self {
        Self {
            object: "list",
            data,
        }
    }
}

/// The envelope of every error.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal<'a> {
    error: RefusalBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<RefusalDetail<'a>>,
}

#[derive(Debug, Serialize)]
struct RefusalBody<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}

/// A second copy that the live Files API sends beside the error.
#[derive(Debug, Serialize)]
struct RefusalDetail<'a> {
    message: &'a str,
    code: Option<&'static str>,
}

impl<'a> Refusal<'a> {
    /// An error with that message; those of the Files API carry a second copy.
    pub(crate) fn new(error: &'a ApiError, message: &'a str, files: bool) -> Self {
        let ApiError {
            kind, param, code, ..
        } = error;
        Self {
            error: RefusalBody {
                message,
                r#type: kind.as_str(),
                param: param.as_deref(),
                code: *code,
            },
            detail: files.then_some(RefusalDetail {
                message,
                code: *code,
            }),
        }
    }
}
