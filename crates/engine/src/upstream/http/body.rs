//! The body of a request, held or streamed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// When a streamed body last moved: the time for the head counts from its last byte.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn moved(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is sent; its length is known, so that `content-length` is always set.
pub(super) enum RequestBody {
    /// Nothing (left).
    Empty,
    /// All of it.
    Held(Bytes),
    /// What is read while it is sent.
    Streamed {
        left: u64,
        pieces: BoxStream<'static, io::Result<Bytes>>,
        progress: Progress,
    },
}

impl RequestBody {
    /// A body that is read while it is sent, and how it moves.
    pub(super) fn streamed(
        length: u64,
        pieces: BoxStream<'static, io::Result<Bytes>>,
    ) -> (Self, Progress) {
        let progress = Progress::new();
        (
            Self::Streamed {
                left: length,
                pieces,
                progress: progress.clone(),
            },
            progress,
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Held(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed {
                left,
                pieces,
                progress,
            } => {
                let next = std::task::ready!(pieces.as_mut().poll_next(context));
                progress.moved();
                Poll::Ready(match next {
                    Some(Ok(piece)) => Some(take(left, piece).map(Frame::data)),
                    Some(Err(error)) => Some(Err(error)),
                    None if *left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                    None => None,
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(_) => false,
            Self::Streamed { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Held(bytes) => bytes.len() as u64,
            Self::Streamed { left, .. } => *left,
        })
    }
}

fn take(left: &mut u64, piece: Bytes) -> io::Result<Bytes> {
    let rest = left.checked_sub(piece.len() as u64);
    *left = rest.ok_or_else(|| io::Error::other("the body is longer than its length"))?;
    Ok(piece)
}
