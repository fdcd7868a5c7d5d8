//! `GET /v1/files/{id}/content`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use overnight_core::file::File;
use overnight_store::store::Content;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::find;
use super::range::Wanted;
use crate::api::Api;
use crate::auth::Caller;
use crate::content::ContentReader;
use crate::errors::ApiError;
use crate::path::FilePath;

/// What RFC 5987 wants encoded in the extended form of a file's name.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Hands out the bytes of a file, or a part of them. The strong `ETag` is the file's id: its bytes
/// never change, so a client whose connection was cut goes on where it stopped.
pub(crate) async fn content(
    State(api): State<Arc<Api>>,
    caller: Caller,
    FilePath(id): FilePath,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = find(&api, &caller, &id).await?;
    if !file.purpose.is_downloadable() {
        return Err(ApiError::bad_request(format!(
            "Not allowed to download files of purpose: {}",
            file.purpose
        )));
    }
    let etag = format!("\"{}\"", file.id);
    // HTTP defines ranges for GET only.
    let wanted = match method {
        Method::HEAD => Wanted::Whole,
        _ => Wanted::of(&headers, &etag, file.bytes),
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..file.bytes),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(not_satisfiable(&file)),
    };
    let mut response_headers = HeaderMap::new();
    response_headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    response_headers.insert(CONTENT_DISPOSITION, disposition(&file.filename)?);
    response_headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    response_headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response_headers.insert(ETAG, value(etag)?);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end - 1;
        let part = format!("bytes {}-{last}/{}", range.start, file.bytes);
        response_headers.insert(CONTENT_RANGE, value(part)?);
    }
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => {
            ContentReader::new(api, Content::File(file.id), range)
                .into_body()
                .await?
        }
    };
    Ok((status, response_headers, body).into_response())
}

fn not_satisfiable(file: &File) -> Response {
    let mut response = ApiError::range_not_satisfiable(file.bytes).into_response();
    if let Ok(size) = HeaderValue::try_from(format!("bytes */{}", file.bytes)) {
        response.headers_mut().insert(CONTENT_RANGE, size);
    }
    response
}

/// `attachment; filename="a.jsonl"`, and the extended form beside it when the name is not ASCII.
fn disposition(filename: &str) -> Result<HeaderValue, ApiError> {
    let mut plain = String::with_capacity(filename.len());
    for char in filename.chars() {
        match char {
            '"' | '\\' => plain.extend(['\\', char]),
            ' '..='~' => plain.push(char),
            _ => plain.push('_'),
        }
    }
    let extended = if filename.is_ascii() {
        String::new()
    } else {
        let encoded = utf8_percent_encode(filename, ENCODED);
        format!("; filename*=UTF-8''{encoded}")
    };
    value(format!("attachment; filename=\"{plain}\"{extended}"))
}

fn value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(ApiError::internal)
}
