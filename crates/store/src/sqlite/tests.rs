//! What only this driver does: group commit, migrations, damage, and how its queries find their
//! rows.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::{Lease, Status};
use overnight_core::file::{File, Purpose};
use overnight_core::segment::{BlobKey, Part, ResultFile};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};
use tokio::sync::oneshot;

use super::damage::Damage;
use super::writer::Writer;
use super::{Sqlite, files, migrate, past, prepared};
use crate::blocking::Blocking;
use crate::conformance::block_on;
use crate::conformance::fixture::{
    at, batch, batch_id, claim, completion, contradicts, extent, file, first, insert_part,
    is_corrupt, mixed, pending, project, running, sealing, upload, upload_id, worker,
};
use crate::status::{BatchProgress, Pace};
use crate::store::{BatchQuery, Content, FileQuery, NewObject, Order, Store, StoreError};

/// A store, and every statement that it runs.
fn traced(blocking: Blocking) -> (Sqlite, Arc<Mutex<Vec<String>>>) {
    let statements: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&statements);
    let store = watched(blocking, TraceEventCodes::SQLITE_TRACE_STMT, move |event| {
        if let TraceEvent::Stmt(_, sql) = event {
            seen.lock().unwrap().push(sql.to_owned());
        }
    });
    (store, statements)
}

/// A store that tells what SQLite does.
fn watched(
    blocking: Blocking,
    events: TraceEventCodes,
    note: impl FnMut(TraceEvent<'_>) + Send + 'static,
) -> Sqlite {
    let mut connection = prepared(Connection::open_in_memory().unwrap()).unwrap();
    connection.trace_v2(events, Some(note)).unwrap();
    let damage = Damage::default();
    let writer = Writer::new(connection, blocking, damage.clone());
    Sqlite {
        writer,
        readers: None,
        damage,
    }
}

#[test]
fn verbs_that_wait_share_a_transaction() {
    let (store, statements) = traced(Blocking::Pool);
    block_on(async {
        let verbs = (0..200).map(|n| {
            let store = store.clone();
            async move { store.announce(&upload(n), at(n)).await }
        });
        for announced in futures_util::future::join_all(verbs).await {
            announced.unwrap();
        }
        assert_eq!(store.newest().await.unwrap(), Some(at(199)));
    });
    let commits = statements
        .lock()
        .unwrap()
        .iter()
        .filter(|sql| *sql == "COMMIT")
        .count();
    assert!(
        (1..100).contains(&commits),
        "{commits} commits for 200 verbs"
    );
}

#[test]
fn a_verb_that_fails_or_panics_fails_alone() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Pool).unwrap();
        let lost = store.write(|db| {
            files::announce(db, &upload(1), at(1))?;
            Err::<(), _>(StoreError::NotFound)
        });
        let panicked = store.write::<()>(|db| {
            files::announce(db, &upload(2), at(1))?;
            panic!("on purpose")
        });
        let kept = store.write(|db| files::announce(db, &upload(3), at(1)));
        let (lost, panicked, kept) = futures_util::join!(lost, panicked, kept);
        assert!(matches!(lost, Err(StoreError::NotFound)), "{lost:?}");
        assert!(
            matches!(panicked, Err(StoreError::Unavailable(_))),
            "{panicked:?}"
        );
        kept.unwrap();
        let announced = |db: &Connection| {
            let count = "SELECT count(*), max(blob) FROM announcements";
            Ok(db.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        };
        let found: (u64, String) = store.write(announced).await.unwrap();
        assert_eq!(found, (1, upload(3).as_str().to_owned()));
    });
}

#[test]
fn what_nobody_relies_on_does_not_wait_for_the_disk_unless_others_do() {
    // Two is to wait for the disk at each commit, one is not to.
    let level = |db: &Connection| -> crate::store::Result<u8> {
        Ok(db.query_row("PRAGMA synchronous", [], |row| row.get(0))?)
    };
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let store = Sqlite::open(&folder.path().join("db"), Blocking::Pool).unwrap();
        assert_eq!(store.write(level).await.unwrap(), 2);
        assert_eq!(store.note(level).await.unwrap(), 1);
        let slow = store.write(|_| {
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        });
        // What comes meanwhile shares a commit.
        let (slow, noted, written) =
            futures_util::join!(slow, store.note(level), store.write(level));
        slow.unwrap();
        assert_eq!((noted.unwrap(), written.unwrap()), (2, 2));
    });
}

#[test]
fn a_verb_is_done_although_its_caller_stopped_waiting() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Pool).unwrap();
        let slow = store.write(|db| {
            std::thread::sleep(Duration::from_millis(50));
            files::announce(db, &upload(1), at(1))
        });
        let waited = tokio::time::timeout(Duration::from_millis(1), slow).await;
        assert!(waited.is_err());
        assert_eq!(store.newest().await.unwrap(), Some(at(1)));
    });
}

