//! Pages of other sites.
//!
//! Where a key is needed, a page that has one may use the Files and the Uploads API from its
//! browser, as at the live service: a browser sends no key by itself, so allowing every site gives
//! away nothing. Without keys no page of another site may read anything ([`crate::loopback`]).

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method};

use crate::auth::Access;

/// The paths whose answers every page may read, and those below them.
const SHARED: [&str; 2] = ["/v1/files", "/v1/uploads"];

/// For how many seconds a browser need not ask again.
const MAX_AGE_SECONDS: u16 = 600;

/// What pages of other sites may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nothing.
    None,
    /// Use it, with a key.
    Everyone,
}

impl Sharing {
    /// What holds for that path.
    pub(crate) fn of(access: &Access, path: &str) -> Self {
        let is_shared = SHARED.iter().any(|shared| {
            path.strip_prefix(shared)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        match access {
            Access::Keys(_) if is_shared => Self::Everyone,
            Access::Keys(_) | Access::Open(_) => Self::None,
        }
    }

    /// The answer to a browser that asks whether it may send a request for a page. It never shows a
    /// key, and learns no more from the answer than that the path begins as it does.
    pub(crate) fn preflight(self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let is_asked = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if self == Self::None || !is_asked {
            return None;
        }
        let mut answer = Body::empty().into_response();
        let allowed = answer.headers_mut();
        let methods = HeaderValue::from_static("GET, POST, DELETE");
        allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        // A star would not cover `Authorization`.
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        allowed.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_SECONDS));
        Some(answer)
    }

    /// Adds what lets a page read an answer.
    pub(crate) fn add_headers(self, headers: &mut HeaderMap) {
        if self == Self::None {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let exposed = HeaderValue::from_static("X-Request-ID");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
