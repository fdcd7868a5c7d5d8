//! How much is worked on at a time: what is beyond waits at a gate, and is turned away with a 503
//! only when it has waited for long.
//!
//! There are three gates, so that downloads do not keep out uploads, nor both what is asked in
//! between. Probes pass none: whoever asks whether the server is well must be told.
//! One client has at most half of each, and of the room of those who wait for an upload or a download:
//! however slow it is, or how much it asks for, another comes in.
//! A request with a JSON body comes to its gate with all of its body, so that clients who send theirs
//! slowly hold nothing that others wait for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::errors::ApiError;
use crate::shares::{Client, Share, Shares};
use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use http_body::{Frame, SizeHint};

/// How much is worked on at a time.
#[derive(Clone, Copy, Debug)]
pub struct GateLimits {
    /// Requests that are neither uploads nor downloads; 256 by default.
    pub requests_max: u32,
    /// Files and parts that are being received; 64 by default.
    pub uploads_max: u32,
    /// Files and results that are being handed out; 256 by default.
    pub downloads_max: u32,
    /// Streams of events that are open; 64 by default.
    pub streams_max: u32,
    /// Uploads and downloads that wait, together; 512 by default. More are turned away at once.
    pub waiting_max: u32,
    /// How long a request waits at its gate; 60 s by default.
    pub wait_max: Duration,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            requests_max: 256,
            uploads_max: 64,
            downloads_max: 256,
            streams_max: 64,
            waiting_max: 512,
            wait_max: Duration::from_mins(1),
        }
    }
}

/// The ends of the paths below a batch at which its files are read.
const READING: [&str; 4] = ["/results", "/failures", "/lines", "/verify"];

/// Which gate a request goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// None: probes.
    Open,
    /// That of requests whose body, if any, is JSON.
    Requests,
    /// That of files and parts that come.
    Uploads,
    /// That of files and results that go, or are read for an answer.
    Downloads,
    /// That of streams of events.
    Streams,
}

impl Gate {
    /// The gate of a request, by its method and its path without doubled or trailing slashes.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if matches!(path, "/health" | "/ready" | "/metrics") {
            return Self::Open;
        }
        if path == "/v1/events" && method == Method::GET {
            return Self::Streams;
        }
        let is_part = path.starts_with("/v1/uploads/") && path.ends_with("/parts");
        if method == Method::POST && (path == "/v1/files" || is_part) {
            return Self::Uploads;
        }
        let is_content = path.starts_with("/v1/files/") && path.ends_with("/content");
        let is_results = path.starts_with("/v1/batches/")
            && (READING.iter().any(|last| path.ends_with(last)) || path.contains("/lines/"));
        if method == Method::GET && (is_content || is_results) {
            return Self::Downloads;
        }
        Self::Requests
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Open | Self::Requests => "requests",
            Self::Uploads => "uploads",
            Self::Downloads => "downloads",
            Self::Streams => "streams of events",
        }
    }
}

/// Whether a request brings JSON, which is read before it comes to its gate.
pub(crate) fn takes_json(method: &Method, path: &str) -> bool {
    let is_completion = path.starts_with("/v1/uploads/") && path.ends_with("/complete");
    let is_retry = path.starts_with("/v1/batches/") && path.ends_with("/retry");
    let is_creation = matches!(path, "/v1/batches" | "/v1/uploads");
    method == Method::POST && (is_creation || is_completion || is_retry)
}

/// The gates.
#[derive(Debug)]
pub(crate) struct Gates {
    limits: GateLimits,
    requests: Shares,
    uploads: Shares,
    downloads: Shares,
    streams: Shares,
    waiting: Shares,
}

impl Gates {
    /// Gates with nobody inside.
    pub(crate) fn new(limits: GateLimits) -> Self {
        Self {
            limits,
            requests: Shares::new(limits.requests_max),
            uploads: Shares::new(limits.uploads_max),
            downloads: Shares::new(limits.downloads_max),
            streams: Shares::new(limits.streams_max),
            waiting: Shares::new(limits.waiting_max),
        }
    }

    /// Waits until the request of that client may pass.
    ///
    /// # Errors
    ///
    /// 503 when it has waited for too long, or too many wait already.
    pub(crate) async fn pass(&self, gate: Gate, client: &Client) -> Result<Passed, ApiError> {
        let (shares, has_room) = match gate {
            Gate::Open => return Ok(Passed { gate, share: None }),
            // What is asked in between is soon done, so those who wait need no bound.
            Gate::Requests => (&self.requests, None),
            Gate::Uploads => (&self.uploads, Some(&self.waiting)),
            Gate::Downloads => (&self.downloads, Some(&self.waiting)),
            // A stream may stay for ever, so nobody waits for its place.
            Gate::Streams => {
                let share = self.streams.try_take(client).ok_or_else(|| busy(gate))?;
                return Ok(Passed {
                    gate,
                    share: Some(share),
                });
            }
        };
        let passed = |share| Passed {
            gate,
            share: Some(share),
        };
        if let Some(share) = shares.try_take(client) {
            return Ok(passed(share));
        }
        let busy = || busy(gate);
        let _waits = match has_room {
            Some(room) => Some(room.try_take(client).ok_or_else(busy)?),
            None => None,
        };
        let taken = tokio::time::timeout(self.limits.wait_max, shares.take(client)).await;
        taken.ok().flatten().map(passed).ok_or_else(busy)
    }
}