#[test]
fn a_runtime_that_was_shut_down_leaves_a_writer_that_works() {
    let store = Sqlite::memory(Blocking::Pool).unwrap();
    for n in 1..=3 {
        block_on(async { store.announce(&upload(n), at(n)).await }).unwrap();
    }
    assert_eq!(block_on(store.newest()).unwrap(), Some(at(3)));
}

#[test]
fn a_commit_that_fails_is_told_to_everyone_in_it() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Pool).unwrap();
        // Holds the leader up until the two verbs behind it wait together.
        let (begin, has_begun) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let slow = store.write(move |_| {
            begin.send(()).unwrap();
            released.blocking_recv().unwrap();
            Ok(())
        });
        let behind = async {
            has_begun.await.unwrap();
            let blob = upload(1);
            let innocent = store.announce(&blob, at(1));
            let guilty = store.write(|db| {
                db.execute_batch(
                    "PRAGMA defer_foreign_keys = ON;
                     INSERT INTO extents VALUES ('nobody''s', 0, 0, 'blob', 0, 1, 1);",
                )?;
                Ok(())
            });
            futures_util::join!(innocent, guilty, async { release.send(()).unwrap() })
        };
        let (slow, (innocent, guilty, ())) = futures_util::join!(slow, behind);
        slow.unwrap();
        contradicts(innocent);
        contradicts(guilty);
        assert_eq!(store.newest().await.unwrap(), None);
        store.announce(&upload(1), at(1)).await.unwrap();
    });
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    drop(Sqlite::open(&path, Blocking::Inline).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let refused = Sqlite::open(&path, Blocking::Inline).unwrap_err();
    let StoreError::Unavailable(why) = refused else {
        panic!("{refused:?}")
    };
    let newest = migrate::NEWEST;
    let sentence = format!(
        "its schema has version 99, and this program knows versions up to {newest}: start the newer \
         program that wrote it"
    );
    assert_eq!(why.to_string(), sentence);
    assert!(fs::read(&path).unwrap() == before, "the file was changed");
}

#[test]
fn a_migration_that_dies_half_way_is_as_if_it_had_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    // Its last step finds a table that should not be there, and the steps before it are done then.
    past::write(&path, 1, "CREATE TABLE holds (one)").unwrap();
    let tables = || -> Vec<String> {
        let connection = Connection::open(&path).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let before = tables();
    Sqlite::open(&path, Blocking::Inline).unwrap_err();
    assert_eq!(tables(), before);
    let connection = Connection::open(&path).unwrap();
    assert_eq!(migrate::version(&connection).unwrap(), 1);

    connection.execute_batch("DROP TABLE holds").unwrap();
    drop(connection);
    drop(Sqlite::open(&path, Blocking::Inline).unwrap());
    let connection = Connection::open(&path).unwrap();
    assert_eq!(migrate::version(&connection).unwrap(), migrate::NEWEST);
}

#[test]
fn what_the_first_schema_holds_is_there_in_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let connection = Connection::open(&path).unwrap();
    let first = include_str!("migrations/0001_initial.sql");
    connection.execute_batch(first).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let announced = "INSERT INTO uploads (blob, announced_at) VALUES (?1, 5)";
    connection.execute(announced, [upload(7).as_str()]).unwrap();
    let old = batch(1);
    let inserted = "INSERT INTO batches (id, project, input_file, spec, created_at, expires_at, \
             status, history, moved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'validating', '{}', ?5)";
    let row = rusqlite::params![
        old.id.as_str(),
        old.project.as_str(),
        old.spec.input_file.as_str(),
        serde_json::to_string(&old.spec).unwrap(),
        old.created_at.micros(),
        old.expires_at.micros(),
    ];
    connection.execute(inserted, row).unwrap();
    drop(connection);
    let store = Sqlite::open(&path, Blocking::Inline).unwrap();
    block_on(async {
        let found = store.batch(&project(), &batch_id(1)).await;
        assert_eq!(found.unwrap(), batch(1));
        assert_eq!(store.garbage(9, at(0)).await.unwrap(), [upload(7)]);
        store.insert_upload(&pending(1, 9)).await.unwrap();
    });
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    fs::write(&path, vec![7; 8192]).unwrap();
    let refused = Sqlite::open(&path, Blocking::Inline).map(|_| ());
    is_corrupt(refused);
}

