//! Upstreams that do what no server should: the real binary against real sockets, with one upstream
//! of its own, one model of its own and two batches of its own for each misbehaviour.
//!
//! ```text
//! one line      ──► it ends as the row says, and no other line of its batch notices
//! every line    ──► none fails: the batch says which upstream it waits for and why, until that is mended
//! ```
//!
//! All of it runs at once in one server, so each row shows as well that the others do not suffer.

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

mod answers;
mod names;
mod rows;
mod stage;
mod tls;
