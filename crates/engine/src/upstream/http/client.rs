//! Sends requests over connections that are kept for the next ones.
//!
//! Without encryption, an upstream speaks HTTP/1.1, and the task that waits for an answer drives its
//! connection. With it, the two sides agree on HTTP/1.1 or HTTP/2, and connections have tasks of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::body::RequestBody;
use super::connect::{Answers, Connector, Dial};
use super::failure::Lost;
use super::pool::{Driven, Pool};
use super::target::Target;
use super::{HEAD_BYTES_MAX, IDLE_MAX, PING_INTERVAL};

/// How requests get to an upstream.
pub(super) enum Client {
    /// Over plain connections.
    Plain(Arc<Pool>),
    /// Over encrypted ones.
    Tls(Box<legacy::Client<Connector, RequestBody>>),
}

impl Client {
    /// Connects to nothing yet.
    pub(super) fn new(
        dial: Dial,
        target: &Target,
        tls: ClientConfig,
        connect_timeout: Duration,
    ) -> Self {
        if !target.is_tls() {
            return Self::Plain(Pool::new(dial, target.origin.clone(), connect_timeout));
        }
        let client = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_adaptive_window(true)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(Connector::new(dial, tls, connect_timeout));
        Self::Tls(Box::new(client))
    }

    /// Sends a request; answers with the head of what comes back. Its URI is in the form that
    /// [`Target::uri`] gives.
    pub(super) async fn request(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ReplyBody>, Lost> {
        match self {
            Self::Plain(pool) => Ok(pool.request(request).await?.map(ReplyBody::Driven)),
            Self::Tls(client) => {
                let response = client.request(request).await.map_err(Lost::Tls)?;
                if let Some(answers) = response.extensions().get::<Answers>() {
                    answers.add();
                }
                Ok(response.map(ReplyBody::Spawned))
            }
        }
    }
}

/// The body of an answer.
pub(super) enum ReplyBody {
    /// Whoever reads it drives its connection.
    Driven(Driven),
    /// Its connection has a task.
    Spawned(Incoming),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Driven(body) => Pin::new(body).poll_frame(context),
            Self::Spawned(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Driven(body) => body.is_end_stream(),
            Self::Spawned(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Driven(body) => body.size_hint(),
            Self::Spawned(body) => body.size_hint(),
        }
    }
}