fn busy(gate: Gate) -> ApiError {
    ApiError::unavailable(format!(
        "The server is busy with as many {} as it takes at a time. Please try again in a moment.",
        gate.what()
    ))
}

/// The gate of those who read files, for a request that came through another one and turns out to
/// read some.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    gates: Arc<Gates>,
    client: Client,
}

impl Reading {
    /// For a request of that client.
    pub(crate) const fn new(gates: Arc<Gates>, client: Client) -> Self {
        Self { gates, client }
    }

    /// Waits until it may read.
    ///
    /// # Errors
    ///
    /// As [`Gates::pass`].
    pub(crate) async fn turn(&self) -> Result<Passed, ApiError> {
        self.gates.pass(Gate::Downloads, &self.client).await
    }
}

/// A request that is inside of its gate until this is dropped.
#[derive(Debug)]
pub(crate) struct Passed {
    gate: Gate,
    share: Option<Share>,
}

impl Passed {
    /// The request is answered. A download and a stream are inside until their last byte is taken.
    pub(crate) fn answered(self, answer: Response) -> Response {
        match (self.gate, self.share) {
            (Gate::Downloads | Gate::Streams, Some(share)) => answer.map(|body| {
                Body::new(Leaving {
                    body,
                    _share: share,
                })
            }),
            (Gate::Open | Gate::Requests | Gate::Uploads | Gate::Downloads | Gate::Streams, _) => {
                answer
            }
        }
    }
}

/// The body of a download, which gives the share back when it is dropped.
struct Leaving {
    body: Body,
    _share: Share,
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_its_gate() {
        let check = |method, path: &str, gate| assert_eq!(Gate::of(&method, path), gate, "{path}");
        check(Method::GET, "/health", Gate::Open);
        check(Method::GET, "/v1/files", Gate::Requests);
        check(Method::POST, "/v1/files", Gate::Uploads);
        check(Method::POST, "/v1/uploads", Gate::Requests);
        check(Method::POST, "/v1/uploads/u/parts", Gate::Uploads);
        check(Method::POST, "/v1/uploads/u/complete", Gate::Requests);
        check(Method::GET, "/v1/files/f/content", Gate::Downloads);
        check(Method::HEAD, "/v1/files/f/content", Gate::Requests);
        check(Method::GET, "/v1/batches/b/results", Gate::Downloads);
        check(Method::GET, "/v1/batches/b/lines", Gate::Downloads);
        check(Method::GET, "/v1/batches/b/lines/7", Gate::Downloads);
        check(Method::GET, "/v1/batches/b/failures", Gate::Downloads);
        check(Method::GET, "/v1/batches/b/progress", Gate::Requests);
        check(Method::GET, "/v1/events", Gate::Streams);
        check(Method::POST, "/v1/batches", Gate::Requests);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_beyond_waits_for_its_own_gate_and_is_told_when_it_waited_in_vain() {
        let gates = Gates::new(GateLimits {
            uploads_max: 1,
            ..GateLimits::default()
        });
        let inside = gates.pass(Gate::Uploads, &Client::Unknown).await.unwrap();
        for other in [Gate::Open, Gate::Requests, Gate::Downloads] {
            assert!(gates.pass(other, &Client::Unknown).await.is_ok());
        }
        let refused = gates
            .pass(Gate::Uploads, &Client::Unknown)
            .await
            .unwrap_err();
        assert_eq!(refused.status, http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.message.contains("as many uploads"));
        let (next, ()) = tokio::join!(gates.pass(Gate::Uploads, &Client::Unknown), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            drop(inside);
        });
        assert!(next.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_place_of_a_stream() {
        let gates = Gates::new(GateLimits {
            streams_max: 1,
            ..GateLimits::default()
        });
        let stream = gates.pass(Gate::Streams, &Client::Unknown).await;
        let passed = stream.unwrap().answered(Response::new(Body::from("x")));
        let soon = Duration::from_millis(1);
        let other = gates.pass(Gate::Streams, &Client::Unknown);
        let refused = tokio::time::timeout(soon, other).await.expect("it waits");
        assert!(refused.unwrap_err().message.contains("streams of events"));
        drop(passed);
        assert!(gates.pass(Gate::Streams, &Client::Unknown).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_locks_nobody_out() {
        let gates = Gates::new(GateLimits {
            uploads_max: 4,
            waiting_max: 2,
            ..GateLimits::default()
        });
        let client = |project: &str| Client::Project(project.into());
        let (greedy, other) = (client("greedy"), client("other"));
        let upload = |client| gates.pass(Gate::Uploads, client);
        let soon = Duration::from_secs(1);
        let mut inside = Vec::new();
        for _ in 0..2 {
            inside.push(upload(&greedy).await.unwrap());
        }
        // Its third waits, its fourth may not even wait.
        let mut waits = Box::pin(upload(&greedy));
        assert!(tokio::time::timeout(soon, &mut waits).await.is_err());
        let refused = tokio::time::timeout(soon, upload(&greedy)).await;
        assert!(refused.expect("it waits").is_err());
        for _ in 0..2 {
            let passed = tokio::time::timeout(soon, upload(&other)).await;
            inside.push(passed.expect("it is locked out").unwrap());
        }
        inside.remove(0);
        assert!(waits.await.is_ok());
    }
}
