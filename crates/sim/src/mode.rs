//! Outages on demand: how the whole server behaves, switched while it runs.
//!
//! A mode speaks for the server, a fault (see [`crate::faults`]) for one attempt. A mode may be set
//! for a time, after which it is [`Mode::Normal`] again; whoever waits for that works it out from
//! the stored instant, so no task stands by to switch it back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How the whole server behaves. Every mode but `Normal` is an outage: it holds for all paths
/// except `/sim/...`, and never for requests that were in flight before it, except `Reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mode {
    /// Answers.
    #[default]
    Normal,
    /// Does not listen: new connections are refused, idle ones closed. The port stays taken.
    Refuse,
    /// Resets every connection that is open, and each new one once it is accepted.
    Reset,
    /// Answers every request with this status, from 400 to 599, and an error object.
    Status(u16),
    /// Reads requests and answers none; those that still wait are answered when the mode ends.
    Stall,
    /// Answers every request with status 200 and an HTML page, like a proxy's login.
    Html,
}

/// Why a text names no [`Mode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no mode; known are normal, refuse, reset, stall, html and status:400 to status:599"
)]
pub struct UnknownMode(String);

/// The mode in force, and a way to wait for it to end.
#[derive(Debug)]
pub(crate) struct Modes {
    setting: watch::Sender<Setting>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Setting {
    mode: Mode,
    until: Option<Instant>,
}

impl Modes {
    pub(crate) fn new() -> Self {
        Self {
            setting: watch::Sender::new(Setting::default()),
        }
    }

    /// Sets the mode, for good or for a time.
    pub(crate) fn set(&self, mode: Mode, lasting: Option<Duration>) {
        let until = lasting.and_then(|time| Instant::now().checked_add(time));
        self.setting.send_replace(Setting { mode, until });
    }

    pub(crate) fn now(&self) -> Mode {
        self.setting.borrow().in_force()
    }

    /// Waits until another mode than this one is in force.
    pub(crate) async fn until_not(&self, mode: Mode) {
        let mut setting = self.setting.subscribe();
        loop {
            let current = *setting.borrow_and_update();
            if current.in_force() != mode {
                return;
            }
            // The sender lives as long as `self`, so a change is the only thing to come.
            match current.until {
                Some(until) => drop(timeout_at(until, setting.changed()).await),
                None => drop(setting.changed().await),
            }
        }
    }

    /// The mode that a request which arrives at this instant is answered in: waits out a stall.
    pub(crate) async fn for_request(&self) -> Mode {
        loop {
            match self.now() {
                Mode::Stall => self.until_not(Mode::Stall).await,
                mode @ (Mode::Normal
                | Mode::Refuse
                | Mode::Reset
                | Mode::Status(_)
                | Mode::Html) => {
                    return mode;
                }
            }
        }
    }

    /// Tells a connection of each change.
    pub(crate) fn watch(&self) -> ModeChanges {
        ModeChanges {
            setting: self.setting.subscribe(),
        }
    }
}

/// The changes of the mode after a connection was accepted.
#[derive(Debug)]
pub(crate) struct ModeChanges {
    setting: watch::Receiver<Setting>,
}

impl ModeChanges {
    /// Waits for the next change; forever, when the simulator is gone.
    pub(crate) async fn next(&mut self) -> Mode {
        if self.setting.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.setting.borrow_and_update().in_force()
    }
}

impl Setting {
    fn in_force(self) -> Mode {
        match self.until {
            Some(until) if until <= Instant::now() => Mode::Normal,
            _ => self.mode,
        }
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        let status = |digits: &str| digits.parse().ok().filter(|code| (400..600).contains(code));
        match text {
            "normal" => Ok(Self::Normal),
            "refuse" => Ok(Self::Refuse),
            "reset" => Ok(Self::Reset),
            "stall" => Ok(Self::Stall),
            "html" => Ok(Self::Html),
            other => (other
                .strip_prefix("status:")
                .and_then(status)
                .map(Self::Status))
            .ok_or_else(|| UnknownMode(other.to_owned())),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Refuse => f.write_str("refuse"),
            Self::Reset => f.write_str("reset"),
            Self::Status(code) => write!(f, "status:{code}"),
            Self::Stall => f.write_str("stall"),
            Self::Html => f.write_str("html"),
        }
    }
}

impl TryFrom<String> for Mode {
    type Error = UnknownMode;

    fn try_from(text: String) -> Result<Self, UnknownMode> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_they_are_written() {
        let modes = [
            Mode::Normal,
            Mode::Refuse,
            Mode::Reset,
            Mode::Status(401),
            Mode::Stall,
            Mode::Html,
        ];
        for mode in modes {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
    }

    #[test]
    fn other_words_and_statuses_that_are_no_errors_are_refused() {
        for text in [
            "",
            "Normal",
            "status",
            "status:",
            "status:200",
            "status:600",
            "status:-1",
        ] {
            assert_eq!(text.parse::<Mode>(), Err(UnknownMode(text.to_owned())));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mode_set_for_a_time_ends_by_itself() {
        let modes = Modes::new();
        modes.set(Mode::Stall, Some(Duration::from_secs(20)));
        let before = Instant::now();
        assert_eq!(modes.now(), Mode::Stall);
        assert_eq!(modes.for_request().await, Mode::Normal);
        assert_eq!(before.elapsed().as_secs(), 20);
        assert_eq!(modes.now(), Mode::Normal);
    }
}
