//! The request log: one line for each request that was received, for tests that must prove what an
//! upstream saw.
//!
//! A line is written when its request ends, in whichever way, also when its client went away; with
//! a file, the bytes are handed to the operating system before the answer is, so they survive the
//! end of the process.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::faults::Fault;
use crate::settings::SimError;

/// Lines kept by [`LogTo::Memory`]; later ones are counted by the statistics only.
pub const MEMORY_LINES_MAX: usize = 1_000_000;

/// Where the request log goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTo {
    /// Nowhere: nothing is kept, and no clock is read.
    #[default]
    Off,
    /// Kept in the process, up to [`MEMORY_LINES_MAX`] lines; read by
    /// [`Sim::log_lines`](crate::sim::Sim::log_lines).
    Memory,
    /// Appended to this file, a JSON object a line.
    File(PathBuf),
}

/// One request that was received at an inference path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number, from 0, in the order of arrival.
    pub seq: u64,
    /// Milliseconds from the making of the simulator to its arrival.
    pub at_ms: u64,
    /// Milliseconds from its arrival to its end.
    pub took_ms: u64,
    /// The path that it was sent to.
    pub path: String,
    /// The model that it named, if its body could be read that far.
    pub model: Option<String>,
    /// XXH3 of the body's bytes, 64 bits, seeded with the simulator's seed, as 16 hex digits.
    pub hash: String,
    /// The body's `user`, if it is a text.
    pub user: Option<String>,
    /// The body's `metadata.line`, if it is a text or a number.
    pub line: Option<String>,
    /// The body's length.
    pub bytes: usize,
    /// The status that was answered; 0 when the client went before there was one.
    pub status: u16,
    /// The fault that its attempt drew, if any.
    pub fault: Option<Fault>,
}

/// An open request log.
#[derive(Debug)]
pub(crate) struct Log {
    to: Target,
    started: Instant,
}

#[derive(Debug)]
enum Target {
    Off,
    Memory(Mutex<Vec<LogLine>>),
    File(Mutex<File>),
}

impl Log {
    /// Opens the log, creating its file if there is none.
    ///
    /// # Errors
    ///
    /// [`SimError::Log`] when the file cannot be opened for appending.
    pub(crate) fn open(to: &LogTo) -> Result<Self, SimError> {
        let to = match to {
            LogTo::Off => Target::Off,
            LogTo::Memory => Target::Memory(Mutex::default()),
            LogTo::File(path) => {
                let opened = OpenOptions::new().create(true).append(true).open(path);
                Target::File(Mutex::new(opened.map_err(|source| SimError::Log {
                    path: path.clone(),
                    source,
                })?))
            }
        };
        Ok(Self {
            to,
            started: Instant::now(),
        })
    }

    /// The instant of an arrival, or `None` when nothing is logged.
    pub(crate) fn arrival(&self) -> Option<Arrival> {
        match self.to {
            Target::Off => None,
            Target::Memory(_) | Target::File(_) => Some(Arrival(Instant::now())),
        }
    }

    /// Milliseconds from the making of the simulator to an arrival, and from there to this call.
    pub(crate) fn times_ms(&self, arrival: Arrival) -> (u64, u64) {
        let whole = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (
            whole(arrival.0.duration_since(self.started)),
            whole(arrival.0.elapsed()),
        )
    }

    pub(crate) fn write(&self, line: LogLine) {
        match &self.to {
            Target::Off => {}
            Target::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() < MEMORY_LINES_MAX {
                    lines.push(line);
                }
            }
            Target::File(file) => append(file, &line),
        }
    }

    /// The lines so far, when they are kept in memory.
    pub(crate) fn lines(&self) -> Vec<LogLine> {
        match &self.to {
            Target::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Target::Off | Target::File(_) => Vec::new(),
        }
    }
}

/// When a request arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival(Instant);

fn append(file: &Mutex<File>, line: &LogLine) {
    let written = serde_json::to_vec(line)
        .map_err(std::io::Error::from)
        .and_then(|mut bytes| {
            bytes.push(b'\n');
            file.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_all(&bytes)
        });
    if let Err(error) = written {
        tracing::error!(error = %error, "a line of the request log was lost");
    }
}
