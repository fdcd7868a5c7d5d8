//! Overnight: a batch API for the models you run yourself, in one binary.
//!
//! ```text
//! args ──► config ──► commands: serve | run | sim | check | submit | watch | ...
//!                        ├──► wiring: clock, entropy, data folder, upstreams, engine, HTTP
//!                        ├──► client: a server that is asked
//!                        ├──► lines: files of lines on this machine
//!                        └──► show: tables, JSON, live views
//! ```
//!
//! Here, and nowhere else, the system's clock, entropy, environment and signals are read.

mod args;
mod client;
mod commands;
mod config;
mod failure;
mod lines;
mod show;
mod wiring;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(usage) => return failure::usage(&usage),
    };
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    commands::start(args.command, environment).unwrap_or_else(|error| failure::tell(&error))
}
