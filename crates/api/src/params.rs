//! The documented refusals of parameters, the same in JSON, in queries and in forms.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::errors::ApiError;
use crate::json::{JsonType, Members, not_json};

/// How long after its creation a file may be deleted by itself, in seconds: an hour to 30 days.
pub(crate) const EXPIRY_SECONDS: RangeInclusive<u64> = 3_600..=2_592_000;

/// When something is deleted after its creation: an object of an anchor and a number of seconds,
/// both needed, or `null`.
pub(crate) fn expiry(param: &str, value: &RawValue) -> Result<Option<Duration>, ApiError> {
    if JsonType::of(value) == JsonType::Null {
        return Ok(None);
    }
    let members = members_of(param, value)?;
    refuse_unknown(&members, &format!("{param}."), &["anchor", "seconds"])?;
    let anchor_param = format!("{param}.anchor");
    let anchor = members
        .get("anchor")
        .ok_or_else(|| missing(&anchor_param))?;
    expiry_anchor(&anchor_param, &text(&anchor_param, anchor)?)?;
    let seconds_param = format!("{param}.seconds");
    let seconds = members
        .get("seconds")
        .ok_or_else(|| missing(&seconds_param))?;
    let seconds = integer_value(&seconds_param, seconds, EXPIRY_SECONDS)?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// Only the creation can be the anchor.
pub(crate) fn expiry_anchor(param: &str, anchor: &str) -> Result<(), ApiError> {
    if anchor == "created_at" {
        return Ok(());
    }
    Err(unsupported(param, shown(anchor), ["created_at"]))
}

/// An hour to 30 days, written as text.
pub(crate) fn expiry_seconds(param: &str, seconds: &str) -> Result<Duration, ApiError> {
    integer(param, seconds, EXPIRY_SECONDS).map(Duration::from_secs)
}

/// The members of a value that must be an object.
pub(crate) fn members_of<'a>(param: &str, value: &'a RawValue) -> Result<Members<'a>, ApiError> {
    of_type(param, value, JsonType::Object)?;
    Members::of(value).ok_or_else(|| not_json("a key is not text"))
}

/// Refuses the first key that is not known. `prefix` leads to the object, as in `overnight.`.
pub(crate) fn refuse_unknown(
    members: &Members<'_>,
    prefix: &str,
    known: &[&str],
) -> Result<(), ApiError> {
    let Some((key, _)) = members
        .0
        .iter()
        .find(|(key, _)| !known.contains(&key.as_str()))
    else {
        return Ok(());
    };
    let param = format!("{prefix}{}", shown(key));
    let message = format!("Unknown parameter: '{param}'.");
    Err(ApiError::invalid_param(param, "unknown_parameter", message))
}

/// The text of a key that must be there.
pub(crate) fn required_text(members: &Members<'_>, param: &str) -> Result<String, ApiError> {
    text(param, members.get(param).ok_or_else(|| missing(param))?)
}

/// A value that must be text.
pub(crate) fn text(param: &str, value: &RawValue) -> Result<String, ApiError> {
    of_type(param, value, JsonType::String)?;
    serde_json::from_str(value.get()).map_err(|error| not_json(&error.to_string()))
}

/// A value that must be a whole number in a range.
pub(crate) fn integer_value(
    param: &str,
    value: &RawValue,
    range: RangeInclusive<u64>,
) -> Result<u64, ApiError> {
    of_type(param, value, JsonType::Integer)?;
    integer(param, value.get(), range)
}

/// Refuses a value of another type.
pub(crate) fn of_type(param: &str, value: &RawValue, expected: JsonType) -> Result<(), ApiError> {
    let got = JsonType::of(value);
    if got == expected {
        return Ok(());
    }
    Err(wrong_type(param, expected, got))
}

/// The documented refusal of a request without a parameter that it needs.
pub(crate) fn missing(param: &str) -> ApiError {
    let message = format!("Missing required parameter: '{param}'.");
    ApiError::invalid_param(param, "missing_required_parameter", message)
}

/// The documented refusal of a value of another type.
pub(crate) fn wrong_type(param: &str, expected: impl Display, got: JsonType) -> ApiError {
    let message =
        format!("Invalid type for '{param}': expected {expected}, but got {got} instead.");
    ApiError::invalid_param(param, "invalid_type", message)
}

/// The documented refusal of text that is too long.
pub(crate) fn too_long(param: &str, chars_max: usize, chars: usize) -> ApiError {
    let message = format!(
        "Invalid '{param}': string too long. Expected a string with maximum length {chars_max}, \
         but got a string with length {chars} instead."
    );
    ApiError::invalid_param(param, "string_above_max_length", message)
}

/// The beginning of what a client sent, for a message that quotes it.
pub(crate) fn shown(text: &str) -> &str {
    const CHARS_MAX: usize = 200;
    text.char_indices()
        .nth(CHARS_MAX)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

/// The documented refusal of a parameter that is given twice.
pub(crate) fn duplicate(param: &str) -> ApiError {
    ApiError::invalid_param(
        param,
        "duplicate_parameter",
        format!(
            "Duplicate parameter: '{param}'. You provided multiple values for this parameter, \
             whereas only one is allowed."
        ),
    )
}

/// A whole number in a range, written as text.
///
/// # Errors
///
/// 400 when it is no whole number, or out of range.
pub(crate) fn integer(
    param: &str,
    text: &str,
    range: RangeInclusive<u64>,
) -> Result<u64, ApiError> {
    let (start, end) = range.into_inner();
    let quoted = shown(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let message =
            format!("Invalid type for '{param}': expected an integer, but got a string instead.");
        return Err(ApiError::invalid_param(param, "invalid_type", message));
    }
    let negative = digits.len() < text.len() && digits.bytes().any(|digit| digit != b'0');
    // More digits than fit are above every maximum.
    let number = digits.parse::<u64>().unwrap_or(u64::MAX);
    if negative || number < start {
        let message = format!(
            "Invalid '{param}': integer below minimum value. Expected a value >= {start}, but got \
             {quoted} instead."
        );
        return Err(ApiError::invalid_param(
            param,
            "integer_below_min_value",
            message,
        ));
    }
    if number > end {
        let message = format!(
            "Invalid '{param}': integer above maximum value. Expected a value <= {end}, but got \
             {quoted} instead."
        );
        return Err(ApiError::invalid_param(
            param,
            "integer_above_max_value",
            message,
        ));
    }
    Ok(number)
}

/// The documented refusal of a word that is not among the allowed ones.
pub(crate) fn unsupported<'a>(
    param: &str,
    value: &str,
    supported: impl IntoIterator<Item = &'a str>,
) -> ApiError {
    let quoted: Vec<String> = supported
        .into_iter()
        .map(|word| format!("'{word}'"))
        .collect();
    let supported = match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    };
    let message = format!("Invalid value: '{value}'. Supported values are: {supported}.");
    ApiError::invalid_param(param, "invalid_value", message)
}
