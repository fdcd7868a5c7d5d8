//! Until when a run may send.
//!
//! Where several workers share a store, a claim is good for a time, by the clock of the database. A worker
//! cannot read that clock when it is cut off, and does not run while it is stopped; so it counts by
//! its own clock that never jumps, from before it asked, and its count ends sooner than the
//! database's:
//!
//! ```text
//! asked ───► the database counts from here ── ... ──► over there, somebody else may claim the batch
//!   └── counted from here ── ... ──► sends no more ──► over here: flights are dropped
//!                                         └─ margin ─┘
//! ```
//!
//! Each line asks for its leave last, so a process that wakes up after a long stop sends nothing before
//! it has looked. What it records is refused by the epoch, whatever its clock says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overnight_store::StoreError;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::planted::{Plant, is_planted};

/// This part of a lease is left for a request's way to its upstream: nothing is sent in it.
const MARGIN: u32 = 10;

/// An answer of the database that takes longer than this part of a lease is not waited for: there must
/// be time to ask again.
const PATIENCE: u32 = 2;

/// The time of leases, as this worker counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseClock {
    /// For how long a lease is good; `None` when it is for as long as the process lives.
    time: Option<Duration>,
}

impl LeaseClock {
    pub(crate) const fn new(time: Option<Duration>) -> Self {
        Self { time }
    }

    /// Whether leases end.
    pub(crate) const fn runs(self) -> bool {
        self.time.is_some()
    }

    /// Leave to send for a batch whose claim was asked for then.
    pub(crate) fn leave(self, asked: Instant) -> Leave {
        Leave(self.time.map(|time| Arc::new(Term::new(asked, time))))
    }

    /// Asks the store something on which leases depend; what comes too late is taken as no answer.
    ///
    /// # Errors
    ///
    /// What the store answers, or [`StoreError::Unavailable`].
    pub(crate) async fn in_time<T>(
        self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(time) = self.time else {
            return asked.await;
        };
        let answer = tokio::time::timeout(time / PATIENCE, asked).await;
        answer.unwrap_or_else(|late| Err(StoreError::Unavailable(Box::new(late))))
    }
}

/// Leave to send, which ends with a lease. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Leave(Option<Arc<Term>>);

impl Leave {
    /// Waits until there is leave: not at all most of the time, and for ever once the lease is lost.
    /// Whoever waits is dropped with the run then.
    pub async fn given(&self) {
        let Some(term) = &self.0 else { return };
        while !term.lets_send() {
            let renewed = term.renewed.notified();
            if !term.lets_send() {
                renewed.await;
            }
        }
    }

    /// Whether it ever ends.
    pub(crate) const fn ends(&self) -> bool {
        self.0.is_some()
    }

    /// The lease was renewed by a call that began then.
    pub(crate) fn renew(&self, asked: Instant) {
        if let Some(term) = &self.0 {
            term.renew(asked);
        }
    }

    /// Waits until the lease is over; for ever when it has no end.
    pub(crate) async fn over(&self) {
        let Some(term) = &self.0 else {
            return std::future::pending().await;
        };
        loop {
            let end = term.end();
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

/// A lease by this worker's clock.
#[derive(Debug)]
struct Term {
    /// When it began.
    began: Instant,
    time: Duration,
    /// How long behind that the last renewal was asked for, in microseconds.
    renewed_at: AtomicU64,
    /// Notified at each renewal.
    renewed: Notify,
}

impl Term {
    fn new(began: Instant, time: Duration) -> Self {
        Self {
            began,
            time,
            renewed_at: AtomicU64::new(0),
            renewed: Notify::new(),
        }
    }

    fn end(&self) -> Instant {
        self.last_asked() + self.time
    }

    fn lets_send(&self) -> bool {
        let until = self.last_asked() + self.time * (MARGIN - 1) / MARGIN;
        Instant::now() < until || is_planted(Plant::SendsWithoutLeave)
    }

    fn last_asked(&self) -> Instant {
        self.began + Duration::from_micros(self.renewed_at.load(Ordering::Acquire))
    }

    fn renew(&self, asked: Instant) {
        let since = asked.saturating_duration_since(self.began).as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.renewed_at.fetch_max(since, Ordering::Release);
        self.renewed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;

    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn leave_ends_before_the_lease_and_comes_back_with_a_renewal() {
        let leave = LeaseClock::new(Some(LEASE)).leave(Instant::now());
        tokio::time::advance(Duration::from_millis(4_499)).await;
        leave.given().await;
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        let mut waiting = pin!(leave.given());
        assert!(poll!(&mut waiting).is_pending());
        leave.renew(asked);
        waiting.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_from_before_it_was_asked_for() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let leave = LeaseClock::new(Some(LEASE)).leave(asked);
        leave.over().await;
        assert_eq!(asked.elapsed(), LEASE);
        // An older answer that comes late takes nothing back.
        let newer = Instant::now();
        leave.renew(newer);
        leave.renew(asked);
        leave.over().await;
        assert_eq!(newer.elapsed(), LEASE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_always_gives_leave() {
        let leave = LeaseClock::new(None).leave(Instant::now());
        tokio::time::advance(Duration::from_hours(1000)).await;
        leave.given().await;
        assert!(poll!(pin!(leave.over())).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_too_late_for_the_lease_is_none() {
        let never = std::future::pending::<Result<(), StoreError>>();
        let asked = Instant::now();
        let answer = LeaseClock::new(Some(LEASE)).in_time(never).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))));
        assert_eq!(asked.elapsed(), LEASE / 2);
    }
}
