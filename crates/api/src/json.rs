//! JSON in and out: bodies read under a limit and taken apart without losing order or types, and
//! answers in the layout of the live service.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::errors::ApiError;

// === Answers ===

/// A JSON answer with two spaces of indent, as the live service sends most of its objects.
pub(crate) fn pretty(value: &impl Serialize) -> Result<Response, ApiError> {
    answer(serde_json::to_vec_pretty(value))
}

/// The same with a final newline, as the live service sends files.
pub(crate) fn pretty_line(value: &impl Serialize) -> Result<Response, ApiError> {
    answer(serde_json::to_vec_pretty(value).map(|mut json| {
        json.push(b'\n');
        json
    }))
}

/// A JSON answer without white space, as the live service sends a cancelled batch.
pub(crate) fn compact(value: &impl Serialize) -> Result<Response, ApiError> {
    answer(serde_json::to_vec(value))
}

/// The text of [`pretty`]'s answer, for one that is to be given again.
pub(crate) fn pretty_text(value: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string_pretty(value).map_err(ApiError::internal)
}

/// The text of [`pretty_line`]'s answer, for one that is to be given again.
pub(crate) fn pretty_line_text(value: &impl Serialize) -> Result<String, ApiError> {
    pretty_text(value).map(|json| json + "\n")
}

/// An answer whose JSON is written already.
pub(crate) fn written(json: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

fn answer(json: serde_json::Result<Vec<u8>>) -> Result<Response, ApiError> {
    let json = json.map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

// === Requests ===

/// Reads a body of at most `limit` bytes, which must all come before the time is over.
///
/// # Errors
///
/// 413 above the limit, 400 when the client stops in the middle.
pub(crate) async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    let collecting = Limited::new(body, limit).collect();
    let collected = tokio::time::timeout(time, collecting).await.map_err(|_| {
        ApiError::bad_request(format!(
            "The request's body took too long: all of it must come within {time:?}."
        ))
    })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(format!(
            "Maximum content size limit ({limit}) exceeded."
        ))),
        Err(_) => Err(ApiError::bad_request(
            "The request's body ended before it was complete.",
        )),
    }
}

/// The members of a JSON object in the order in which they stand there, each value as it was
/// written. Of a key that stands there twice, the last value counts.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes a request's body apart.
    ///
    /// # Errors
    ///
    /// 400 when it is not JSON, or not an object.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = simdutf8::compat::from_utf8(body)
            .map_err(|error| not_json(&format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let value: &RawValue =
            serde_json::from_str(text).map_err(|error| not_json(&error.to_string()))?;
        let got = JsonType::of(value);
        if got != JsonType::Object {
            return Err(ApiError {
                code: Some("invalid_type"),
                ..ApiError::bad_request(format!(
                    "Invalid type for the body: expected an object, but got {got} instead."
                ))
            });
        }
        Self::of(value).ok_or_else(|| not_json("a key is not text"))
    }

    /// The members of a value; `None` when it is not an object.
    pub(crate) fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(members)
            }
        }
        let members = deserializer.deserialize_map(InOrder)?;
        Ok(Self(last_of_each(members)))
    }
}

/// Keeps the last of the members that share a key, in the first one's place.
fn last_of_each<'a>(members: Vec<(String, &'a RawValue)>) -> Vec<(String, &'a RawValue)> {
    let mut places = std::collections::HashMap::with_capacity(members.len());
    let mut kept: Vec<(String, &'a RawValue)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        if let Some(member) = places
            .get(&key)
            .and_then(|place: &usize| kept.get_mut(*place))
        {
            member.1 = value;
        } else {
            places.insert(key.clone(), kept.len());
            kept.push((key, value));
        }
    }
    kept
}

/// The documented refusal of a body that is not JSON.
pub(crate) fn not_json(why: &str) -> ApiError {
    ApiError::bad_request(format!(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't \
         using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was \
         sent was not valid JSON. The parser says: {why}.)"
    ))
}

// === Types ===

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonType {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Decimal,
    /// Text.
    String,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

impl JsonType {
    /// The type of a value, judged by how it is written.
    pub(crate) fn of(value: &RawValue) -> Self {
        let text = value.get().as_bytes();
        match text.first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Self::Decimal,
            _ => Self::Integer,
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}
