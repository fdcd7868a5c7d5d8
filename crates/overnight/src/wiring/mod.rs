//! The parts put together: what the process takes from the system, and what it gives to the rooms.

pub(crate) mod api;
pub(crate) mod descriptors;
pub(crate) mod engine;
pub(crate) mod listen;
pub(crate) mod logs;
pub(crate) mod metadata;
pub(crate) mod signals;
pub(crate) mod system;
pub(crate) mod traces;
pub(crate) mod upstreams;
