//! The drivers of this crate against the suites that every driver passes.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use crate::conformance::Driver;
use crate::{Blobs, Blocking, Sqlite, Store, blob_conformance, conformance};

/// A database file in a folder of its own.
struct InFile(TempDir);

impl InFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Driver for InFile {
    async fn open(&self) -> Arc<dyn Store> {
        let path: &Path = self.0.path();
        Arc::new(Sqlite::open(&path.join("overnight.db"), Blocking::Pool).unwrap())
    }
}

/// A database in memory, whose work is done on the spot.
struct InMemory;

#[async_trait]
impl Driver for InMemory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::memory(Blocking::Inline).unwrap())
    }
}

conformance! {
    embedded sqlite_in_a_file => InFile::new(),
    volatile sqlite_in_memory => InMemory,
}

fn folder() -> (Blobs, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Blobs::folder(folder.path()).unwrap(), folder)
}

blob_conformance! {
    blobs_in_a_folder => folder(),
    blobs_in_memory => (Blobs::memory(), ()),
}
