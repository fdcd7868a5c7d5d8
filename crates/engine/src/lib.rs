//! What moves a batch from its input file to its results.
//!
//! ```text
//! dispatcher ──claims──► run ──► validate ──► feed ──► lanes ──► send ──► record ──► seal
//! ```
//!
//! A line goes through these rooms in one direction, and no room calls back into an earlier one. Read
//! [`engine`] for what it is made of, `run` for the life of one batch, and `lanes` for which line
//! goes next and where.
//!
//! The engine never meets the HTTP surface: both work on the store, and a wake-up is a hint.

mod counts;
mod damage;
mod dispatcher;
pub mod engine;
mod feed;
pub mod halt;
mod input;
mod lanes;
pub mod lease;
mod line;
mod load;
mod merge;
pub mod metrics;
mod persist;
pub mod planted;
mod progress;
mod reach;
mod record;
mod renewals;
mod run;
mod seal;
mod send;
pub mod settings;
mod shared;
mod sweep;
pub mod trace;
pub mod upstream;
mod validate;
mod watch;

pub use engine::{Engine, EngineError, EngineParts, LiveBatch, ResultTarget, UpstreamPart};
pub use metrics::EngineMetrics;
pub use settings::{EngineSettings, Space, UpstreamLimits};
