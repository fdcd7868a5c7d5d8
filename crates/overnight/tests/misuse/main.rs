//! Clients that misbehave, on the real binary and real sockets: whatever they do, others are served,
//! nothing stays behind, and nothing outside of the data folder can be reached.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "real processes are watched in real time; there is no clock to pause"
)]

#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../acceptance/common.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod heads;
mod races;
mod slow;
mod wire;
