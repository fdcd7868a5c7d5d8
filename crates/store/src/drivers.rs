//! The drivers of this crate against the suites that every driver passes.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use overnight_testkit::postgres::{Shared, Version};
use overnight_testkit::s3;
use tempfile::TempDir;

use crate::blobs::BucketSettings;
use crate::conformance::Driver;
use crate::postgres::PostgresSettings;
use crate::{Blobs, Blocking, Postgres, Sqlite, Store, blob_conformance, conformance};

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

/// A schema of its own on a server that the tests share.
struct InPostgres {
    server: Shared,
    schema: String,
}

impl InPostgres {
    fn new(version: Version) -> Self {
        let server = Shared::find(version).unwrap();
        let schema = server.schema();
        Self { server, schema }
    }
}

#[async_trait]
impl Driver for InPostgres {
    async fn open(&self) -> Arc<dyn Store> {
        let mut settings = PostgresSettings::from_url(&self.server.url()).unwrap();
        settings.schema.clone_from(&self.schema);
        Arc::new(Postgres::open(settings).await.unwrap())
    }
}

conformance! {
    embedded sqlite_in_a_file => InFile::new(),
    volatile sqlite_in_memory => InMemory,
    shared postgres_oldest => InPostgres::new(Version::Oldest),
    shared postgres_newest => InPostgres::new(Version::Newest),
}

fn folder() -> (Blobs, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Blobs::folder(folder.path()).unwrap(), folder)
}

/// A prefix of its own in a bucket that the tests share.
fn bucket() -> (Blobs, s3::Shared) {
    let server = s3::Shared::find().unwrap();
    let settings = BucketSettings::from_url(&server.url(), s3::variables(server.address()));
    (Blobs::bucket(&settings.unwrap()).unwrap(), server)
}

blob_conformance! {
    blobs_in_a_bucket => bucket(),
    blobs_in_a_folder => folder(),
    blobs_in_memory => (Blobs::memory(), ()),
}
