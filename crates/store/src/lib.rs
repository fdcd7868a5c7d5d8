//! What must survive: the metadata of files and batches ([`Store`]), and their bytes ([`Blobs`]).
//!
//! The database never sees a line. It holds a row for each file, batch and segment; inputs, plans
//! and result lines are immutable blobs that the rows name. Blobs are written before the rows that
//! name them, and deleted after.
//!
//! Read [`store`] first: each verb of the trait opens with what it guarantees. `conformance` holds
//! the suite that every driver passes.

pub mod backup;
pub mod blobs;
pub mod blocking;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(test)]
mod drivers;
mod entries;
#[cfg(any(test, feature = "conformance"))]
pub mod faulty;
pub mod folder;
mod hold;
pub mod postgres;
mod range;
mod rows;
mod rules;
mod space;
pub mod sqlite;
pub mod status;
pub mod store;
mod tls;
pub mod transfer;
pub mod verify;
pub mod wake;

pub use blobs::{BlobError, Blobs};
pub use blocking::Blocking;
pub use folder::DataFolder;
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use store::{Store, StoreError};
pub use wake::Wake;
