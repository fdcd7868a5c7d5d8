//! What goes back to a client, before it is HTTP: a status, a body, a few headers. Refusals are
//! `OpenAI`'s error object, with the texts that its API uses.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::body::SimBody;

/// A whole answer of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) retry_after_seconds: Option<u64>,
}

/// Why a request gets no answer: an error object and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl Reply {
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            body: body.into(),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self::json(serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            content_type,
            ..Self::json(body)
        }
    }

    /// The HTTP response; its body is made from the bytes by `wrap`.
    pub(crate) fn into_http(self, wrap: impl FnOnce(Bytes) -> SimBody) -> Response<SimBody> {
        let mut response = Response::new(wrap(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl Refusal {
    fn invalid(code: Option<&'static str>, param: Option<&str>, message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code,
            param: param.map(str::to_owned),
            message,
        }
    }

    pub(crate) fn not_json() -> Self {
        let message = "We could not parse the JSON body of your request. The simulator expects a \
                       JSON object in UTF-8.";
        Self::invalid(None, None, message.to_owned())
    }

    pub(crate) fn missing(param: &str) -> Self {
        let message = format!("Missing required parameter: '{param}'.");
        Self::invalid(Some("missing_required_parameter"), Some(param), message)
    }

    pub(crate) fn wrong_type(param: &str, expected: &str, got: &str) -> Self {
        let message =
            format!("Invalid type for '{param}': expected {expected}, but got {got} instead.");
        Self::invalid(Some("invalid_type"), Some(param), message)
    }

    pub(crate) fn wrong_value(param: &str, message: &str) -> Self {
        let message = format!("Invalid value for '{param}': {message}");
        Self::invalid(Some("invalid_value"), Some(param), message)
    }

    pub(crate) fn no_streaming() -> Self {
        Self::wrong_value(
            "stream",
            "the simulator does not stream; send false or leave it out.",
        )
    }

    pub(crate) fn no_model(name: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::invalid(
                Some("model_not_found"),
                Some("model"),
                format!("The model '{name}' does not exist"),
            )
        }
    }

    pub(crate) fn no_path(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::invalid(None, None, message)
        }
    }

    pub(crate) fn wrong_method(accepted: &str) -> Self {
        let message = format!("Only {accepted} requests are accepted.");
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..Self::invalid(Some("method_not_supported"), None, message)
        }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes.");
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::invalid(None, None, message)
        }
    }

    pub(crate) fn busy() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "requests",
            code: Some("rate_limit_exceeded"),
            param: None,
            message: "Every slot of the simulator is taken and its queue is full.".to_owned(),
        }
    }

    /// The error object of a simulated failure with this status.
    pub(crate) fn simulated(status: StatusCode) -> Self {
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let reason = status.canonical_reason().unwrap_or("unnamed status");
        let message = format!("Simulated failure: {} {reason}.", status.as_u16());
        Self {
            status,
            kind,
            code: None,
            param: None,
            message,
        }
    }

    pub(crate) fn into_reply(self, retry_after_seconds: Option<u64>) -> Reply {
        let body = ErrorBody {
            error: ErrorObject {
                message: &self.message,
                kind: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        };
        let busy = self.status == StatusCode::TOO_MANY_REQUESTS;
        Reply {
            status: self.status,
            retry_after_seconds: retry_after_seconds.filter(|_| busy),
            ..Reply::of(&body)
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}
