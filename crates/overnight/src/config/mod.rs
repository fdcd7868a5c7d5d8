//! What can be set, where it is set, and what is said when it is set wrongly.
//!
//! ```text
//! flags > OVERNIGHT_* variables > TOML file > defaults ──► load ──► check ──► Settings
//!                                                           └─ errors: key, file and line
//! ```
//!
//! Read [`settings`] for what there is. Every setting says its meaning and its default in one place, from
//! which the structs, the reference in `docs/configuration.md`, `overnight config show` and `config init` follow.

pub(crate) mod bucket;
pub(crate) mod check;
pub(crate) mod draft;
pub(crate) mod errors;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod origin;
pub(crate) mod postgres;
pub(crate) mod role;
pub(crate) mod setting;
pub(crate) mod settings;
pub(crate) mod show;
pub(crate) mod sim;
pub(crate) mod traces;
pub(crate) mod units;
pub(crate) mod upstreams;