#[test]
fn behind_damage_nothing_is_written() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Inline).unwrap();
        store.announce(&upload(1), at(1)).await.unwrap();
        let failed = rusqlite::ffi::Error {
            code: rusqlite::ErrorCode::SystemIoFailure,
            extended_code: rusqlite::ffi::SQLITE_IOERR_FSYNC,
        };
        let failed = rusqlite::Error::SqliteFailure(failed, Some("fsync".into()));
        is_corrupt(store.write(|_| Err::<(), _>(failed.into())).await);
        is_corrupt(store.announce(&upload(2), at(2)).await);
        is_corrupt(store.ping().await);
        assert_eq!(&*store.damaged().await, "fsync");
    });
}

#[test]
fn a_value_that_contradicts_its_row_is_refused_and_does_not_stop_the_store() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Inline).unwrap();
        store.insert_batch(&batch(1)).await.unwrap();
        let sql = "UPDATE batches SET status = 'completed'";
        contradicts(store.write(move |db| Ok(db.execute(sql, [])?)).await);
        store.ping().await.unwrap();
        store.batch(&project(), &batch_id(1)).await.unwrap();
    });
}

#[test]
fn a_batch_whose_row_cannot_be_read_keeps_no_other_from_being_run() {
    block_on(async {
        let store = Sqlite::memory(Blocking::Inline).unwrap();
        for n in [1, 2] {
            store.insert_batch(&batch(n)).await.unwrap();
        }
        let sql = "UPDATE batches SET spec = '{}' WHERE id = ?1";
        let broken = batch_id(1);
        let change = move |db: &Connection| Ok(db.execute(sql, [broken.as_str()])?);
        store.write(change).await.unwrap();
        contradicts(store.batch(&project(), &batch_id(1)).await);
        let claims = store.claim(&worker("w"), 1, at(1)).await.unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].batch.id, batch_id(2));
    });
}

/// What may be looked at from its start: tables of a few rows, a question that is asked for
/// metrics, an index that holds just what is asked for, in its order, and what comes with a question
/// or stands in one row.
const WALKED: [&str; 7] = [
    "json_each",
    "SCAN pair",
    "upstream_status",
    "batches_by_status",
    "batches_to_claim",
    "CONSTANT ROW",
    "subquery",
];

