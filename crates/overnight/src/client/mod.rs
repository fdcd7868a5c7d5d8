//! The HTTP client of the commands: what they ask a running server, over its public surface alone.
//!
//! ```text
//! target (flags, environment, profiles) ──► client ──┬─► JSON in, JSON out
//!                                                    ├─► upload: a file, streamed
//!                                                    └─► download: to a file, streamed, taken up again
//! ```
//!
//! Any server that speaks OpenAI's Files and Batches API can be asked; what only Overnight has is said
//! to be missing elsewhere.

mod body;
pub(crate) mod download;
pub(crate) mod errors;
pub(crate) mod find;
mod profile;
pub(crate) mod target;
pub(crate) mod upload;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use overnight_engine::upstream::http::tls_config;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use self::body::RequestBody;
use self::errors::ClientError;
use self::target::{ServerArgs, Target};

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How long the head of an answer may take. A server of many batches answers in milliseconds; one whose
/// disk is slow does not.
const HEAD_PATIENCE: Duration = Duration::from_mins(2);

/// How long an answer may pause.
pub(crate) const IDLE_PATIENCE: Duration = Duration::from_mins(1);

/// The largest JSON answer that is read: a batch with a thousand errors has 1 MiB.
const JSON_BYTES_MAX: usize = 64 << 20;

/// How often a server that asks to come later is asked again.
const TRIES_MAX: u32 = 4;

/// How long it may ask to wait.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What this client calls itself.
const NAME: &str = concat!("overnight/", env!("CARGO_PKG_VERSION"));

/// Asks one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    target: Target,
    headers: HeaderMap,
    http: legacy::Client<HttpsConnector<HttpConnector>, RequestBody>,
}

impl Client {
    /// A client of the server that flags and environment name. Connects to nothing yet; must be made
    /// within a runtime.
    ///
    /// # Errors
    ///
    /// A flag or a variable is wrong, or this system trusts no certificates.
    pub(crate) fn new(
        args: &ServerArgs,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let (target, key) = args.target(environment)?;
        let mut headers = HeaderMap::from_iter([
            (USER_AGENT, HeaderValue::from_static(NAME)),
            (ACCEPT, HeaderValue::from_static("*/*")),
        ]);
        headers.extend(key.map(|key| (AUTHORIZATION, key)));
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(target.is_tls())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            target,
            headers,
            http,
        })
    }

    /// The server's address, as people know it.
    pub(crate) fn server(&self) -> &str {
        self.target.shown()
    }

    /// Asks for JSON.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses, or answers with something else.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, None, None).await
    }

    /// Sends JSON, and reads the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_value(body).map_err(|error| self.odd(path, &error))?;
        self.json(Method::POST, path, Some(body), None).await
    }

    /// As [`Self::post`], under a key by which the server knows a repetition from a second request.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: &str,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_value(body).map_err(|error| self.odd(path, &error))?;
        self.json(Method::POST, path, Some(body), Some(key)).await
    }

    /// Deletes something.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::DELETE, path, None, None).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Result<T, ClientError> {
        let mut headers = Vec::new();
        if body.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
            headers.push((HeaderName::from_static("idempotency-key"), key));
        }
        let bytes = body.map(|body| body.to_string().into_bytes());
        let mut tries = 0;
        loop {
            tries += 1;
            let body = bytes.clone().map_or_else(body::empty, body::held);
            let request = (method.clone(), path);
            let response = match self.send(request, &headers, body).await {
                Err(error) if error.may_repeat() && tries < TRIES_MAX => {
                    sleep(error.wait()).await;
                    continue;
                }
                answered => answered?,
            };
            let bytes = self.collect(path, response).await?;
            return serde_json::from_slice(&bytes).map_err(|error| self.odd(path, &error));
        }
    }

    /// Sends a request, and answers with the head of what comes back when that is a success.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub(crate) async fn send(
        &self,
        (method, path): (Method, &str),
        headers: &[(HeaderName, HeaderValue)],
        body: RequestBody,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.target.uri(path)?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(headers.iter().cloned());
        // A file takes as long to send as it takes.
        let is_long = http_body::Body::size_hint(request.body()).exact().is_none();
        let sent = self.http.request(request);
        let response = if is_long {
            sent.await
        } else {
            timeout(HEAD_PATIENCE, sent)
                .await
                .map_err(|_| self.unreachable(&"it did not answer in time"))?
        };
        let response = response.map_err(|error| self.unreachable(&root_of(&error)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(path, response).await)
    }

    /// The whole of a small answer.
    async fn collect(
        &self,
        path: &str,
        response: Response<Incoming>,
    ) -> Result<Vec<u8>, ClientError> {
        let body = Limited::new(response.into_body(), JSON_BYTES_MAX);
        let collected = timeout(HEAD_PATIENCE, body.collect()).await;
        let collected = collected.map_err(|_| self.unreachable(&"its answer stopped coming"))?;
        let body = collected.map_err(|error| self.odd(path, &error))?;
        Ok(body.to_bytes().to_vec())
    }

    async fn refused(&self, path: &str, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        let wait = wait.map_or(Duration::from_secs(1), Duration::from_secs);
        // Without its body, the status is all there is to tell.
        let body = self.collect(path, response).await.unwrap_or_default();
        ClientError::refused(self.server(), status, &body, wait.min(WAIT_MAX))
    }

    fn unreachable(&self, error: &dyn ToString) -> ClientError {
        ClientError::Unreachable {
            server: self.server().to_owned(),
            why: error.to_string(),
        }
    }

    fn odd(&self, path: &str, error: &dyn ToString) -> ClientError {
        ClientError::Odd {
            server: self.server().to_owned(),
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}

/// What an error began with: the layers above say only that there was one.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// Whether a status asks to come again later.
const fn is_later(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}
