//! Servers that misbehave on purpose, for tests; never part of the product.
//!
//! [`server::ScriptedServer`] plays, over real sockets, the script that
//! [`overnight_engine::upstream::scripted`] plays in memory; the suite in `tests/upstream.rs` holds
//! both to the same replies. [`rogue::Rogue`] answers with what no server should, and
//! [`tls::TlsFront`] puts TLS before a server. [`fault::FaultProxy`] stands between a client and a
//! server that exists. [`postgres`] starts PostgreSQL servers,
//! [`s3`] an object store.

pub mod fault;
pub mod postgres;
mod request;
pub mod rogue;
pub mod s3;
pub mod server;
mod shared;
pub mod tls;
