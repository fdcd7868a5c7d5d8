//! The body of a request, held or streamed.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};

/// What is sent.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing.
pub(super) fn empty() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Bytes that are there.
pub(super) fn held(bytes: Vec<u8>) -> RequestBody {
    let body = Full::new(Bytes::from(bytes));
    body.map_err(|never| match never {}).boxed_unsync()
}

/// Bytes that are read while they are sent. Their number has to be said by a `content-length`.
pub(super) fn streamed(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> RequestBody {
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