#[test]
fn no_verb_walks_a_whole_table() {
    let (store, statements) = traced(Blocking::Inline);
    block_on(async {
        what_clients_do(&store).await;
        what_clients_do_in_parts(&store).await;
        what_a_run_does(&store).await;
        what_the_sweep_does(&store).await;
    });
    let statements: BTreeSet<String> = statements.lock().unwrap().drain(..).collect();
    let is_query = |sql: &&String| {
        ["SELECT", "INSERT", "UPDATE", "DELETE"]
            .iter()
            .any(|verb| sql.starts_with(verb))
    };
    let queries: Vec<&String> = statements.iter().filter(is_query).collect();
    assert!(queries.len() > 50, "{queries:#?}");
    let mut walks = Vec::new();
    for sql in queries {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = store.write(move |db| {
            let mut statement = db.prepare(&explain)?;
            let steps = statement
                .raw_query()
                .mapped(|row| row.get::<_, String>("detail"));
            Ok(steps.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        let steps = block_on(plan).unwrap();
        walks.extend(steps.into_iter().filter(|step| {
            (step.starts_with("SCAN") || step.contains("TEMP B-TREE"))
                && !WALKED.iter().any(|known| step.contains(known))
        }));
    }
    assert_eq!(walks, [""; 0]);
}

#[test]
fn no_statement_is_compiled_anew_when_it_gets_values() {
    let anew: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = Arc::clone(&anew);
    let events = TraceEventCodes::SQLITE_TRACE_PROFILE;
    let store = watched(Blocking::Inline, events, move |event| {
        if let TraceEvent::Profile(statement, _) = event
            && statement.get_status(StatementStatus::RePrepare) > 0
        {
            seen.lock().unwrap().insert(statement.sql().into_owned());
        }
    });
    block_on(async {
        what_clients_do(&store).await;
        what_clients_do_in_parts(&store).await;
        what_a_run_does(&store).await;
        what_the_sweep_does(&store).await;
    });
    assert_eq!(*anew.lock().unwrap(), BTreeSet::new());
}

// Together these call every verb but `newest`, which says of itself that it looks at everything.

async fn what_clients_do(store: &Sqlite) {
    let expiring = File {
        expires_at: Some(at(9)),
        ..file(2)
    };
    for (n, file) in [(1, file(1)), (2, expiring), (3, file(3))] {
        store
            .insert_file(&file, &[extent(upload(n), 100)])
            .await
            .unwrap();
    }
    store.announce(&upload(9), at(1)).await.unwrap();
    store.abandon(&upload(9), at(1)).await.unwrap();
    for order in [Order::Ascending, Order::Descending] {
        for (purpose, after) in [(None, Some(file(1).id)), (Some(Purpose::Batch), None)] {
            let query = FileQuery {
                purpose,
                after,
                limit: 9,
                order,
            };
            store.files(&project(), &query, at(1)).await.unwrap();
        }
    }
    store
        .extents(&Content::File(file(3).id), 0, 9)
        .await
        .unwrap();
    store.insert_batch(&batch(2)).await.unwrap();
    store
        .batches(&project(), Some(&batch_id(2)), 9)
        .await
        .unwrap();
    store.cancel(&project(), &batch_id(2), at(9)).await.unwrap();
    store.progress(&project(), &batch_id(2)).await.unwrap();
    store.upstreams().await.unwrap();
    store.count_batches(&Status::ALL).await.unwrap();
    let query = BatchQuery {
        after: Some(batch_id(2)),
        limit: 9,
        statuses: vec![Status::Completed],
        search: Some("x".to_owned()),
        parent: Some(batch_id(1)),
    };
    store.find_batches(&project(), &query).await.unwrap();
    store.overview(&project()).await.unwrap();
    store.ping().await.unwrap();
}

async fn what_clients_do_in_parts(store: &Sqlite) {
    for n in [5, 6, 7] {
        store.insert_upload(&pending(n, 10)).await.unwrap();
        insert_part(store, n, 10 + n, 10).await;
    }
    store.parts(&project(), &upload_id(5)).await.unwrap();
    store.upload(&project(), &upload_id(5)).await.unwrap();
    let whole = completion(5, &[15]);
    let completed = store.complete_upload(&project(), &whole, at(20)).await;
    completed.unwrap();
    let cancelled = store.cancel_upload(&project(), &upload_id(6), at(20)).await;
    cancelled.unwrap();
    let object = pending(8, 10);
    for _ in 0..2 {
        let object = NewObject::Upload(&object);
        store.insert_once(object, &first("k", 8)).await.unwrap();
    }
    let kept = store.first_answer(&project(), "k", at(9)).await.unwrap();
    assert!(kept.is_some());
}

async fn what_a_run_does(store: &Sqlite) {
    let other = claim(store, "w1", 2).await;
    store.release(&other).await.unwrap();
    let lease = running(store, 1, 9).await;
    for (seq, line) in (0..3).zip([0, 3, 6]) {
        store
            .record(&lease, &mixed(&lease, seq, line..line + 2))
            .await
            .unwrap();
    }
    store.record(&lease, &mixed(&lease, 0, 0..2)).await.unwrap();
    let first = store.segments(&lease.batch, None, 1).await.unwrap();
    let [first] = first.as_slice() else {
        panic!("{first:?}")
    };
    store
        .merge(&lease.batch, (1, 0), first, at(5))
        .await
        .unwrap();
    store.segments(&lease.batch, Some((1, 0)), 1).await.unwrap();
    store.renew(&worker("w1"), at(5)).await.unwrap();
    store.input(&lease.batch, at(5)).await.unwrap();
    store.save_progress(&[progress(&lease)]).await.unwrap();
    store.save_upstreams(&worker("w1"), &[]).await.unwrap();
    store
        .delete_file(&project(), &file(1).id, at(6))
        .await
        .unwrap();
    store.seal(&lease, &sealing(1), at(7)).await.unwrap();
    for part in [ResultFile::Output, ResultFile::Error] {
        let results = Content::Results(lease.batch.clone(), part);
        assert_eq!(store.extents(&results, 0, 9).await.unwrap().len(), 3);
    }
}

async fn what_the_sweep_does(store: &Sqlite) {
    assert_eq!(store.expire_files(9, at(10)).await.unwrap(), 1);
    let days = 3 * 24 * 3600;
    assert_eq!(store.expire_uploads(9, at(days)).await.unwrap(), 6);
    assert_eq!(store.forget_answers(9, at(days)).await.unwrap(), 1);
    let results = sealing(1);
    for file in [results.output.id, results.error.id] {
        store.delete_file(&project(), &file, at(10)).await.unwrap();
    }
    let unnamed = BlobKey::segment(&batch_id(1), 1, 77, Part::Output, 0);
    assert_eq!(
        store.unnamed(std::slice::from_ref(&unnamed)).await.unwrap(),
        [unnamed]
    );
    let garbage = store.garbage(99, at(9000)).await.unwrap();
    store.forget_garbage(&garbage).await.unwrap();
    assert_eq!(
        store
            .forget_batches(Duration::ZERO, 9, at(9000))
            .await
            .unwrap(),
        1
    );
}

fn progress(lease: &Lease) -> BatchProgress {
    BatchProgress {
        batch: lease.batch.clone(),
        in_flight: 1,
        retrying: 0,
        lines_per_second: 1.0,
        eta_seconds: None,
        reason: None,
        pace: Pace::default(),
        updated_at: at(5),
    }
}
