//! What the surface needs from its surroundings.

use std::fmt;
use std::sync::Arc;

use overnight_core::id::Entropy;
use overnight_core::time::Clock;
use overnight_store::{Blobs, Store, Wake};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Access;
use crate::settings::ApiSettings;

/// Says whether the process can do its work, or why it cannot, as a sentence.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything that a request may touch. The wiring fills it once.
#[derive(Clone)]
pub struct Api {
    /// The metadata.
    pub store: Arc<dyn Store>,
    /// The bytes.
    pub blobs: Blobs,
    /// The hint to the engine that a batch was created or cancelled.
    pub wake: Wake,
    /// The time of day.
    pub clock: Clock,
    /// What ids are made from.
    pub entropy: Entropy,
    /// Whose request it is.
    pub access: Access,
    /// Work that outlives a request: giving up an unfinished upload, reading the rest of a refused
    /// one. Shutdown closes it and waits.
    pub tasks: TaskTracker,
    /// Cancelled by the surface when the disk or the database turns out to be damaged: the wiring
    /// ends the process then, for going on could lose what clients were promised.
    pub damaged: CancellationToken,
    /// Cancelled when the server stops taking requests: streams of events end then.
    pub stopping: CancellationToken,
    /// Limits, names and choices.
    pub settings: ApiSettings,
    /// The text of `/metrics`, in the `OpenMetrics` format.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What the process does besides or in place of this surface, as `/ready` says it.
    pub role: &'static str,
    /// Asked by `/ready`, which also asks the store by itself.
    pub ready: Ready,
    /// Whether there is room for another upload; below the disk reserve there is none.
    pub has_space: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
