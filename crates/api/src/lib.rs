//! The HTTP surface: OpenAI's Files, Uploads, Batches and Models, spoken so that their clients cannot tell,
//! and a few routes of our own for what a running batch is doing.
//!
//! Start with [`router()`]: every request passes the `surface` (tolerant paths, headers, the
//! rendering of errors, panics, one log line), then one route. `wire` holds the documented JSON,
//! `errors` the documented refusals, `description` all of it for programs, `auth` says whose
//! request it is. `files`, `uploads` and `batches` are thin: they check what a client may send,
//! call one verb of the store, and show what it answers.
//!
//! Nothing is kept between two requests, and nothing here runs a batch: the engine is told by a
//! hint that there is something new in the store, and finds it there by itself without one.
//! `dashboard` is the page for people; it asks the same routes as everybody else.

mod admin;
mod api;
mod auth;
mod batches;
mod content;
mod cors;
mod credential;
mod dashboard;
mod description;
mod drain;
mod errors;
mod events;
mod files;
mod gates;
mod health;
mod json;
mod keys;
mod lines;
mod loopback;
mod models;
mod once;
mod overview;
mod params;
mod path;
mod query;
mod router;
mod settings;
mod shares;
mod surface;
mod uploads;
mod wire;

#[cfg(test)]
mod tests;

pub use api::{Api, Ready};
pub use auth::{Access, Peer};
pub use description::default_description;
pub use gates::GateLimits;
pub use keys::{ApiKey, KeyHash, Keyring, NotAHash, Role, new_key};
pub use loopback::Browsers;
pub use router::{metrics_router, router};
pub use settings::ApiSettings;
