//! Keeps trying what must be kept.

use std::future::Future;
use std::time::Duration;

use overnight_core::segment::Segment;
use overnight_store::StoreError;
use overnight_store::blobs::BlobError;

use crate::engine::EngineError;
use crate::run::{Order, Run, Stop};
use crate::shared::Shared;

/// The first pause after a store or a disk did not answer; doubled up to [`UNAVAILABLE_PAUSE_MAX`].
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer.
const UNAVAILABLE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// A blob is rarely longer on its way to or from its place.
const LONG: Duration = Duration::from_secs(5);

impl Shared {
    /// Calls a verb of the store until it answers, as long as the run may go on.
    ///
    /// # Errors
    ///
    /// [`Stop`] when it may not, or when the answer means that it must not.
    pub(crate) async fn persist<T, F>(&self, run: &Run, verb: impl Fn() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = UNAVAILABLE_PAUSE;
        loop {
            let error = match verb().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error {
                StoreError::Unavailable(source) => {
                    tracing::warn!(batch.id = %run.batch_id(), error = source, "the database did not answer");
                }
                StoreError::Fenced => {
                    tracing::info!(
                        batch.id = %run.batch_id(), lease.epoch = run.lease().epoch,
                        "what comes under a lost lease does not count"
                    );
                    return Err(Stop::Fenced);
                }
                StoreError::NotFound => {
                    return Err(Stop::Lost(BlobError::NotFound(Box::new(error))));
                }
                StoreError::Illegal(_) | StoreError::Refused(_) => {
                    tracing::error!(batch.id = %run.batch_id(), error = %error, "a run broke a rule");
                    return Err(Stop::Broken);
                }
                StoreError::Contradicts(_) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(batch.id = %run.batch_id(), error, "what is recorded of a batch contradicts itself");
                    return Err(Stop::Broken);
                }
                StoreError::Corrupt(_) => {
                    self.fail(EngineError::DatabaseCorrupt(error));
                    return Err(Stop::Broken);
                }
            }
            self.pause(run, &mut pause).await?;
        }
    }

    /// The same for a verb of the blobs.
    ///
    /// # Errors
    ///
    /// As [`Self::persist`].
    pub(crate) async fn persist_blob<T, F>(
        &self,
        run: &Run,
        verb: impl Fn() -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, BlobError>>,
    {
        let mut pause = UNAVAILABLE_PAUSE;
        loop {
            match self.doubting(verb()).await {
                Ok(answer) => return Ok(answer),
                Err(BlobError::Unavailable(source)) => {
                    self.reach.doubt();
                    tracing::warn!(batch.id = %run.batch_id(), error = source, "the blob store did not answer");
                }
                Err(error @ BlobError::NotDurable(_)) => {
                    self.fail(EngineError::NotDurable(error));
                    return Err(Stop::Broken);
                }
                Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => {
                    return Err(Stop::Damaged(error));
                }
            }
            self.pause(run, &mut pause).await?;
        }
    }

    /// Whether a place that does not answer is reached at all is looked at meanwhile.
    async fn doubting<T>(&self, verb: impl Future<Output = T>) -> T {
        let mut verb = Box::pin(verb);
        if let Ok(answer) = tokio::time::timeout(LONG, &mut verb).await {
            return answer;
        }
        self.reach.doubt();
        verb.await
    }

    /// Waits before another try; ends when the run was told to drop everything, or the process stops.
    async fn pause(&self, run: &Run, pause: &mut Duration) -> Result<(), Stop> {
        tokio::select! {
            biased;
            _ = run.told(|order| *order == Order::Drop) => return Err(Stop::Fenced),
            () = self.stopping.cancelled() => return Err(Stop::Broken),
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(UNAVAILABLE_PAUSE_MAX);
        Ok(())
    }

    /// Counts a recorded segment.
    pub(crate) fn counted(&self, segment: &Segment, took: Duration) {
        self.metrics
            .flushed(segment.lines.len(), took.as_secs_f64());
        self.line_metrics.completed.inc_by(segment.tally.completed);
        self.line_metrics.failed.inc_by(segment.tally.failed);
        self.line_metrics.unrun.inc_by(segment.tally.unrun);
    }
}

/// Turns an error of a verb that is not worth repeating by itself into what it means for the run. A run that
/// could not read or write in the middle of a stream is begun anew by the next claim.
///
/// # Errors
///
/// [`Stop`], whatever the error.
pub(crate) fn verb_failed<T>(shared: &Shared, answer: Result<T, BlobError>) -> Result<T, Stop> {
    answer.map_err(|error| match error {
        BlobError::Unavailable(source) => {
            shared.reach.doubt();
            tracing::warn!(error = source, "the blob store did not answer");
            Stop::Released
        }
        error @ BlobError::NotDurable(_) => {
            shared.fail(EngineError::NotDurable(error));
            Stop::Broken
        }
        error @ (BlobError::NotFound(_) | BlobError::Corrupt(_)) => Stop::Damaged(error),
    })
}
