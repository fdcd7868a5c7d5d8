//! What a connection is doing, and until when it may go on like that.
//!
//! ```text
//! waiting ──(first byte)──► head ──(request)──► asked ──(answer)──► answering
//!    ▲                                                                  │
//!    └──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The library knows a time for heads alone, and none for who connects and says nothing: whoever
//! waits, sends a head byte by byte, or reads no answer would keep a place for ever.
//! (A body that does not come is the business of whoever reads it, who can say so to the client.)

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::idle::{Idle, Seat};

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a request, or from the beginning of the connection, to the end of the head.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// Until it has taken the next piece of an answer.
    pub(crate) read: Duration,
}

impl Patience {
    /// Nothing that a connection does ends sooner than this after it began.
    fn least(&self) -> Duration {
        self.head.min(self.idle).min(self.read)
    }
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It brought no whole head in time.
    Head,
    /// It brought no further request in time.
    Idle,
    /// Its client did not take an answer in time.
    Unread,
    /// Its place was needed for another.
    Displaced,
}

impl Overdue {
    /// The rest of a sentence that begins with "the client".
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "did not send the head of a request within `timeouts.client_head`",
            Self::Idle => "sent no further request within `timeouts.client_idle`",
            Self::Unread => "took no more of an answer within `timeouts.client_read`",
            Self::Displaced => "asked for nothing, and its place was needed for another",
        }
    }
}

/// One connection, as its stream, its requests and its answers tell of it.
#[derive(Debug)]
pub(super) struct Pulse {
    seat: Seat,
    doing: Mutex<Doing>,
    /// Cancelled when the place is given to another.
    displaced: CancellationToken,
    /// Where this is whenever it could give way.
    idle: Arc<Idle>,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is so or not, whatever the others are"
)]
struct Doing {
    /// Requests whose head has come and whose answer has not ended.
    requests: u32,
    /// Those of them whose answer has begun.
    answers: u32,
    /// Whether any request ever came.
    asked: bool,
    /// When the last answer was with the system, or the connection began.
    waits_since: Instant,
    /// When the first byte behind the last request came.
    head_since: Option<Instant>,
    /// When the client last took something.
    taken_at: Instant,
    /// Whether bytes are on their way to the system, which takes them as the client does.
    is_sending: bool,
    /// Whether a request ended while its answer was on its way.
    is_owing: bool,
    /// Whether it has its place no more.
    is_gone: bool,
    /// Where it is in the order of those who give way.
    listed: Option<Instant>,
}

impl Doing {
    /// When this is enough, and of what; `None` while it is not the client that is waited for.
    fn end(&self, patience: &Patience) -> Option<(Instant, Overdue)> {
        if self.is_sending || self.answers > 0 {
            return Some((self.taken_at + patience.read, Overdue::Unread));
        }
        if self.requests > 0 {
            return None;
        }
        Some(match self.head_since {
            Some(since) => (since + patience.head, Overdue::Head),
            None if self.asked => (self.waits_since + patience.idle, Overdue::Idle),
            None => (self.waits_since + patience.head, Overdue::Head),
        })
    }

    /// Since when it has had no request; `None` while it has one, or an answer on its way.
    fn unasked_since(&self) -> Option<Instant> {
        (self.requests == 0 && !self.is_sending).then_some(self.waits_since)
    }
}

impl Pulse {
    /// A connection that begins.
    pub(super) fn new(seat: Seat, idle: Arc<Idle>) -> Arc<Self> {
        let now = Instant::now();
        let pulse = Self {
            seat,
            doing: Mutex::new(Doing {
                requests: 0,
                answers: 0,
                asked: false,
                waits_since: now,
                head_since: None,
                taken_at: now,
                is_sending: false,
                is_owing: false,
                is_gone: false,
                listed: None,
            }),
            displaced: CancellationToken::new(),
            idle,
        };
        pulse.list(&mut pulse.doing());
        Arc::new(pulse)
    }

    /// Waits until the client has tried somebody's patience, or its place is needed.
    pub(super) async fn overdue(&self, patience: &Patience) -> Overdue {
        tokio::select! {
            overdue = self.out_of_patience(patience) => overdue,
            () = self.displaced.cancelled() => Overdue::Displaced,
        }
    }

    /// Waits until the client has tried somebody's patience, with or without a place.
    pub(super) async fn out_of_patience(&self, patience: &Patience) -> Overdue {
        loop {
            let now = Instant::now();
            let end = self.doing().end(patience);
            let look_at = match end {
                Some((at, overdue)) if at <= now => return overdue,
                // What is done may change, but what it changes to lasts at least this long.
                Some((at, _)) => at.min(now + patience.least()),
                None => now + patience.least(),
            };
            tokio::time::sleep_until(look_at).await;
        }
    }

    /// Whether it has no request, and no answer on its way.
    pub(super) fn is_unasked(&self) -> bool {
        self.doing().unasked_since().is_some()
    }

    /// Its place is given to another.
    pub(super) fn displace(&self) {
        self.leave();
        self.displaced.cancel();
    }

