//! The engine's parts and its life.

use std::sync::Arc;

use overnight_core::id::{BatchId, Entropy, WorkerId};
use overnight_core::segment::BlobKey;
use overnight_core::time::Clock;
use overnight_store::{Blobs, Store, StoreError, Wake};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::dispatcher;
use crate::metrics::EngineMetrics;
use crate::settings::{EngineSettings, UpstreamLimits};
use crate::shared::Shared;
use crate::trace::Tracing;
use crate::upstream::Upstream;

/// What an engine is made of.
pub struct EngineParts {
    /// The metadata.
    pub store: Arc<dyn Store>,
    /// The bytes.
    pub blobs: Blobs,
    /// The inference servers; one is enough.
    pub upstreams: Vec<UpstreamPart>,
    /// The time of day.
    pub clock: Clock,
    /// Random bits.
    pub entropy: Entropy,
    /// Woken when a client has created or cancelled a batch.
    pub wake: Wake,
    /// What it was told.
    pub settings: EngineSettings,
    /// Where result lines go.
    pub target: ResultTarget,
    /// Where it counts.
    pub metrics: EngineMetrics,
    /// Who is told of the course of batches, if anybody.
    pub tracing: Option<Tracing>,
}

/// One inference server.
pub struct UpstreamPart {
    /// Its name in logs, metrics and reasons; no other has it.
    pub name: String,
    /// Its address without credentials.
    pub url: String,
    /// The way to it.
    pub upstream: Arc<dyn Upstream>,
    /// How much it may be asked at once.
    pub limits: UpstreamLimits,
}

/// Where result lines go.
#[derive(Clone, Debug)]
pub enum ResultTarget {
    /// Into immutable blobs, which become the result files of the API.
    Blobs,
    /// Appended to two mounted files. Only one batch may run.
    Append {
        /// The file of the lines that were answered with a 2xx status.
        output: BlobKey,
        /// The file of all others.
        error: BlobKey,
    },
}

/// A running batch at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveBatch {
    /// Its lines; 0 while it is validated.
    pub total: u64,
    /// Lines that ended with a 2xx answer and are recorded.
    pub completed: u64,
    /// Lines that ended with an error and are recorded.
    pub failed: u64,
    /// Lines that are with an upstream.
    pub in_flight: u64,
    /// Lines that wait for another attempt.
    pub retrying: u64,
    /// Why it waits, as a sentence; `None` while it moves.
    pub reason: Option<String>,
}

/// Why an engine stopped by itself.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The database is damaged.
    #[error("the database is damaged; restore the data folder from a backup")]
    DatabaseCorrupt(#[source] StoreError),
    /// The disk failed to keep what it was given, so nothing written lately can be trusted.
    #[error("the disk did not keep what was written; check it before starting again")]
    NotDurable(#[source] overnight_store::blobs::BlobError),
}

/// Runs batches. Cloning is cheap and shares the engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// An engine that does nothing until [`Self::run`].
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        Self {
            shared: Arc::new(Shared::new(parts)),
        }
    }

    /// Claims batches and runs them until `stop`, then lets what is in flight land for at most
    /// `shutdown_grace`, records it and gives the batches back.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when going on would put what is kept at risk.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), EngineError> {
        let halt = self.shared.halt.clone();
        halt.heeded(dispatcher::run(&self.shared, stop)).await
    }

    /// Stops everything of it, for a test.
    #[cfg(feature = "planted")]
    #[must_use]
    pub fn halt(&self) -> crate::halt::Halt {
        self.shared.halt.clone()
    }

    /// A batch that runs here, at this moment.
    #[must_use]
    pub fn live(&self, batch: &BatchId) -> Option<LiveBatch> {
        let run = self.shared.run_of(batch)?;
        let mut live = run.live();
        live.reason = self.shared.reason(&run);
        live.retrying = self.shared.lanes.retrying(run.key());
        Some(live)
    }

    /// The name under which this engine holds batches.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.shared.worker
    }

    /// A sentence when the engine holds back for a reason that concerns every batch, such as a clock that
    /// jumped.
    #[must_use]
    pub fn concern(&self) -> Option<String> {
        self.shared.guard.concern()
    }
}
