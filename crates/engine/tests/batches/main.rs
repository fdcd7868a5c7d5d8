//! Whole batches through the real engine, the real SQLite driver and blobs in memory, with a scripted
//! upstream and paused time: an hour of outage takes milliseconds, and every run is the same.

#![cfg(test)]

mod bad;
mod blame;
mod damage;
mod endings;
mod ground;
mod house;
mod inputs;
mod merging;
mod past;
mod pauses;
mod storms;
mod suspects;
mod told;
mod traces;
mod upstreams;
