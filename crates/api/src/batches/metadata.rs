//! The pairs that a client attaches to a batch: few and short. Lengths are in characters, not
//! bytes.

use overnight_core::metadata::Metadata;
use serde_json::value::RawValue;

use crate::errors::ApiError;
use crate::json::JsonType;
use crate::params::{members_of, text, too_long, wrong_type};

/// How many pairs there may be.
pub(crate) const PAIRS_MAX: usize = 16;
/// How long a key may be, in characters.
pub(crate) const KEY_CHARS_MAX: usize = 64;
/// How long a value may be, in characters.
pub(crate) const VALUE_CHARS_MAX: usize = 512;

/// Reads and checks the pairs.
///
/// # Errors
///
/// 400 with the documented message, param and code for the first thing that is wrong.
pub(super) fn parse(value: &RawValue) -> Result<Option<Metadata>, ApiError> {
    let got = JsonType::of(value);
    if got == JsonType::Null {
        return Ok(None);
    }
    if got != JsonType::Object {
        return Err(wrong_type("metadata", "a metadata object", got));
    }
    let members = members_of("metadata", value)?;
    let count = members.0.len();
    if count > PAIRS_MAX {
        let message = format!(
            "Invalid 'metadata': too many properties. Expected an object with at most {PAIRS_MAX} \
             properties, but got an object with {count} properties instead."
        );
        return Err(ApiError::invalid_param(
            "metadata",
            "object_above_max_properties",
            message,
        ));
    }
    let pairs = members.0.into_iter().map(|(key, value)| pair(key, value));
    Ok(Some(Metadata(pairs.collect::<Result<_, _>>()?)))
}

fn pair(key: String, value: &RawValue) -> Result<(String, String), ApiError> {
    let key_chars = key.chars().count();
    if key_chars > KEY_CHARS_MAX {
        let message = format!(
            "Invalid property name in 'metadata': '{}' is too long. Expected a string with maximum \
             length {KEY_CHARS_MAX}, but got a string with length {key_chars} instead.",
            shortened(&key)
        );
        let code = "property_name_above_max_length";
        return Err(ApiError::invalid_param("metadata", code, message));
    }
    let param = format!("metadata.{key}");
    let value = text(&param, value)?;
    let value_chars = value.chars().count();
    if value_chars > VALUE_CHARS_MAX {
        return Err(too_long(&param, VALUE_CHARS_MAX, value_chars));
    }
    Ok((key, value))
}

/// The first and the last three characters.
fn shortened(key: &str) -> String {
    let first: String = key.chars().take(3).collect();
    let mut last: Vec<char> = key.chars().rev().take(3).collect();
    last.reverse();
    format!("{first}...{}", last.into_iter().collect::<String>())
}
