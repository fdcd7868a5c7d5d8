//! What the whole has to hold, shown on the real binary: kills, restarts, limits, lanes, turns,
//! outages, memory and latency.
//!
//! One module is one behaviour. Every test starts processes of its own on free ports and folders of
//! its own; nothing of the product is reached but its command line, its HTTP and its files.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "real processes are watched in real time; there is no clock to pause"
)]

#[path = "../support/mod.rs"]
mod support;

mod common;
mod notebook;
mod scene;
mod watch;

mod backup;
mod bucket;
mod cancel;
mod damage;
mod kill;
mod lanes;
mod latency;
mod limit;
mod machine;
mod memory;
mod migrate;
mod outage;
mod poison;
mod restart;
mod resume;
mod several;
mod stop;
mod traces;
mod turns;
mod uploads;
mod upstreams;
