//! Sends one request and gathers its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use overnight_core::attempt::NoAnswer;
use tokio::time::Instant;

use super::alias::ModelSplice;
use super::body::{Progress, RequestBody};
use super::client::ReplyBody;
use super::failure::Lost;
use super::{HttpUpstream, failure};
use crate::upstream::answer::{GatherError, Gathering};
use crate::upstream::receive::{Receiving, no_answer};
use crate::upstream::{Call, CallBody, Received};

/// Names the span that a request is a part of (<https://www.w3.org/TR/trace-context/>).
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

impl HttpUpstream {
    /// One attempt, as [`crate::upstream::Upstream::send`] promises. The error is a reply too: one
    /// that ended the attempt early.
    pub(super) async fn attempt(&self, call: Call) -> Result<Received, Received> {
        let (body, progress) = self.body(call.body, &call.model).await?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.uri(&call.path);
        *request.headers_mut() = self.headers.clone();
        if let Some(span) = call.span
            && let Ok(parent) = HeaderValue::try_from(span.to_string())
        {
            request.headers_mut().insert(TRACE_PARENT, parent);
        }
        if call.leave.ends() {
            request.extensions_mut().insert(call.leave);
        }
        let response = self.head(self.client.request(request), progress).await?;
        let (head, body) = response.into_parts();
        self.receive(
            Receiving::new(head.status, head.headers, &self.budget),
            body,
        )
        .await
    }

    /// Waits for the head of the answer.
    async fn head(
        &self,
        response: impl Future<Output = Result<Response<ReplyBody>, Lost>>,
        progress: Option<Progress>,
    ) -> Result<Response<ReplyBody>, Received> {
        let began = Instant::now();
        let mut left = self.timeouts.head;
        tokio::pin!(response);
        loop {
            match tokio::time::timeout(left, &mut response).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    let why = failure::of_head(&error, began.elapsed());
                    return Err(no_answer(why, Some(failure::detail(&error))));
                }
                Err(_) => {
                    let sent = progress.as_ref().map_or(began, Progress::last);
                    left = self.timeouts.head.saturating_sub(sent.elapsed());
                    if left.is_zero() {
                        return Err(no_answer(NoAnswer::HeadTimeout, None));
                    }
                }
            }
        }
    }

    /// Gathers the body.
    async fn receive(
        &self,
        receiving: Receiving,
        mut body: ReplyBody,
    ) -> Result<Received, Received> {
        let is_too_large = |length| length > self.budget.limits().answer_bytes_max;
        let length = http_body::Body::size_hint(&body).exact();
        if length.is_some_and(is_too_large) {
            return Err(no_answer(NoAnswer::TooLarge, None));
        }
        let mut receiving = receiving.expecting(length);
        let mut silent_since = None;
        loop {
            // Most bodies come together with their head: then no clock is asked.
            let frame = if let Some(frame) = ready_frame(&mut body).await {
                frame
            } else {
                let since = *silent_since.get_or_insert_with(Instant::now);
                let frame = tokio::time::timeout_at(since + self.timeouts.idle, body.frame());
                frame
                    .await
                    .map_err(|_| no_answer(NoAnswer::IdleTimeout, None))?
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        receiving.push(bytes).await?;
                        silent_since = None;
                    }
                }
                Some(Err(error)) => {
                    return Err(no_answer(NoAnswer::CutBody, Some(failure::detail(&error))));
                }
                None => return Ok(receiving.finish().await),
            }
        }
    }

    /// The body as the upstream is to see it.
    async fn body(
        &self,
        body: CallBody,
        model: &str,
    ) -> Result<(RequestBody, Option<Progress>), Received> {
        match (body, self.own_names.get(model)) {
            (CallBody::Held(bytes), None) => Ok((RequestBody::Held(bytes), None)),
            (CallBody::Held(bytes), Some(name)) => {
                let mut out = Vec::with_capacity(bytes.len() + name.len());
                ModelSplice::new(name).push(&bytes, &mut out);
                Ok((RequestBody::Held(out.into()), None))
            }
            (CallBody::Streamed { length, pieces }, None) => {
                let (body, progress) = RequestBody::streamed(length, pieces);
                Ok((body, Some(progress)))
            }
            (CallBody::Streamed { pieces, .. }, Some(name)) => {
                let (body, progress) = self.spliced(name, pieces).await?;
                Ok((body, Some(progress)))
            }
        }
    }

    /// Reads a large body through before it is sent: its new length is not known before its end.
    async fn spliced(
        &self,
        name: &Bytes,
        mut pieces: futures_util::stream::BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<(RequestBody, Progress), Received> {
        use futures_util::StreamExt as _;
        let mut splice = ModelSplice::new(name);
        let mut gathering = Gathering::new(self.budget.clone(), u64::MAX);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| unread(&error))?;
            let mut out = Vec::with_capacity(piece.len() + name.len());
            splice.push(&piece, &mut out);
            gathering
                .push(out.into())
                .await
                .map_err(|error| match error {
                    GatherError::TooLarge => no_answer(NoAnswer::TooLarge, None),
                    GatherError::Spool(error) => unread(&error),
                })?;
        }
        let body = gathering.finish().await.map_err(|error| unread(&error))?;
        Ok(RequestBody::streamed(body.len(), body.into_pieces()))
    }
}

/// What comes next of a body, if it is there already.
async fn ready_frame(body: &mut ReplyBody) -> Option<Option<hyper::Result<Frame<Bytes>>>> {
    poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The body of the request could not be had, so nothing was sent.
fn unread(error: &std::io::Error) -> Received {
    let detail = format!("the body of the request could not be read: {error}");
    no_answer(NoAnswer::Ours, Some(detail))
}
