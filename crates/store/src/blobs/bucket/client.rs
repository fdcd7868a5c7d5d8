//! How the driver's requests get to an object store: over the HTTP and TLS that this program has
//! anyway.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use http::header::USER_AGENT;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::tls::client_config;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take until an answer begins, the request's body included.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an answer may bring nothing.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// How long an unused connection is kept. Object stores close theirs after some more.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Sends requests over connections that are kept for the next ones.
#[derive(Clone)]
pub(super) struct Client(legacy::Client<HttpsConnector<TcpConnector>, HttpRequestBody>);

impl Client {
    /// Trusts the certificates of the system; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The provider of cryptography has no protocol version that is safe: never in practice.
    pub(super) fn new() -> io::Result<Self> {
        let mut tcp = TcpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(None)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Ok(Self(client))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl HttpConnector for Client {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(concat!("overnight/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let answered = timeout(HEAD_TIMEOUT, self.0.request(request)).await;
        let response = answered
            .map_err(|_| silent("it did not answer in time"))?
            .map_err(|error| {
                let kind = if error.is_connect() {
                    HttpErrorKind::Connect
                } else {
                    HttpErrorKind::Interrupted
                };
                HttpError::new(kind, Lost(Box::new(error)))
            })?;
        Ok(response.map(|body| HttpResponseBody::new(Patient::new(body))))
    }
}

/// A request that got no whole answer, with what is behind it: the driver tells only the first of a
/// chain of errors.
#[derive(Debug)]
struct Lost(Box<dyn Error + Send + Sync>);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Lost {}

fn silent(what: &str) -> HttpError {
    let error = io::Error::new(io::ErrorKind::TimedOut, what.to_owned());
    HttpError::new(HttpErrorKind::Timeout, error)
}

/// The body of an answer, which must not fall silent.
struct Patient {
    body: Incoming,
    until: Pin<Box<Sleep>>,
}

impl Patient {
    fn new(body: Incoming) -> Self {
        let until = Box::pin(sleep(SILENCE_MAX));
        Self { body, until }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.until.as_mut().reset(Instant::now() + SILENCE_MAX);
            let lost = |error| HttpError::new(HttpErrorKind::Interrupted, Lost(Box::new(error)));
            return Poll::Ready(frame.map(|frame| frame.map_err(lost)));
        }
        ready!(self.until.as_mut().poll(context));
        Poll::Ready(Some(Err(silent("its answer fell silent"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
