//! The rules of the house that no compiler holds: which room may import what, how long a file is,
//! which words are used, and that the documents say what the code does.
//!
//! Each test is one rule. What fails names the rule, the place and what is wrong there; where a rule
//! has a table (`rooms`, `words`), the table says why, and is the one place to change it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests throughout: what cannot be read fails them"
)]

mod code;
mod documents;
mod findings;
mod licences;
mod manifests;
mod rooms;
mod rust;
mod tree;
mod truth;
mod words;
