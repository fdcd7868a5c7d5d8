//! Rows that went from a file to a server and back are what they were.

use std::path::{Path, PathBuf};

use overnight_core::file::File;
use overnight_testkit::postgres::{Shared, Version};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{difference, fill, snapshot};
use crate::conformance::block_on;
use crate::conformance::fixture::{
    at, batch, claim, extent, file, first, insert_file, part, pending, upload,
};
use crate::postgres::PostgresSettings;
use crate::store::NewObject;
use crate::{Blocking, Postgres, Sqlite, Store};

/// A folder for files with rows.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A database in a file in which something was done; it is closed.
    async fn worked_on(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let store = Sqlite::open(&path, Blocking::Inline).unwrap();
        work(&store).await;
        path
    }
}

async fn postgres(version: Version) -> (Postgres, Shared) {
    let server = Shared::find(version).unwrap();
    let mut settings = PostgresSettings::from_url(&server.url()).unwrap();
    settings.schema = server.schema();
    (Postgres::open(settings).await.unwrap(), server)
}

/// Puts rows into most tables: an odd name of a file, an upload in parts, a batch that somebody holds,
/// an answer, garbage.
async fn work(store: &dyn Store) {
    insert_file(store, 1).await;
    let odd = File {
        filename: "a\0b ü \u{1f600}.jsonl".to_owned(),
        ..file(2)
    };
    store.announce(&upload(2), at(2)).await.unwrap();
    let content = [extent(upload(2), odd.bytes)];
    store.insert_file(&odd, &content).await.unwrap();
    store.announce(&upload(3), at(3)).await.unwrap();
    store.insert_upload(&pending(4, 100)).await.unwrap();
    store.announce(&upload(5), at(5)).await.unwrap();
    let owner = pending(4, 100).project;
    store.insert_part(&owner, &part(4, 5, 50)).await.unwrap();
    store.insert_batch(&batch(1)).await.unwrap();
    claim(store, "somebody", 1).await;
    let object = batch(2);
    let answer = first("key", 2);
    let answered = store.insert_once(NewObject::Batch(&object), &answer);
    answered.await.unwrap();
    store.abandon(&upload(3), at(6)).await.unwrap();
    store.announce(&upload(6), at(7)).await.unwrap();
}

fn query(path: &Path, sql: &str) -> String {
    let db = Connection::open(path).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn rows_go_to_a_server_and_come_back() {
    block_on(async {
        for version in [Version::Oldest, Version::Newest] {
            let ground = Ground::new();
            let (store, _server) = postgres(version).await;
            let source = ground.worked_on("source.db").await;
            let back = ground.path("back.db");
            assert!(fill(&source, &store).await.unwrap());
            snapshot(&store, &back).await.unwrap();
            assert_eq!(difference(&source, &back).unwrap(), None);
            for table in super::TABLES.map(|(name, _)| name) {
                let sql = format!("SELECT count(*) > 0 FROM {table}");
                let is_empty = ["segments", "batch_progress", "quarantine"].contains(&table);
                let has_rows = query(&back, &format!("SELECT ({sql}) || ''"));
                assert_eq!(has_rows == "0", is_empty, "{table}");
            }
            let name = query(&back, "SELECT filename FROM files ORDER BY id DESC LIMIT 1");
            assert_eq!(name, "a\u{fffd}b ü \u{1f600}.jsonl");
            let holder = query(&back, "SELECT coalesce(max(worker), 'nobody') FROM batches");
            assert_eq!(holder, "nobody");
        }
    });
}

#[test]
fn a_server_that_holds_something_is_not_filled() {
    block_on(async {
        let ground = Ground::new();
        let (store, _server) = postgres(Version::Newest).await;
        let source = ground.worked_on("source.db").await;
        insert_file(&store, 9).await;
        assert!(!fill(&source, &store).await.unwrap());
        let found = ground.path("found.db");
        snapshot(&store, &found).await.unwrap();
        assert_eq!(query(&found, "SELECT count(*) || '' FROM files"), "1");
        assert_eq!(query(&found, "SELECT count(*) || '' FROM batches"), "0");
        assert_eq!(difference(&source, &found).unwrap(), Some("batches"));
    });
}
