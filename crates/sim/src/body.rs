//! Bodies on the wire: what is sent (whole, or cut in the middle), and how one is received.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Notify;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum SimBody {
    /// Sent as it is.
    Whole(Bytes),
    /// Says the whole length, sends the first half, then asks for the connection to be reset.
    Cut {
        /// What is still to be sent.
        half: Bytes,
        /// The length that was promised, less what was sent.
        promised: u64,
        /// Tells the connection to reset itself.
        hang_up: Arc<Notify>,
    },
}

/// Why a request's body is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more bytes than are allowed.
    TooLarge,
    /// The client went, or broke the protocol.
    Gone,
}

impl SimBody {
    pub(crate) fn cut(whole: &Bytes, hang_up: Arc<Notify>) -> Self {
        let promised = whole.len() as u64;
        Self::Cut {
            half: whole.slice(..whole.len() / 2),
            promised,
            hang_up,
        }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Cut { half, hang_up, .. } if half.is_empty() => {
                // What was sent is flushed before the connection looks at this.
                hang_up.notify_one();
                Poll::Pending
            }
            Self::Cut { half, promised, .. } => {
                *promised -= half.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(half)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Cut { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Cut { promised, .. } => SizeHint::with_exact(*promised),
        }
    }
}

/// Reads a request's body, up to `limit` bytes; one that came in one piece is not copied.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    let promised = body.size_hint().lower();
    if promised > limit as u64 {
        return Err(Unread::TooLarge);
    }
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() && first.len() <= limit {
        return Ok(first);
    }
    // What is promised is only believed up to 1 MiB, so that no memory is taken for mere words.
    let room = usize::try_from(promised.min(1 << 20)).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(room.max(first.len()));
    let mut piece = Some(first);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > limit {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        piece = next_data(&mut body).await?;
    }
    Ok(whole.freeze())
}

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        // A frame that is no data is trailers, which say nothing here.
        if let Ok(data) = frame.map_err(|_| Unread::Gone)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
