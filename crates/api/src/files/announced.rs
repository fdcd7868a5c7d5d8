//! A blob that is being received from a client, and what becomes of it when that fails.
//!
//! ```text
//! announced ──► written ──► named by a row
//!     └────────────┴──► abandoned: refused, failed, or the client went away
//! ```

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use overnight_core::segment::{BlobKey, Extent};
use overnight_store::blobs::BlobWriter;
use tokio::runtime::Handle;

use crate::api::Api;
use crate::errors::{ApiError, chain};

/// An announced blob. Unless [`Announced::keep`] is called, dropping it abandons the blob in a task
/// of its own: also when the request is dropped because its client went away.
pub(crate) struct Announced {
    api: Arc<Api>,
    key: BlobKey,
    stage: Stage,
}

enum Stage {
    Writing(Box<BlobWriter>),
    Written,
    Kept,
}

impl Announced {
    /// Announces a new blob, so that a restart knows it to be unfinished, and begins it.
    pub(crate) async fn begin(api: &Arc<Api>) -> Result<Self, ApiError> {
        let key = BlobKey::upload(api.entropy.draw());
        api.store
            .announce(&key, api.clock.now())
            .await
            .map_err(ApiError::store)?;
        let stage = Stage::Writing(Box::new(api.blobs.upload(&key)));
        Ok(Self {
            api: Arc::clone(api),
            key,
            stage,
        })
    }

    /// The bytes that come next, before [`Self::finish`].
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), ApiError> {
        match &mut self.stage {
            Stage::Writing(writer) => Ok(writer.write(bytes).await?),
            Stage::Written | Stage::Kept => Err(finished_already()),
        }
    }

    /// The blob is there for good, though no row names it yet.
    pub(crate) async fn finish(&mut self) -> Result<Extent, ApiError> {
        match std::mem::replace(&mut self.stage, Stage::Written) {
            Stage::Writing(writer) => Ok(writer.finish().await?),
            Stage::Written | Stage::Kept => Err(finished_already()),
        }
    }

    /// A row names the blob.
    pub(crate) fn keep(mut self) {
        self.stage = Stage::Kept;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Kept);
        let writer = match stage {
            Stage::Kept => return,
            Stage::Writing(writer) => Some(writer),
            Stage::Written => None,
        };
        // Without a runtime the process is ending, and its next start sweeps what is announced.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let abandoning = abandon(Arc::clone(&self.api), self.key.clone(), writer);
        self.api.tasks.spawn_on(abandoning, &runtime);
    }
}

fn finished_already() -> ApiError {
    ApiError::internal(io::Error::other("a blob was written after its end"))
}

async fn abandon(api: Arc<Api>, key: BlobKey, writer: Option<Box<BlobWriter>>) {
    if let Some(writer) = writer
        && let Err(error) = writer.abort().await
    {
        let error = chain(&error);
        tracing::warn!(blob.key = %key, error, "an unfinished blob was left behind");
    }
    if let Err(error) = api.store.abandon(&key, api.clock.now()).await {
        let error = chain(&error);
        tracing::warn!(blob.key = %key, error, "an announced blob waits for the next start");
    }
}
