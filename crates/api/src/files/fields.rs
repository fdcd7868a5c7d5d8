//! The fields of an upload beside its file, checked as they come.

use std::time::Duration;

use overnight_core::file::Purpose;
use overnight_core::time::Timestamp;
use serde_json::value::RawValue;

use crate::errors::ApiError;
use crate::json::not_json;
use crate::params::{duplicate, expiry, expiry_anchor, expiry_seconds, missing, shown};

/// What was said about the file so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    purpose: Option<Purpose>,
    /// That the anchor came; there is only one that it can be.
    anchored: Option<()>,
    expires_after: Option<Duration>,
}

/// A field of the form that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Purpose,
    /// `expires_after` as one JSON object.
    ExpiresAfter,
    ExpiresAfterAnchor,
    ExpiresAfterSeconds,
}

impl Field {
    /// The field of that name; other names mean nothing.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "purpose" => Some(Self::Purpose),
            "expires_after" => Some(Self::ExpiresAfter),
            "expires_after[anchor]" => Some(Self::ExpiresAfterAnchor),
            "expires_after[seconds]" => Some(Self::ExpiresAfterSeconds),
            _ => None,
        }
    }
}

impl Fields {
    /// Takes a field.
    ///
    /// # Errors
    ///
    /// 400 when its value is wrong, or when it came before.
    pub(super) fn set(&mut self, field: Field, text: &str) -> Result<(), ApiError> {
        match field {
            Field::Purpose => once(&mut self.purpose, purpose(text)?, "purpose"),
            Field::ExpiresAfterAnchor => {
                expiry_anchor("expires_after.anchor", text)?;
                once(&mut self.anchored, (), "expires_after.anchor")
            }
            Field::ExpiresAfterSeconds => {
                let after = expiry_seconds("expires_after.seconds", text.trim())?;
                once(&mut self.expires_after, after, "expires_after.seconds")
            }
            Field::ExpiresAfter => {
                let value: &RawValue =
                    serde_json::from_str(text).map_err(|error| not_json(&error.to_string()))?;
                let Some(after) = expiry("expires_after", value)? else {
                    return Ok(());
                };
                once(&mut self.anchored, (), "expires_after")?;
                once(&mut self.expires_after, after, "expires_after")
            }
        }
    }

    /// What the file is for.
    ///
    /// # Errors
    ///
    /// 400 when nobody said it.
    pub(super) fn purpose(&self) -> Result<Purpose, ApiError> {
        self.purpose.ok_or_else(|| required("purpose"))
    }

    /// When a file that is created at that time is deleted by itself. `batch_default` is for the
    /// inputs of batches; other files stay unless the client says otherwise.
    ///
    /// # Errors
    ///
    /// 400 when only one half of `expires_after` was said.
    pub(super) fn expires_at(
        &self,
        created_at: Timestamp,
        batch_default: Option<Duration>,
    ) -> Result<Option<Timestamp>, ApiError> {
        let after = match (self.anchored, self.expires_after) {
            (Some(()), Some(after)) => Some(after),
            (None, None) => batch_default.filter(|_| self.purpose == Some(Purpose::Batch)),
            (Some(()), None) => return Err(missing("expires_after.seconds")),
            (None, Some(_)) => return Err(missing("expires_after.anchor")),
        };
        Ok(after.map(|after| created_at.plus(after)))
    }
}

fn once<T>(slot: &mut Option<T>, value: T, param: &str) -> Result<(), ApiError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(duplicate(param)),
    }
}

/// What a file that a client sends may be for.
///
/// # Errors
///
/// 400 with the documented message.
pub(crate) fn purpose(word: &str) -> Result<Purpose, ApiError> {
    if let Some(purpose) = Purpose::UPLOADED
        .into_iter()
        .find(|known| known.as_str() == word)
    {
        return Ok(purpose);
    }
    let known: Vec<String> = Purpose::UPLOADED
        .into_iter()
        .map(|purpose| format!("'{purpose}'"))
        .collect();
    Err(ApiError {
        param: Some("purpose".to_owned()),
        ..ApiError::bad_request(format!(
            "'{}' is not one of [{}] - 'purpose'",
            shown(word),
            known.join(", ")
        ))
    })
}

/// The refusal of a form without a part that it needs.
pub(crate) fn required(part: &str) -> ApiError {
    ApiError {
        param: Some(part.to_owned()),
        ..ApiError::bad_request(format!("'{part}' is a required property"))
    }
}
