//! The log: lines on stderr, as text or JSON. Bodies and keys never get here: no room logs them.

use std::io::{self, IsTerminal as _};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::settings::{LogFormat, LogSection};

/// Where log lines go.
#[derive(Clone)]
pub(crate) enum To {
    /// To stderr.
    Stderr,
    /// To stderr, above a progress bar that stands at its end.
    Above(MultiProgress),
}

/// Starts the log of this process, and logs panics from here on. A second call changes nothing.
pub(crate) fn start(settings: &LogSection, to: To) {
    // The level was checked with the settings.
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(to);
    // Colours would be rubbish in a file; on a terminal, `NO_COLOR` is heeded.
    let lines = if io::stderr().is_terminal() {
        lines
    } else {
        lines.with_ansi(false)
    };
    // Only a log that was started before could stand in the way, and then that one goes on.
    let _ = match settings.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(
            panic.place = place,
            panic.message = message,
            "a panic: this is a bug"
        );
    }));
}

/// One log line on its way to stderr.
pub(crate) struct Line(To);

impl<'a> MakeWriter<'a> for To {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.clone())
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            To::Stderr => io::stderr().write_all(bytes)?,
            To::Above(bars) => bars.suspend(|| io::stderr().write_all(bytes))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
