//! One connection of HTTP/1.1, driven by whoever uses it.
//!
//! A connection with a task of its own costs two changes of tasks a request, and often of threads. Here
//! the task that waits for the answer moves the connection's bytes itself; between two requests nobody
//! does, and a connection that was closed meanwhile says so when it is used next.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Context;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};

use super::HEAD_BYTES_MAX;
use super::body::RequestBody;
use super::connect::Stream;

/// A connection and the way to use it.
pub(super) struct Link {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended. A request that it still held is given back when it is dropped.
    connection: Option<Connection<Stream, RequestBody>>,
    /// Whether it has brought an answer.
    has_answered: bool,
}

/// Why a request over a link has no answer.
pub(super) struct Broken {
    pub(super) error: hyper::Error,
    /// Whether the link had brought an answer before.
    pub(super) had_answered: bool,
    /// The request, when nothing of it was sent.
    pub(super) unsent: Option<Request<RequestBody>>,
}

impl Link {
    /// Speaks HTTP/1.1 on a fresh connection.
    pub(super) async fn over(stream: Stream) -> hyper::Result<Self> {
        let mut protocol = Builder::new();
        protocol.max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = protocol.handshake(stream).await?;
        Ok(Self {
            sender,
            connection: Some(connection),
            has_answered: false,
        })
    }

    /// Sends a request and waits for the head of its answer. The body comes while the link is driven
    /// on. Dropped before its end, it takes the connection along: HTTP/1.1 cannot take a request back.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: Request<RequestBody>,
    ) -> Result<(Box<Self>, Response<Incoming>), Broken> {
        let mut reply = pin!(self.sender.try_send_request(request));
        let answered = poll_fn(|context| {
            self.drive(context);
            reply.as_mut().poll(context)
        });
        match answered.await {
            Ok(response) => {
                self.has_answered = true;
                Ok((self, response))
            }
            Err(mut error) => Err(Broken {
                had_answered: self.has_answered,
                unsent: error.take_message(),
                error: error.into_error(),
            }),
        }
    }

    /// Moves what can be moved now, and lets the task be woken when there is more.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            // What ends a connection is told to the request that it carries.
            && Pin::new(connection).poll(context).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it can take another request, as far as is known.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }
}
