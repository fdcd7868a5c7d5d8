//! The one time at which the lanes must be looked at again though nothing happens until then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::planted::{Plant, is_planted};

/// What the timer was told, and how it is told of something sooner.
#[derive(Default)]
pub(super) struct Alarm {
    /// When the timer comes next; `None` while it sleeps.
    at: Option<Duration>,
    /// Notified when something is due earlier than it was.
    pub(super) sooner: Arc<Notify>,
}

impl Alarm {
    /// The timer looked, and comes again at that time.
    pub(super) fn set(&mut self, at: Option<Duration>) {
        self.at = at;
    }

    /// Something is due at that time: tells the timer, unless it comes by then anyway.
    pub(super) fn ring_by(&mut self, due: Duration) {
        if self.at.is_none_or(|at| due < at) {
            self.at = Some(due);
            if !is_planted(Plant::LostWakeUp) {
                self.sooner.notify_one();
            }
        }
    }
}
