//! The hold on the blobs of an installation: as long as it lasts, no process deletes any.
//!
//! Whoever copies blobs asks for it, and again whenever it is time; one that dies has asked for no
//! more than a minute. A hold that lapsed once has lapsed: what was deleted then would look like damage.

mod beside;
mod server;

use std::time::Duration;

use overnight_core::time::Timestamp;

pub(crate) use self::beside::{BesideHold, LOOK_INTERVAL};
pub(crate) use self::server::ServerHold;
use crate::rules::HOLD_MAX;
use crate::store::Result;

/// A hold is asked for again after this much of its time.
const RENEWAL: Duration = Duration::from_secs(15);

/// A hold on the blobs that a database names.
#[derive(Debug)]
pub(crate) enum Hold {
    /// In a file that another process may be working on.
    Beside(BesideHold),
    /// On a server.
    Server(ServerHold),
}

impl Hold {
    /// Whether it has lasted so far.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError::Unavailable`] when it had to be asked for again, and that failed.
    pub(crate) fn has_lasted(&self) -> Result<bool> {
        match self {
            Self::Beside(hold) => hold.has_lasted(),
            Self::Server(hold) => Ok(hold.has_lasted()),
        }
    }

    /// Ends it now; what fails then ends by itself.
    pub(crate) async fn end(self) {
        match self {
            Self::Beside(hold) => drop(hold),
            Self::Server(hold) => hold.end().await,
        }
    }
}

/// When a hold was asked for, and whether that was ever too late.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Timestamp,
    has_lapsed: bool,
}

impl Asked {
    const fn new(at: Timestamp) -> Self {
        Self {
            at,
            has_lapsed: false,
        }
    }

    /// It was asked for again at a time, and that was answered by now. The answer counts: the question
    /// may have waited long for its turn.
    fn again(&mut self, at: Timestamp, now: Timestamp) {
        self.has_lapsed |= self.is_over(now);
        self.at = at;
    }

    fn is_due(&self, now: Timestamp) -> bool {
        apart(now, self.at) >= RENEWAL
    }

    fn is_over(&self, now: Timestamp) -> bool {
        apart(now, self.at) >= HOLD_MAX
    }
}

/// A clock that was set back counts as time, too.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
