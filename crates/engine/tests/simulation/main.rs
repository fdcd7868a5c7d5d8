//! The real engine and the real SQLite driver in a world that a seed makes up: a scripted upstream,
//! paused time, one thread, and faults at every seam. The same seed tells the same story.
//!
//! ```text
//! story (what a seed decides) ──► lives (engine, clients, faults, death) ──► a last, quiet life ──► checks
//! ```

#![cfg(test)]

mod asked;
mod check;
mod crash;
#[path = "../batches/ground.rs"]
mod ground;
mod life;
mod planted;
mod rng;
mod run;
mod seams;
mod seeds;
mod story;
mod upstream;
mod workers;
mod world;
