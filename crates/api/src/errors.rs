//! Refusals, as the wire documents them.
//!
//! An [`ApiError`] is built by a constructor that is named for its case, and travels in the
//! response's extensions to the `surface`, which renders it (a 500 names the request's id) and logs
//! its cause, once. What a client reads never holds the text of a cause.

use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use overnight_store::{BlobError, StoreError};

/// Seconds after which a client that was told to wait may try again. The Python SDK gives up above
/// 120, the Node SDK ignores values above 60.
const RETRY_AFTER_SECONDS: u8 = 5;

/// What a client is told when something could not be written for want of room.
const DISK_FULL: &str = "The disk is full. Please try again when there is room.";

/// The cause of an error, for the log.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// The documented kinds of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The client's.
    InvalidRequest,
    /// Ours.
    Server,
    /// Ours, and so bad that the process must not go on: the disk or the database is damaged.
    Fatal,
}

impl Kind {
    /// The word on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Server | Self::Fatal => "server_error",
        }
    }
}

/// What the official SDKs are told about sending the request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing: they judge by the status.
    ByStatus,
    /// Not to, although the status alone would make them.
    Never,
    /// After so many seconds.
    AfterSeconds(u8),
}

/// A refusal or a failure.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// Whose error it is.
    pub(crate) kind: Kind,
    /// The word for a program.
    pub(crate) code: Option<&'static str>,
    /// The parameter that it is about.
    pub(crate) param: Option<String>,
    /// The sentence for a person.
    pub(crate) message: String,
    /// What the SDKs are told about sending it again.
    pub(crate) retry: Retry,
    /// What went wrong inside, for the log.
    pub(crate) cause: Option<Cause>,
}

impl ApiError {
    fn refusal(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: Kind::InvalidRequest,
            code: None,
            param: None,
            message: message.into(),
            retry: Retry::ByStatus,
            cause: None,
        }
    }

    /// 400: the request is not what this route takes.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, message)
    }

    /// 400: one parameter is wrong.
    pub(crate) fn invalid_param(
        param: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: Some(code),
            param: Some(param.into()),
            ..Self::bad_request(message)
        }
    }

    /// 401: nobody that is known asks.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::refusal(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: a browser asks for a page that must not, or a key for what its role does not allow.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self {
            code: Some("insufficient_permissions"),
            ..Self::refusal(StatusCode::FORBIDDEN, message)
        }
    }

    /// 404: there is no such object in the caller's project.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::refusal(StatusCode::NOT_FOUND, message)
    }

    /// 404: there is no such route.
    pub(crate) fn no_route(method: &Method, path: &str) -> Self {
        Self::not_found(format!("Invalid URL ({method} {path})"))
    }

    /// 405: the route takes other methods.
    pub(crate) fn method_not_allowed(accepted: &str) -> Self {
        Self {
            code: Some("method_not_supported"),
            ..Self::refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("Only {accepted} requests are accepted."),
            )
        }
    }

    /// 409: the object is in a state that forbids this, and sending it again does not help.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Never,
            ..Self::refusal(StatusCode::CONFLICT, message)
        }
    }

    /// 413: the body is larger than a limit.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::refusal(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 431: the path and the headers are larger than a limit.
    pub(crate) fn head_too_large(message: impl Into<String>) -> Self {
        Self::refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
    }

    /// 416: the file has no such bytes.
    pub(crate) fn range_not_satisfiable(size_bytes: u64) -> Self {
        Self::refusal(
            StatusCode::RANGE_NOT_SATISFIABLE,
            format!("The requested range is not satisfiable: the file has {size_bytes} bytes."),
        )
    }

    /// 503: it cannot be done now, for a reason that a client may know.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Server,
            retry: Retry::AfterSeconds(RETRY_AFTER_SECONDS),
            ..Self::refusal(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// 500: a bug or damage of ours. The surface adds the request's id to the message.
    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::unexplained().because(cause)
    }

    /// 500 after which the process must end: going on could lose what clients were promised.
    fn fatal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::Fatal,
            ..Self::internal(cause)
        }
    }

    /// 500 without a cause to log, because it was logged where it happened.
    pub(crate) fn unexplained() -> Self {
        Self {
            kind: Kind::Server,
            ..Self::refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server had an error while processing your request. Sorry about that! \
                 You can retry your request.",
            )
        }
    }

    /// The same with its cause, for the log.
    pub(crate) fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..self
        }
    }

    /// What a failed verb of the store means to a client; `missing` is what its 404 says.
    pub(crate) fn from_store(error: StoreError, missing: impl FnOnce() -> Self) -> Self {
        match error {
            StoreError::NotFound => missing(),
            StoreError::Unavailable(_) if error.is_out_of_space() => {
                Self::unavailable(DISK_FULL).because(error)
            }
            StoreError::Unavailable(_) => {
                Self::unavailable("The database does not answer. Please try again in a moment.")
                    .because(error)
            }
            StoreError::Corrupt(_) => Self::fatal(error),
            StoreError::Illegal(_)
            | StoreError::Refused(_)
            | StoreError::Fenced
            | StoreError::Contradicts(_) => Self::internal(error),
        }
    }

    /// What a failed verb of the store means where nothing can be missing.
    pub(crate) fn store(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::internal(error),
            other @ (StoreError::Illegal(_)
            | StoreError::Refused(_)
            | StoreError::Fenced
            | StoreError::Unavailable(_)
            | StoreError::Contradicts(_)
            | StoreError::Corrupt(_)) => Self::from_store(other, Self::unexplained),
        }
    }
}

impl From<BlobError> for ApiError {
    /// What a failed verb on blobs means to a client: the row that named the blob was there.
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unavailable(_) if error.is_out_of_space() => {
                Self::unavailable(DISK_FULL).because(error)
            }
            BlobError::Unavailable(_) => {
                Self::unavailable("The file store does not answer. Please try again in a moment.")
                    .because(error)
            }
            BlobError::NotDurable(_) => Self::fatal(error),
            BlobError::NotFound(_) | BlobError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    /// The status alone; the surface renders the body from the extension.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// An error and everything behind it, for one field of a log line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
