//! Files: what was uploaded, and what a batch left behind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{FileId, ProjectId};
use crate::time::Timestamp;

/// What a file is for. The words are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// `fine-tune`
    #[serde(rename = "fine-tune")]
    FineTune,
    /// `assistants`
    #[serde(rename = "assistants")]
    Assistants,
    /// `batch`: the input of a batch.
    #[serde(rename = "batch")]
    Batch,
    /// `user_data`
    #[serde(rename = "user_data")]
    UserData,
    /// `vision`
    #[serde(rename = "vision")]
    Vision,
    /// `evals`
    #[serde(rename = "evals")]
    Evals,
    /// `batch_output`: the output or error file of a batch; never uploaded.
    #[serde(rename = "batch_output")]
    BatchOutput,
}

impl Purpose {
    /// The purposes that an upload may have, in the order in which its error message names them.
    pub const UPLOADED: [Self; 6] = [
        Self::FineTune,
        Self::Assistants,
        Self::Batch,
        Self::UserData,
        Self::Vision,
        Self::Evals,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FineTune => "fine-tune",
            Self::Assistants => "assistants",
            Self::Batch => "batch",
            Self::UserData => "user_data",
            Self::Vision => "vision",
            Self::Evals => "evals",
            Self::BatchOutput => "batch_output",
        }
    }

    /// The purpose of that word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if word == Self::BatchOutput.as_str() {
            return Some(Self::BatchOutput);
        }
        Self::UPLOADED
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// Whether clients may download a file of this purpose.
    #[must_use]
    pub const fn is_downloadable(self) -> bool {
        match self {
            Self::Batch | Self::BatchOutput => true,
            Self::FineTune | Self::Assistants | Self::UserData | Self::Vision | Self::Evals => {
                false
            }
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file. Its bytes are a list of extents that the store keeps beside it; they never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Whose it is.
    pub project: ProjectId,
    /// What it is for.
    pub purpose: Purpose,
    /// The base name that the client gave, or the one made for a result file.
    pub filename: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was uploaded, or when its batch was sealed.
    pub created_at: Timestamp,
    /// When it is deleted by itself; never, when `None`.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_purposes_are_the_wires_and_are_read_back() {
        let words = Purpose::UPLOADED.map(Purpose::as_str);
        let expected = [
            "fine-tune",
            "assistants",
            "batch",
            "user_data",
            "vision",
            "evals",
        ];
        assert_eq!(words, expected);
        assert_eq!(Purpose::BatchOutput.to_string(), "batch_output");
        for purpose in Purpose::UPLOADED.into_iter().chain([Purpose::BatchOutput]) {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("Batch"), None);
    }

    #[test]
    fn only_the_files_of_batches_are_downloaded() {
        assert!(Purpose::BatchOutput.is_downloadable());
        let others = Purpose::UPLOADED.into_iter();
        let downloadable: Vec<_> = others.filter(|purpose| purpose.is_downloadable()).collect();
        assert_eq!(downloadable, [Purpose::Batch]);
    }
}
