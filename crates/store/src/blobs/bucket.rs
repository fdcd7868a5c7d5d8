//! Blobs in a bucket of an object store: S3 and whatever speaks its protocol, Google Cloud Storage,
//! or Azure Blob Storage.
//!
//! A blob is one object, and there for good once its put is answered; whoever lists sees it. Requests
//! that fail in passing are sent again for a while by the driver, and then by whoever asked: every put
//! here may be repeated, because a key is only ever given one content.

mod client;
mod lifecycle;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, RetryConfig,
};
use thiserror::Error as ThisError;

use self::client::Client;
pub use self::lifecycle::LostUploads;
use super::{Blobs, Result, error};

/// How often the driver sends a request at most, besides the first time.
const RETRIES_MAX: usize = 6;

/// For how long it does that. Whoever asked waits for it, and may say why it waits only afterwards.
const RETRY_TIME: Duration = Duration::from_secs(30);

/// The pauses before that, which double.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The object that says to which installation a prefix belongs.
const MARK: &str = "installation";

/// What is wrong with the place of a bucket, for whoever wrote it.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub struct BadBucket(String);

/// The kinds of object stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    S3,
    Google,
    Azure,
}

/// Where a bucket is, and what it takes to use it.
#[derive(Clone)]
pub struct BucketSettings {
    kind: Kind,
    bucket: String,
    prefix: String,
    variables: Vec<(String, String)>,
}

impl BucketSettings {
    /// The place of a URL: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; the
    /// prefix may be missing. Credentials, region and endpoint come from `variables`, which are
    /// those of the environment that the kind knows: `AWS_*`, `GOOGLE_*` or `AZURE_*`. Without
    /// credentials among them the machine's own are asked for, where the provider has such.
    ///
    /// # Errors
    ///
    /// [`BadBucket`] says what is wrong with the URL.
    pub fn from_url(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> std::result::Result<Self, BadBucket> {
        let forms = "it is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX";
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| BadBucket(forms.to_owned()))?;
        let (kind, known) = match scheme {
            "s3" => (Kind::S3, "AWS_"),
            "gs" => (Kind::Google, "GOOGLE_"),
            "az" => (Kind::Azure, "AZURE_"),
            _ => return Err(BadBucket(forms.to_owned())),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(BadBucket(format!("it names no bucket; {forms}")));
        }
        if let Some(odd) = bucket.find(['@', ':', '?', '#']) {
            let text = "credentials and endpoints are no part of it: they come from variables of \
                        the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...)";
            let (before, _) = bucket.split_at(odd);
            return Err(BadBucket(format!("`{before}` is no bucket; {text}")));
        }
        let prefix = prefix.trim_end_matches('/');
        ObjectPath::parse(prefix)
            .map_err(|error| BadBucket(format!("its prefix cannot be used: {error}")))?;
        Ok(Self {
            kind,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            variables: variables
                .into_iter()
                .filter(|(name, _)| name.starts_with(known))
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
        })
    }

    /// Where the bucket is, without credentials.
    #[must_use]
    pub fn place(&self) -> String {
        let scheme = match self.kind {
            Kind::S3 => "s3",
            Kind::Google => "gs",
            Kind::Azure => "az",
        };
        let (bucket, prefix) = (&self.bucket, &self.prefix);
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{scheme}://{bucket}{slash}{prefix}")
    }

    fn driver(&self) -> std::result::Result<Box<dyn ObjectStore>, BadBucket> {
        let client = Client::new().map_err(|error| BadBucket(error.to_string()))?;
        let built: object_store::Result<Box<dyn ObjectStore>> = match self.kind {
            Kind::S3 => self.s3(client).build().map(boxed),
            Kind::Google => {
                let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(&self.bucket);
                for (key, value) in self.known::<GoogleConfigKey>() {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_http_connector(client);
                builder.with_retry(retries()).build().map(boxed)
            }
            Kind::Azure => {
                let mut builder = MicrosoftAzureBuilder::new().with_container_name(&self.bucket);
                for (key, value) in self.known::<AzureConfigKey>() {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_http_connector(client);
                builder.with_retry(retries()).build().map(boxed)
            }
        };
        built.map_err(|error| BadBucket(format!("{} cannot be used: {error}", self.place())))
    }

    fn s3(&self, client: Client) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::new().with_bucket_name(&self.bucket);
        for (key, value) in self.known::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
        builder.with_http_connector(client).with_retry(retries())
    }

    /// The variables that the driver knows.
    fn known<K: std::str::FromStr>(&self) -> impl Iterator<Item = (K, String)> + '_ {
        let known = |(name, value): &(String, String)| Some((name.parse().ok()?, value.clone()));
        self.variables.iter().filter_map(known)
    }
}

impl fmt::Debug for BucketSettings {
    /// Without what the variables hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketSettings")
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

fn boxed(driver: impl ObjectStore) -> Box<dyn ObjectStore> {
    Box::new(driver)
}

fn retries() -> RetryConfig {
    let (init_backoff, max_backoff) = PAUSES;
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff,
            max_backoff,
            base: 2.0,
        },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME,
    }
}

impl Blobs {
    /// Keeps blobs as objects of a bucket. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// [`BadBucket`] when it cannot be used as it is described.
    pub fn bucket(settings: &BucketSettings) -> std::result::Result<Self, BadBucket> {
        let driver = settings.driver()?;
        let place: Arc<dyn ObjectStore> = if settings.prefix.is_empty() {
            Arc::from(driver)
        } else {
            Arc::new(PrefixStore::new(driver, settings.prefix.as_str()))
        };
        Ok(Self::remote(place))
    }

    /// Whether the bucket's prefix is that of the installation of that name. One without blobs that
    /// belongs to nobody is the installation's from then on; of several that ask at the same time,
    /// one gets it.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when the bucket does not answer, or refuses.
    pub async fn belongs_to(&self, installation: &str) -> Result<bool> {
        let mark = ObjectPath::from(MARK);
        if let Some(owner) = self.owner(&mark).await? {
            return Ok(owner == installation);
        }
        let mut found = self.durable.list(None);
        if found.try_next().await.map_err(error::list)?.is_some() {
            return Ok(false);
        }
        let name = PutPayload::from(installation.to_owned());
        let put = self.durable.put_opts(&mark, name, PutMode::Create.into());
        match put.await {
            Ok(_) => Ok(true),
            // A try of this very put whose answer was lost, or somebody else's.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                Ok(self.owner(&mark).await?.as_deref() == Some(installation))
            }
            Err(source) => Err(error::object(source)),
        }
    }

    async fn owner(&self, mark: &ObjectPath) -> Result<Option<String>> {
        let name: Bytes = match self.durable.get(mark).await {
            Ok(found) => found.bytes().await.map_err(error::read_object)?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(error::read_object(source)),
        };
        Ok(Some(String::from_utf8_lossy(&name).trim().to_owned()))
    }
}
