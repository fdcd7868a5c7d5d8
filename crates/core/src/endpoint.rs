//! The paths that the lines of a batch may be sent to.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The endpoints of the Batch API, in the order in which its error message names them.
pub const ENDPOINTS: [&str; 8] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/moderations",
    "/v1/responses",
    "/v1/videos",
];

/// The path that all lines of a batch use, beginning with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(Arc<str>);

impl Endpoint {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a body sent to this endpoint must hold besides its model.
    #[must_use]
    pub fn required(&self) -> Required {
        match &*self.0 {
            "/v1/chat/completions" => Required::Messages,
            "/v1/embeddings" | "/v1/moderations" | "/v1/responses" => Required::Input,
            "/v1/completions" | "/v1/images/generations" | "/v1/images/edits" | "/v1/videos" => {
                Required::Prompt
            }
            _ => Required::Nothing,
        }
    }

    /// Whether the inputs of the lines are counted against the limit of embedding inputs.
    #[must_use]
    pub fn counts_inputs(&self) -> bool {
        &*self.0 == "/v1/embeddings"
    }
}

impl From<&str> for Endpoint {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that a body needs beside `model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// `messages`, of a chat completion.
    Messages,
    /// `input`, of embeddings, moderations and responses.
    Input,
    /// `prompt`, of completions, images and videos.
    Prompt,
    /// Nothing: an endpoint that a setting added.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_inputs_of_embeddings_are_counted() {
        let counting = ENDPOINTS.map(Endpoint::from);
        let counting = counting.iter().filter(|path| path.counts_inputs());
        assert!(counting.map(Endpoint::as_str).eq(["/v1/embeddings"]));
    }
}
