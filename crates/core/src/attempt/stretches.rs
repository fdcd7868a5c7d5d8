//! Stretches of time at an upstream, and what was answered well in each.

use std::collections::VecDeque;

use super::standing::Sent;

/// How many finished stretches are remembered.
const KEPT: usize = 64;

/// What is remembered of a stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    /// The latest send that was answered well in it.
    pub(super) good: Option<Sent>,
    /// Whether a probe confirmed that the upstream was not well.
    pub(super) is_outage: bool,
    /// Whether the upstream was not there at all.
    pub(super) is_gone: bool,
}

/// One stretch after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretches {
    number: u64,
    present: Stretch,
    /// Those before it, the newest first.
    past: VecDeque<Stretch>,
}

impl Stretches {
    /// The number of the present one.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn present(&self) -> &Stretch {
        &self.present
    }

    pub(super) const fn present_mut(&mut self) -> &mut Stretch {
        &mut self.present
    }

    /// Another one begins.
    pub(super) fn begin(&mut self, next: Stretch) {
        let ended = std::mem::replace(&mut self.present, next);
        self.past.push_front(ended);
        self.past.truncate(KEPT);
        self.number += 1;
    }

    /// A request was answered well.
    pub(super) fn answered(&mut self, sent: Sent) {
        self.present.good = self.present.good.max(Some(sent));
    }

    /// The stretch of that number and the one behind it; `None` of one that is not remembered any more.
    pub(super) fn get(&self, number: u64) -> Option<(Stretch, Option<Stretch>)> {
        let age = usize::try_from(self.number.checked_sub(number)?).ok()?;
        let aged = |age: usize| match age {
            0 => Some(self.present),
            _ => self.past.get(age - 1).copied(),
        };
        let next = age.checked_sub(1).and_then(aged);
        Some((aged(age)?, next))
    }
}
