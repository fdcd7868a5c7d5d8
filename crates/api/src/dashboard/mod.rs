//! The dashboard: pages, scripts and styles that are part of the program, so that it works where
//! there is no network.
//!
//! They hold nothing of anybody's, so they need no key; what they show, they ask of the public API
//! with the key of whoever looks. A browser is told to run nothing but these files, to talk to
//! nobody but this server, and to show the pages in no frame: what stands in names, messages and
//! bodies stays text.

mod assets;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use ring::digest::{SHA256, digest};

use self::assets::{ASSETS, Asset};

/// Where the dashboard is.
const HOME: &str = "/dashboard/";

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' \
     data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
/// A page that another one has opened, or that opens this one, gets no hold on it.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// No other site may use the files as its own.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// How many bytes of a file's hash make its tag.
const TAG_BYTES: usize = 16;

/// The files and what is said with each.
#[derive(Clone, Debug)]
pub(crate) struct Dashboard(BTreeMap<String, Page>);

#[derive(Clone, Debug)]
struct Page {
    bytes: &'static [u8],
    content_type: HeaderValue,
    tag: HeaderValue,
}

impl Dashboard {
    /// All of it.
    pub(crate) fn new() -> Self {
        let pages = ASSETS.iter().map(|asset| {
            let path = match asset.path {
                // Paths come without trailing slashes.
                "index.html" => HOME.trim_end_matches('/').to_owned(),
                path => format!("{HOME}{path}"),
            };
            (path, Page::new(*asset))
        });
        Self(pages.collect())
    }

    /// The answer to a request, by its tidied path, when it is for the dashboard: a file, or the way
    /// to it for a browser that asks for the server's root.
    pub(crate) fn answer(&self, request: &Request) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let path = request.uri().path();
        if path == "/" && wants_page(request) {
            let way = [
                (LOCATION, HeaderValue::from_static(HOME)),
                (VARY, HeaderValue::from_static("accept")),
            ];
            return Some((StatusCode::TEMPORARY_REDIRECT, way).into_response());
        }
        self.0.get(path).map(|page| page.answer(request))
    }
}

/// Whether somebody looks, and not a program.
fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter();
    accepted
        .filter_map(|accepted| accepted.to_str().ok())
        .any(|accepted| accepted.contains("text/html"))
}

impl Page {
    fn new(asset: Asset) -> Self {
        let hash = digest(&SHA256, asset.bytes);
        let hex = hash.as_ref().iter().take(TAG_BYTES);
        let tag = hex.fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
        Self {
            bytes: asset.bytes,
            content_type: HeaderValue::from_static(type_of(asset.path)),
            tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let known = request.headers().get_all(IF_NONE_MATCH).iter();
        let tag = self.tag.as_bytes();
        let is_known = known
            .flat_map(|tags| tags.as_bytes().split(|byte| *byte == b','))
            .any(|known| {
                let known = known.trim_ascii();
                known.strip_prefix(b"W/").unwrap_or(known) == tag || known == b"*"
            });
        let headers = [
            (CONTENT_TYPE, self.content_type.clone()),
            (ETAG, self.tag.clone()),
            // Kept, but asked for each time, so that a new version is seen at once.
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (OPENER_POLICY, HeaderValue::from_static("same-origin")),
            (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
        ];
        if is_known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, Body::from(self.bytes)).into_response()
    }
}

/// What a file is, by the end of its name.
fn type_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
