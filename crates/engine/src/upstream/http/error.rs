//! Why an upstream cannot be set up.

use std::error::Error;

use thiserror::Error;

/// A setting of an upstream that does not hold. Says which, and what to do about it; never shows
/// credentials.
#[derive(Debug, Error)]
#[error("upstream {upstream}: `{field}` {problem}")]
pub struct UpstreamSetupError {
    /// The upstream's name, or its URL without credentials.
    pub upstream: String,
    /// The name of the setting.
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// What the system said.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// A problem with one setting, before it is known whose.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) text: String,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(super) fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self {
            field,
            text: text.into(),
            source: None,
        }
    }

    pub(super) fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    pub(super) fn of(self, upstream: String) -> UpstreamSetupError {
        let Self {
            field,
            text: problem,
            source,
        } = self;
        UpstreamSetupError {
            upstream,
            field,
            problem,
            source,
        }
    }
}
