//! The rules of Overnight: what a batch is, when its status may change, what a line must look like,
//! whose fault a failure is, and how a result line reads.
//!
//! Nothing here does IO, waits, reads a clock or draws a random number: time and entropy are
//! arguments, so every rule can be tested by calling a function.
//!
//! Start with [`batch`]: [`batch::State::apply`] is the only way a status changes. A line's way
//! through the rules is [`input`] (what it must look like), [`plan`] (where it lies), [`attempt`]
//! (what an attempt means), [`outcome`] (its result line), [`failure`] (why it failed). [`share`] and
//! [`limit`] decide which line goes next, and how many may be in flight.

pub mod attempt;
pub mod batch;
pub mod endpoint;
pub mod failure;
pub mod file;
pub mod id;
pub mod input;
mod json;
pub mod limit;
pub mod metadata;
pub mod outcome;
pub mod plan;
pub mod segment;
pub mod share;
pub mod time;
pub mod upload;
pub mod usage;
