//! The rest of a refused upload.
//!
//! A server that answers and hangs up while its client is still sending makes the client see a
//! reset instead of the answer. So the answer goes out at once, and what is still coming is read
//! and thrown away beside it, up to a limit of bytes and of time.

use axum::body::{Body, BodyDataStream, HttpBody as _};
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::EXPECT;

use crate::api::Api;

/// Reads a body of which nothing was read. A client that waits to be asked for it has sent nothing
/// that would have to be read.
pub(crate) fn drain_unread(api: &Api, headers: &HeaderMap, body: Body) {
    if !body.is_end_stream() && !headers.contains_key(EXPECT) {
        drain(api, body.into_data_stream());
    }
}

/// Reads what is left of a body in a task of its own.
pub(crate) fn drain(api: &Api, mut rest: BodyDataStream) {
    let bytes_max = api.settings.drain_bytes_max;
    let reading = async move {
        let mut drained: u64 = 0;
        while let Some(Ok(bytes)) = rest.next().await {
            drained = drained.saturating_add(bytes.len() as u64);
            if drained > bytes_max {
                break;
            }
        }
    };
    let bounded = tokio::time::timeout(api.settings.drain_time_max, reading);
    api.tasks.spawn(async move {
        // Running out of time is the limit doing its work.
        let _ = bounded.await;
    });
}
