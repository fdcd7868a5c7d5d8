//! The handle: makes a simulator, serves it, changes it while it runs, and reads its counters.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::faults::Faults;
use crate::log::{Log, LogLine};
use crate::mode::{Mode, Modes};
use crate::queue::Queue;
use crate::server;
use crate::settings::{SimError, SimSettings, check_places};
use crate::tally::Tally;

/// A simulated inference server. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: SimSettings,
    pub(crate) queue: Arc<Queue>,
    pub(crate) modes: Modes,
    pub(crate) faults: Faults,
    pub(crate) tally: Tally,
    pub(crate) log: Log,
}

/// Counters of requests at inference paths (not of lists, probes and control), since the simulator
/// was made. When nothing is in flight, `received` is the sum of `answered`, `refused`, `rejected`,
/// `failed` and `gone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests whose head arrived.
    pub received: u64,
    /// Whole answers with status 200.
    pub answered: u64,
    /// 429s, by a full queue or by a fault.
    pub refused: u64,
    /// Other 4xx, for requests that were wrong.
    pub rejected: u64,
    /// Faults and outage modes other than 429 and `reset`.
    pub failed: u64,
    /// Clients that went before there was an answer, or were reset by `Mode::Reset`.
    pub gone: u64,
    /// Requests between their head and their end, at this instant.
    pub in_flight: u64,
    /// The most of them at a time so far.
    pub in_flight_peak: u64,
    /// Slots held, at this instant.
    pub running: usize,
    /// The most of them at a time so far.
    pub running_peak: usize,
    /// Requests in line for a slot, at this instant.
    pub waiting: usize,
    /// Slots there are, at this instant.
    pub slots: usize,
}

impl Sim {
    /// Makes a simulator. Nothing is served until one of the `serve` methods runs.
    ///
    /// # Errors
    ///
    /// [`SimError::Setting`] for a setting out of its bounds, [`SimError::Log`] when the request
    /// log cannot be opened.
    pub fn new(settings: SimSettings) -> Result<Self, SimError> {
        settings.check()?;
        let inner = Inner {
            queue: Queue::new(settings.slots, settings.queue),
            modes: Modes::new(),
            faults: Faults::new(settings.faults),
            tally: Tally::default(),
            log: Log::open(&settings.log)?,
            settings,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Serves HTTP/1.1 on the listener until `shutdown`, then gives what is in flight a second.
    /// Several listeners may be served at a time; they share slots, mode and counters.
    ///
    /// # Errors
    ///
    /// The listener has no address, or could not be opened again after [`Mode::Refuse`]. A failed
    /// accept is not an error: it is tried again.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        server::serve_tcp(&self.inner, listener, shutdown).await
    }

    /// As [`Sim::serve`] on a Unix socket, except that a connection that should be refused or reset
    /// is closed.
    pub async fn serve_unix(&self, listener: UnixListener, shutdown: CancellationToken) {
        server::serve_unix(&self.inner, listener, shutdown).await;
    }

    /// Changes the number of slots. Requests that run go on; those in line get new slots at once.
    ///
    /// # Errors
    ///
    /// [`SimError::Setting`] for 0 and for more than
    /// [`PLACES_MAX`](crate::settings::PLACES_MAX).
    pub fn set_slots(&self, slots: usize) -> Result<(), SimError> {
        self.inner.set_slots(slots)
    }

    /// Sets the mode until it is set again.
    pub fn set_mode(&self, mode: Mode) {
        self.inner.modes.set(mode, None);
    }

    /// Sets the mode for a time, after which it is [`Mode::Normal`].
    pub fn set_mode_for(&self, mode: Mode, time: Duration) {
        self.inner.modes.set(mode, Some(time));
    }

    /// The mode in force.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner.modes.now()
    }

    /// The counters at this instant.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// The request log so far, in the order of the requests' ends; empty unless it is
    /// [`LogTo::Memory`](crate::log::LogTo::Memory).
    #[must_use]
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.inner.log.lines()
    }
}

impl Inner {
    pub(crate) fn set_slots(&self, slots: usize) -> Result<(), SimError> {
        check_places("slots", slots, 1)?;
        self.queue.set_slots(slots);
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let load = self.queue.load();
        let tally = &self.tally;
        Stats {
            received: tally.received.load(Relaxed),
            answered: tally.answered.load(Relaxed),
            refused: tally.refused.load(Relaxed),
            rejected: tally.rejected.load(Relaxed),
            failed: tally.failed.load(Relaxed),
            gone: tally.gone.load(Relaxed),
            in_flight: tally.in_flight.load(Relaxed),
            in_flight_peak: tally.in_flight_peak.load(Relaxed),
            running: load.running,
            running_peak: load.running_peak,
            waiting: load.waiting,
            slots: load.slots,
        }
    }
}
