//! Connections without encryption, kept for the next request.
//!
//! The one that was used last is used next: its buffers are warm, the task that drove it is most often
//! the one that takes it, and what is not needed any more grows old at the other end, where it is swept.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper::rt::Executor as _;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use super::IDLE_MAX;
use super::body::RequestBody;
use super::connect::Dial;
use super::failure::Lost;
use super::link::{Broken, Link};
use crate::lease::Leave;

/// The connections to one upstream.
pub(super) struct Pool {
    dial: Dial,
    destination: Uri,
    /// How long opening a connection may take.
    timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Since when each is idle; the longest first.
    links: Vec<(Instant, Box<Link>)>,
    /// Whether somebody comes to close those that are idle for too long.
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(dial: Dial, destination: Uri, timeout: Duration) -> Arc<Self> {
        let idle = Mutex::default();
        Arc::new(Self {
            dial,
            destination,
            timeout,
            idle,
        })
    }

    /// Sends a request; answers with the head of what comes back.
    pub(super) async fn request(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Driven>, Lost> {
        loop {
            let link = match self.take() {
                Some(link) => link,
                None => self.open().await?,
            };
            // A connection may have been long in coming.
            if let Some(leave) = request.extensions().get::<Leave>() {
                leave.given().await;
            }
            match link.exchange(request).await {
                Ok((link, response)) => {
                    let pool = Arc::clone(self);
                    return Ok(response.map(|body| Driven {
                        body,
                        link: Some(link),
                        pool,
                    }));
                }
                // Closed while it was idle: nothing was sent, so another one takes the request.
                Err(Broken {
                    unsent: Some(unsent),
                    had_answered: true,
                    ..
                }) => request = unsent,
                Err(Broken {
                    error,
                    had_answered,
                    ..
                }) => {
                    return Err(Lost::Connection {
                        error,
                        had_answered,
                    });
                }
            }
        }
    }

    async fn open(&self) -> Result<Box<Link>, Lost> {
        let stream = self.dial.open(self.destination.clone(), self.timeout);
        let stream = stream.await.map_err(Lost::Connect)?;
        let link = Link::over(stream).await;
        link.map(Box::new)
            .map_err(|error| Lost::Connect(error.into()))
    }

    fn take(&self) -> Option<Box<Link>> {
        self.idle().links.pop().map(|(_, link)| link)
    }

    fn give_back(self: &Arc<Self>, link: Box<Link>) {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.links.push((now, link));
        if !std::mem::replace(&mut idle.is_swept, true) {
            drop(idle);
            TokioExecutor::new().execute(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes the connections that are idle for too long. Answers when to come again, if ever.
    fn sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle();
        let old = idle
            .links
            .partition_point(|(since, _)| now.duration_since(*since) >= IDLE_MAX);
        let closed: Vec<_> = idle.links.drain(..old).collect();
        let next = idle.links.first().map(|(since, _)| *since + IDLE_MAX);
        idle.is_swept = next.is_some();
        drop(idle);
        drop(closed);
        next
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Every change of the list is whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sweeps until nothing is idle, or the pool is gone.
async fn sweep(pool: Weak<Pool>) {
    let mut next = Some(Instant::now() + IDLE_MAX);
    while let Some(due) = next {
        tokio::time::sleep_until(due).await;
        next = pool.upgrade().and_then(|pool| pool.sweep());
    }
}

/// The body of an answer; whoever reads it drives its connection, and gives that back at the end.
pub(super) struct Driven {
    body: Incoming,
    /// `None` once it was given back.
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
}

impl Driven {
    /// Gives the connection back, if it can take another request.
    fn end(&mut self, context: &mut Context<'_>) {
        if let Some(mut link) = self.link.take() {
            if !link.is_ready() {
                link.drive(context);
            }
            if link.is_ready() {
                self.pool.give_back(link);
            }
        }
    }
}

impl Body for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let mut frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending()
            && let Some(link) = &mut self.link
        {
            link.drive(context);
            frame = Pin::new(&mut self.body).poll_frame(context);
        }
        let frame = ready!(frame);
        if frame.is_none() {
            self.end(context);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
