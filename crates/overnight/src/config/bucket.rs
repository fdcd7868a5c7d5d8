//! The bucket, as the configuration names it.

use std::collections::BTreeMap;
use std::fmt;

use overnight_store::blobs::{BadBucket, BucketSettings};
use serde::Deserialize;

use super::setting::{quote, value};

/// The URL of a bucket. What it takes to use it is in variables of the environment.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct BlobsUrl(String);

impl BlobsUrl {
    /// Whoever takes the URL for a place of credentials shall not find them in a log.
    fn shown(&self) -> String {
        BucketSettings::from_url(&self.0, [])
            .map_or_else(|_| "***".to_owned(), |settings| settings.place())
    }

    /// The settings of the blobs.
    pub(crate) fn settings(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<BucketSettings, BadBucket> {
        let variables = environment.iter();
        BucketSettings::from_url(
            &self.0,
            variables.map(|(name, value)| (name.clone(), value.clone())),
        )
    }
}

impl fmt::Debug for BlobsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

value!(BlobsUrl, "URL", |url: &BlobsUrl| quote(&url.shown()));
