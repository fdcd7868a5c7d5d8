//! Bytes on their way to a client: read piece by piece, one ahead, and never held as a whole.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use overnight_core::segment::{Extent, PlacedExtent};
use overnight_store::blobs::{BlobError, ExtentReader};
use overnight_store::store::Content;

use crate::api::Api;
use crate::errors::{ApiError, chain};

/// How many extents one question to the store asks for.
const EXTENTS_MAX: usize = 256;

/// Reads a range of a content, which the caller knows to be there.
pub(crate) struct ContentReader {
    api: Arc<Api>,
    content: Content,
    /// What has not been read, in bytes of the content.
    wanted: Range<u64>,
    /// Reads the extents that the store has named so far.
    pieces: Option<ExtentReader>,
}

impl ContentReader {
    /// A reader of that range.
    pub(crate) const fn new(api: Arc<Api>, content: Content, range: Range<u64>) -> Self {
        Self {
            api,
            content,
            wanted: range,
            pieces: None,
        }
    }

    /// The same, when its first extents are known already.
    pub(crate) fn with_extents(mut self, extents: Vec<PlacedExtent>) -> Self {
        self.pieces = Some(ExtentReader::new(
            self.api.blobs.clone(),
            extents,
            self.wanted.clone(),
        ));
        self
    }

    /// A body of the range. The first piece is read before the answer begins, so that what cannot
    /// be read at all is an error that the client understands and not a cut connection.
    ///
    /// # Errors
    ///
    /// The first piece cannot be read.
    pub(crate) async fn into_body(mut self) -> Result<Body, ApiError> {
        let Some(first) = self.next().await? else {
            return Ok(Body::empty());
        };
        let rest = stream::try_unfold(self, async |mut reader| match reader.next().await {
            Ok(next) => Ok(next.map(|bytes| (bytes, reader))),
            Err(error) => {
                let ContentReader {
                    api,
                    content,
                    wanted,
                    ..
                } = reader;
                Err(cut(&api, &content, wanted.start, &error).await)
            }
        });
        Ok(Body::from_stream(
            stream::once(async { Ok::<_, io::Error>(first) }).chain(rest),
        ))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        while !self.wanted.is_empty() {
            if let Some(pieces) = &mut self.pieces {
                let read = pieces.next().await;
                if let (Err(error), Some(extent)) = (&read, pieces.damaged()) {
                    found_damage(&self.api, extent, error).await;
                }
                if let Some(bytes) = read? {
                    self.wanted.start += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
            }
            if self.wanted.is_empty() {
                break;
            }
            let found = self
                .api
                .store
                .extents(&self.content, self.wanted.start, EXTENTS_MAX);
            let extents = found.await.map_err(ApiError::store)?;
            if end_of(&extents).is_none_or(|end| end <= self.wanted.start) {
                return Err(ApiError::internal(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!(
                        "{:?} has no bytes from {} on",
                        self.content, self.wanted.start
                    ),
                )));
            }
            let reader = ExtentReader::new(self.api.blobs.clone(), extents, self.wanted.clone());
            self.pieces = Some(reader);
        }
        Ok(None)
    }
}

/// Puts a blob in quarantine that turned out to be damaged or gone. The store passes by one that
/// nothing names any more: it was deleted meanwhile, and is nobody's loss.
pub(crate) async fn found_damage(api: &Api, extent: &Extent, error: &BlobError) {
    let (why, at) = (chain(error), api.clock.now());
    match api.store.quarantine(extent, &why, at).await {
        Ok(Some(found)) => tracing::error!(
            blob.key = %extent.blob,
            blob.held = found.held,
            error = why,
            "a blob is damaged and was put in quarantine; put it back from a backup"
        ),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(blob.key = %extent.blob, %error, "a damaged blob was not noted");
        }
    }
}

/// Where the last of these extents ends in its content.
pub(crate) fn end_of(extents: &[PlacedExtent]) -> Option<u64> {
    extents
        .last()
        .map(|last| last.at.saturating_add(last.extent.length))
}

/// The status is sent: all that is left is to cut the connection, so that nobody takes the part for
/// the whole, and to say why in the log. That a file was deleted meanwhile is nobody's fault.
async fn cut(api: &Api, content: &Content, at: u64, error: &ApiError) -> io::Error {
    let extents = api.store.extents(content, at, 1).await;
    if extents.is_ok_and(|extents| extents.is_empty()) {
        tracing::info!("a download of {content:?} was cut: it is not there any more");
    } else {
        let error = error.cause.as_deref().map(|cause| chain(cause));
        tracing::error!(
            error,
            "a download of {content:?} was cut: it could not be read"
        );
    }
    io::Error::other("the content could not be read")
}
