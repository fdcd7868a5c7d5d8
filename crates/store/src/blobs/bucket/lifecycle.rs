//! What a bucket itself does with uploads that nobody completed: their parts are shown by no listing,
//! and there is no verb that ends them.

use std::time::Duration;

use http::{Method, StatusCode};
use object_store::client::{HttpRequest, HttpRequestBody, HttpService as _};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};

use super::client::Client;
use super::{BucketSettings, Kind};

/// For how long the address of the rules is good.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// The longest wait for the rules.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rule that ends such uploads, as S3 names it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html>.
const RULE: &str = "<AbortIncompleteMultipartUpload>";

/// What becomes of uploads that nobody completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostUploads {
    /// The bucket ends them.
    Ended,
    /// No rule of the bucket ends them.
    Kept,
    /// Its rules cannot be seen; why.
    Unknown(String),
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl BucketSettings {
    /// Looks what the bucket does with uploads that nobody completed. Changes nothing.
    pub async fn lost_uploads(&self) -> LostUploads {
        match self.kind {
            Kind::S3 => {
                let asked = tokio::time::timeout(PATIENCE, self.ask_for_rules()).await;
                let answer = asked.unwrap_or_else(|late| Err(late.into()));
                answer.unwrap_or_else(|error| LostUploads::Unknown(error.to_string()))
            }
            Kind::Google => LostUploads::Unknown("they are only asked for on S3".to_owned()),
            // Blocks that nobody commits are gone after a week.
            Kind::Azure => LostUploads::Ended,
        }
    }

    async fn ask_for_rules(&self) -> Result<LostUploads, Failed> {
        let client = Client::new()?;
        let options = SignedUrlOptions::new().with_query([("lifecycle", "")]);
        let driver = self.s3(client.clone()).build()?;
        let bucket = Path::default();
        let url = driver.signed_url_opts(Method::GET, &bucket, GOOD_FOR, &options);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.await?.as_str().parse()?;
        let (head, body) = client.call(request).await?.into_parts();
        let bytes = body.bytes().await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(match head.status {
            StatusCode::OK if text.contains(RULE) => LostUploads::Ended,
            // There are no rules at all.
            StatusCode::OK | StatusCode::NOT_FOUND => LostUploads::Kept,
            status => LostUploads::Unknown(format!("the bucket answers {status}")),
        })
    }
}
