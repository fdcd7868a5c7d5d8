//! Files of lines on this machine: read in flat memory, written whole or not at all.
//!
//! ```text
//! source ──► lines ──► what a command makes of them ──► output (a file, or stdout)
//!              └─ ids: who a line is ──► found (where its result lies)
//! ```
//!
//! What the commands that need no server share. Lines are split as the server splits them.

pub(crate) mod endpoint;
pub(crate) mod found;
pub(crate) mod ids;
pub(crate) mod output;
pub(crate) mod parquet;
pub(crate) mod source;

/// The key that names a line, in input and in results.
pub(crate) const ID_KEY: &str = "custom_id";
