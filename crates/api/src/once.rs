//! `Idempotency-Key`: a client that names its request may send it again without a second object.
//!
//! The answer to the first request under a key is kept for a day, in the transaction that inserts
//! the object, and given again byte for byte, with the header `idempotent-replayed: true`. The same
//! key with another route or body is a mistake of the client, and refused with 400: the SDKs would
//! send a 409 again. A refused request keeps nothing, so it may be mended under its key. Keys are
//! their project's.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use overnight_core::id::ProjectId;
use overnight_store::store::{FirstAnswer, NewObject};

use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::params::{duplicate, shown, too_long};

/// The header, as messages name it.
const HEADER: &str = "Idempotency-Key";

/// How many characters a key may have.
pub(crate) const KEY_CHARS_MAX: usize = 255;

/// Tells an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request that its client named.
#[derive(Debug)]
pub(crate) struct Once {
    project: ProjectId,
    key: String,
    /// The route and a hash of the body.
    request: String,
}

/// A request that is to make an object, once its body is there.
pub(crate) enum Asked {
    /// Its body, and its name if it has one.
    New(Bytes, Option<Once>),
    /// It was answered so before.
    Before(Response),
}

/// Reads the body of a request to that route, and looks for what was answered to it before.
///
/// # Errors
///
/// The body cannot be read; or 400 when the header is no key, or names another request.
pub(crate) async fn ask(
    api: &Api,
    caller: &Caller,
    headers: &HeaderMap,
    route: &str,
    body: Body,
) -> Result<Asked, ApiError> {
    let settings = &api.settings;
    let body = json::read(body, settings.json_bytes_max, settings.body_idle_max).await?;
    let Some(once) = Once::of(caller, headers, route, &body)? else {
        return Ok(Asked::New(body, None));
    };
    Ok(match once.replay(api).await? {
        Some(answer) => Asked::Before(answer),
        None => Asked::New(body, Some(once)),
    })
}

impl Once {
    /// The name of a request, if it has one.
    ///
    /// # Errors
    ///
    /// 400 when the header is no key: empty, longer than 255 characters, not visible ASCII, or there
    /// twice.
    fn of(
        caller: &Caller,
        headers: &HeaderMap,
        route: &str,
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(duplicate(HEADER));
        }
        let key = value.to_str().unwrap_or_default().trim();
        if key.is_empty() {
            let message = format!(
                "Invalid '{HEADER}': expected 1 to {KEY_CHARS_MAX} visible ASCII characters. \
                 Leave the header out to send a request without a key."
            );
            return Err(ApiError::invalid_param(HEADER, "invalid_value", message));
        }
        if key.len() > KEY_CHARS_MAX {
            return Err(too_long(HEADER, KEY_CHARS_MAX, key.len()));
        }
        Ok(Some(Self {
            project: caller.project.clone(),
            key: key.to_owned(),
            request: format!("{route} {:x}", md5::compute(body)),
        }))
    }

    /// The answer that was given to this request before, if it was.
    ///
    /// # Errors
    ///
    /// 400 when another request was answered under the key.
    async fn replay(&self, api: &Api) -> Result<Option<Response>, ApiError> {
        let found = api
            .store
            .first_answer(&self.project, &self.key, api.clock.now());
        let first = found.await.map_err(ApiError::store)?;
        first.map(|first| self.again(first)).transpose()
    }

    fn again(&self, first: FirstAnswer) -> Result<Response, ApiError> {
        if first.request != self.request {
            let key = shown(&self.key);
            let message = format!(
                "The idempotency key '{key}' was used for another request within the last 24 \
                 hours. Send that request unchanged, or use a new key for a new request."
            );
            let code = "idempotency_key_reused";
            return Err(ApiError::invalid_param(HEADER, code, message));
        }
        let mut response = json::written(first.body);
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// Inserts an object and answers that JSON; or, when a request of the same name was faster, what
/// that one was answered.
///
/// # Errors
///
/// 400 when another request was answered under the key in the meantime.
pub(crate) async fn insert(
    api: &Api,
    once: Option<Once>,
    object: NewObject<'_>,
    body: String,
) -> Result<Response, ApiError> {
    let Some(once) = once else {
        let inserted = match object {
            NewObject::Batch(batch) => api.store.insert_batch(batch).await,
            NewObject::Upload(upload) => api.store.insert_upload(upload).await,
        };
        inserted.map_err(ApiError::store)?;
        return Ok(json::written(body));
    };
    let answer = FirstAnswer {
        project: once.project.clone(),
        key: once.key.clone(),
        request: once.request.clone(),
        body,
        at: api.clock.now(),
    };
    let first = api.store.insert_once(object, &answer).await;
    let first = first.map_err(ApiError::store)?;
    if first == answer {
        Ok(json::written(first.body))
    } else {
        once.again(first)
    }
}
