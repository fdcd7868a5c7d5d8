//! A simulated inference server: what to batch against when there is no GPU, no engine, or no time.
//!
//! It behaves like an engine seen from outside: a number of slots, a queue behind them, time to the
//! first token and for each further one, token counts, 400s for bodies an engine would refuse, 429
//! when the queue is full, gauges under vLLM's names. It never pretends to be more than that: every
//! answer says that it is simulated. What it answers, and how long that takes, follows from the
//! seed and the body's bytes alone, never from the order of arrival.
//!
//! ```text
//! server (accept) -> connection (HTTP) -> respond (one request) -> queue (a slot) -> answers
//!      mode: outages, switched while it runs        faults: failures by rate, per attempt
//! ```
//!
//! Read [`settings`] first for what can be set, then [`sim`] for the handle, then `respond.rs` for
//! the life of one request. It stands apart: it knows nothing of batches.

mod answers;
mod ask;
mod body;
mod connection;
mod control;
mod draw;
mod meter;
mod metrics;
mod models;
mod queue;
mod reply;
mod respond;
mod routes;
mod server;
mod tally;
mod visit;
mod words;

pub mod faults;
pub mod log;
pub mod mode;
pub mod settings;
pub mod sim;
