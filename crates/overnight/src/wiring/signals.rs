//! How the process is told to stop: SIGTERM or SIGINT once to end well, a second time to end now.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What signals have asked for so far.
#[derive(Clone)]
pub(crate) struct Stop {
    asked: CancellationToken,
    insisted: CancellationToken,
}

impl Stop {
    /// Listens for signals from here on.
    ///
    /// # Errors
    ///
    /// The system does not let the process listen.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        let (terminate, interrupt) = (
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        let stop = Self {
            asked: CancellationToken::new(),
            insisted: CancellationToken::new(),
        };
        let told = stop.clone();
        // The task ends with the process: after the second signal there is nothing to wait for.
        TaskTracker::new().spawn(told.listen(terminate, interrupt));
        Ok(stop)
    }

    async fn listen(self, mut terminate: Signal, mut interrupt: Signal) {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("asked to stop; ending what is in flight");
        self.asked.cancel();
        next(&mut terminate, &mut interrupt).await;
        tracing::warn!("asked to stop again; ending at once");
        self.insisted.cancel();
    }

    /// Cancelled by the first signal, or by [`Self::ask`].
    pub(crate) fn asked(&self) -> CancellationToken {
        self.asked.clone()
    }

    /// Ends the process well, as the first signal does.
    pub(crate) fn ask(&self) {
        self.asked.cancel();
    }

    /// Returns at the second signal.
    pub(crate) async fn insisted(&self) {
        self.insisted.cancelled().await;
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