    /// It has its place no more, and none that it could give.
    pub(super) fn leave(&self) {
        let mut doing = self.doing();
        doing.is_gone = true;
        self.list(&mut doing);
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        let mut doing = self.doing();
        if doing.requests == 0 && doing.head_since.is_none() {
            doing.head_since = Some(Instant::now());
        }
    }

    /// Bytes are on their way: the system took some, or takes none now.
    pub(super) fn sent(&self, is_blocked: bool) {
        let mut doing = self.doing();
        if !is_blocked {
            doing.taken_at = Instant::now();
        }
        doing.is_sending = true;
        self.list(&mut doing);
    }

    /// The system has all bytes that were on their way.
    pub(super) fn flushed(&self) {
        let mut doing = self.doing();
        doing.is_sending = false;
        if std::mem::take(&mut doing.is_owing) {
            doing.waits_since = Instant::now();
        }
        self.list(&mut doing);
    }

    /// A request's head has come.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        let mut doing = self.doing();
        doing.requests += 1;
        doing.asked = true;
        doing.head_since = None;
        self.list(&mut doing);
        Asked {
            pulse: Arc::clone(self),
            is_answering: false,
        }
    }

    /// Enters the order of those who could give way, or leaves it, after any change.
    fn list(&self, doing: &mut Doing) {
        let since = doing.unasked_since().filter(|_| !doing.is_gone);
        if since != doing.listed {
            self.idle.moved(self.seat, doing.listed, since);
            doing.listed = since;
        }
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, from its head to the end of its answer, which is when this is dropped.
#[derive(Debug)]
pub(super) struct Asked {
    pulse: Arc<Pulse>,
    is_answering: bool,
}

impl Asked {
    /// Its answer begins, or the client took a piece of it.
    pub(super) fn answering(&mut self) {
        let mut doing = self.pulse.doing();
        doing.taken_at = Instant::now();
        if !self.is_answering {
            self.is_answering = true;
            doing.answers += 1;
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut doing = self.pulse.doing();
        doing.requests -= 1;
        doing.answers -= u32::from(self.is_answering);
        if doing.requests == 0 {
            doing.waits_since = Instant::now();
            doing.is_owing = doing.is_sending;
            self.pulse.list(&mut doing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn begun(idle: &Arc<Idle>) -> Arc<Pulse> {
        let seat = Seat {
            number: 7,
            client: Ipv4Addr::LOCALHOST.into(),
        };
        Pulse::new(seat, Arc::clone(idle))
    }

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(30),
        idle: Duration::from_mins(1),
        read: Duration::from_mins(5),
    };

    /// Checks after how long, and why, the connection is ended when nothing more happens.
    async fn check(pulse: &Pulse, seconds: u64, overdue: Overdue) {
        let began = Instant::now();
        assert_eq!(pulse.overdue(&PATIENCE).await, overdue);
        assert_eq!(began.elapsed().as_secs(), seconds, "{overdue:?}");
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_and_who_says_too_little_have_the_time_of_a_head() {
        let idle = Idle::new();
        check(&begun(&idle), 30, Overdue::Head).await;
        let pulse = begun(&idle);
        after(20).await;
        for _ in 0..5 {
            pulse.received();
            after(5).await;
        }
        check(&pulse, 5, Overdue::Head).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_before_has_the_time_between_requests() {
        let pulse = begun(&Idle::new());
        pulse.received();
        let asked = pulse.ask();
        assert!(!pulse.is_unasked());
        after(1000).await;
        drop(asked);
        assert!(pulse.is_unasked());
        check(&pulse, 60, Overdue::Idle).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_worked_on_is_not_the_clients_fault() {
        let pulse = begun(&Idle::new());
        let _asked = pulse.ask();
        let day = Duration::from_hours(24);
        assert!(
            tokio::time::timeout(day, pulse.overdue(&PATIENCE))
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_even_when_all_of_it_is_buffered() {
        let pulse = begun(&Idle::new());
        let mut asked = pulse.ask();
        for _ in 0..3 {
            asked.answering();
            after(200).await;
        }
        check(&pulse, 100, Overdue::Unread).await;
        asked.answering();
        pulse.sent(false);
        pulse.sent(true);
        drop(asked);
        assert!(!pulse.is_unasked(), "its answer is under way");
        check(&pulse, 300, Overdue::Unread).await;
        pulse.sent(false);
        assert!(!pulse.is_unasked(), "more of it may be under way");
        pulse.flushed();
        check(&pulse, 60, Overdue::Idle).await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_could_give_way_is_found_and_nobody_else() {
        let idle = Idle::new();
        let pulse = begun(&idle);
        assert_eq!(idle.longest(None), Some(7));
        let asked = [pulse.ask(), pulse.ask()];
        assert_eq!(idle.longest(None), None);
        pulse.sent(false);
        drop(asked);
        assert_eq!(idle.longest(None), None);
        pulse.flushed();
        assert_eq!(idle.longest(None), Some(7));
        let asked = pulse.ask();
        pulse.leave();
        drop(asked);
        assert_eq!(idle.longest(None), None, "it has no place any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_displaced_connection_ends_at_once() {
        let pulse = begun(&Idle::new());
        pulse.displace();
        check(&pulse, 0, Overdue::Displaced).await;
    }
}
