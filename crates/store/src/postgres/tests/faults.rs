//! A server that goes away, is slow, or answers when nobody hears it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::poll;
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::postgres::{Own, Stop, Version};

use super::{Place, ask, block_on, run, until_waiting};
use crate::conformance::fixture::{
    answered, at, batch, batch_id, file, file_id, is_missing, project, running,
};
use crate::postgres::{Postgres, PostgresSettings};
use crate::store::{Result, Store as _, StoreError};

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T>) -> String {
    let error = answer.unwrap_err();
    let StoreError::Unavailable(why) = &error else {
        panic!("{error:?}");
    };
    let cause = why.source().map(ToString::to_string);
    format!("{why}: {}", cause.unwrap_or_default())
}

#[test]
fn a_server_that_is_restarted_is_found_again() {
    let mut server = Own::start(Version::Oldest).unwrap();
    block_on(async {
        let settings = PostgresSettings::from_url(&server.url()).unwrap();
        let store = Postgres::open(settings).await.unwrap();
        for (n, stop) in [(1, Stop::Fast), (2, Stop::Crash)] {
            store.insert_batch(&batch(n)).await.unwrap();
            // Its connections are dead, and nobody has looked at them yet.
            server.stop(stop).unwrap();
            let other = batch(n + 10);
            let mut inserted = std::pin::pin!(store.insert_batch(&other));
            assert!(poll!(&mut inserted).is_pending());
            server.start_again().unwrap();
            inserted.await.unwrap();
            for id in [n, n + 10] {
                store.batch(&project(), &batch_id(id)).await.unwrap();
            }
        }
    });
}

/// The server on the tests' machine, and a proxy before it.
struct Far {
    server: Own,
    proxy: FaultProxy,
}

impl Far {
    async fn start(server: Own) -> Self {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        Self { server, proxy }
    }

    async fn store_at(&self, address: SocketAddr) -> Postgres {
        let url = self.server.url_at(address);
        let mut settings = PostgresSettings::from_url(&url).unwrap();
        settings.statement_timeout = Duration::from_secs(2);
        Postgres::open(settings).await.unwrap()
    }
}

/// What stops a batch from being inserted for as long as somebody else has a lock, at the insertion or
/// at the commit.
fn stopped_at(moment: &str) -> String {
    let trigger = if moment == "commit" {
        "CREATE CONSTRAINT TRIGGER stop AFTER INSERT ON batches \
             DEFERRABLE INITIALLY DEFERRED"
    } else {
        "CREATE TRIGGER stop BEFORE INSERT ON batches"
    };
    format!(
        "CREATE OR REPLACE FUNCTION stop() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
         {trigger} FOR EACH ROW EXECUTE FUNCTION stop()"
    )
}

/// What stops the same changes at the commit, of another table or event, once the function is there.
fn stopped_after(change: &str) -> String {
    format!(
        "DROP TRIGGER IF EXISTS stop ON batches;
         CREATE CONSTRAINT TRIGGER stop AFTER {change} DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION stop()"
    )
}

/// Runs a verb whose commit is held up, and loses its answer. Then the commit goes on.
async fn lose_the_answer<T>(far: &Far, near: &Postgres, verb: impl Future<Output = T>) -> T {
    let holder = near.pool.get().await.unwrap();
    holder
        .batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let cut = async {
        until_waiting(near, "SET LOCAL statement_timeout = 0; COMMIT").await;
        far.proxy.disturb(Fault::Reset);
        until_waiting(near, "SET LOCAL statement_timeout = 0; COMMIT").await;
        far.proxy.disturb(Fault::None);
        holder
            .batch_execute("SELECT pg_advisory_unlock(7)")
            .await
            .unwrap();
    };
    tokio::join!(verb, cut).0
}

#[test]
fn what_a_client_asks_for_is_asked_again_when_the_answer_to_its_commit_is_lost() {
    let server = Own::start(Version::Newest).unwrap();
    block_on(async {
        let far = Far::start(server).await;
        let near = far.store_at(far.server.address()).await;
        let store = far.store_at(far.proxy.address()).await;
        run(&near, &stopped_at("commit")).await;
        // It waits for the former one, whose commit goes on, and changes nothing.
        let given = batch(1);
        let inserted = lose_the_answer(&far, &near, store.insert_batch(&given)).await;
        inserted.unwrap();
        store.batch(&project(), &batch_id(1)).await.unwrap();
        // What is deleted already is as it should be; for somebody else it is not there.
        store.insert_file(&file(1), &[]).await.unwrap();
        run(&near, &stopped_after("UPDATE ON files")).await;
        let (project, id) = (project(), file_id(1));
        let deletion = store.delete_file(&project, &id, at(9));
        lose_the_answer(&far, &near, deletion).await.unwrap();
        is_missing(store.delete_file(&project, &id, at(9)).await);
    });
}

#[test]
fn a_worker_is_told_that_the_answer_to_a_commit_is_lost_and_does_the_same_again() {
    let server = Own::start(Version::Newest).unwrap();
    block_on(async {
        let far = Far::start(server).await;
        let near = far.store_at(far.server.address()).await;
        let store = far.store_at(far.proxy.address()).await;
        let lease = running(&store, 1, 10).await;
        run(&near, &stopped_at("commit")).await;
        run(&near, &stopped_after("INSERT ON segments")).await;
        let segment = answered(&lease, 0, 1..5);
        is_unavailable(lose_the_answer(&far, &near, store.record(&lease, &segment)).await);
        store.record(&lease, &segment).await.unwrap();
        let recorded = store.batch(&project(), &batch_id(1)).await.unwrap();
        assert_eq!(recorded.tally.completed, 4);
    });
}

#[test]
fn a_connection_that_is_lost_before_the_commit_costs_nothing() {
    let server = Own::start(Version::Newest).unwrap();
    block_on(async {
        let far = Far::start(server).await;
        let near = far.store_at(far.server.address()).await;
        let store = far.store_at(far.proxy.address()).await;
        run(&near, &stopped_at("insertion")).await;
        let holder = near.pool.get().await.unwrap();
        holder
            .batch_execute("SELECT pg_advisory_lock(7)")
            .await
            .unwrap();
        let given = batch(1);
        let insertion = async { store.insert_batch(&given).await.unwrap() };
        let cut = async {
            until_waiting(&near, "INSERT INTO batches").await;
            far.proxy.disturb(Fault::Reset);
            far.proxy.disturb(Fault::None);
            holder
                .batch_execute("SELECT pg_advisory_unlock(7)")
                .await
                .unwrap();
        };
        tokio::join!(insertion, cut);
        near.batch(&project(), &batch_id(1)).await.unwrap();
    });
}

#[test]
fn a_server_that_falls_silent_is_not_waited_for_for_ever() {
    let server = Own::start(Version::Newest).unwrap();
    block_on(async {
        let far = Far::start(server).await;
        let url = far.server.url_at(far.proxy.address());
        let mut settings = PostgresSettings::from_url(&url).unwrap();
        settings.statement_timeout = Duration::from_millis(100);
        settings.connect_timeout = Duration::from_millis(100);
        settings.patience = Duration::from_millis(300);
        let store = Postgres::open(settings).await.unwrap();
        store.insert_batch(&batch(1)).await.unwrap();
        far.proxy.disturb(Fault::BlackHole);
        is_unavailable(store.insert_batch(&batch(2)).await);
        is_unavailable(store.ping().await);
        far.proxy.disturb(Fault::None);
        store.insert_batch(&batch(2)).await.unwrap();
    });
}

/// Makes the first insertion of a batch fail in that way, and no other.
fn once(what: &str) -> String {
    format!(
        "CREATE SEQUENCE times;
         CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('times') = 1 THEN {what}; END IF; RETURN NEW; END $$;
         CREATE TRIGGER fail BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION fail()"
    )
}

#[test]
fn what_was_undone_is_done_again() {
    for what in [
        "RAISE EXCEPTION 'a conflict' USING ERRCODE = '40001'",
        "RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'",
        "RAISE EXCEPTION 'a former primary' USING ERRCODE = '25006'",
        "PERFORM pg_terminate_backend(pg_backend_pid())",
    ] {
        let place = Place::new();
        block_on(async {
            let store = place.open().await;
            run(&store, &once(what)).await;
            store.insert_batch(&batch(1)).await.unwrap();
            store.batch(&project(), &batch_id(1)).await.unwrap();
            let sql = "SELECT last_value::TEXT FROM times";
            assert_eq!(ask(&store, sql).await, "2", "{what}");
        });
    }
}

#[test]
fn what_will_fail_again_is_not_tried_again() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        run(&store, &once("RAISE EXCEPTION 'no'")).await;
        let text = is_unavailable(store.insert_batch(&batch(1)).await);
        assert!(text.contains("no"), "{text}");
        run(&store, "ALTER SEQUENCE times RESTART").await;
        let full = "CREATE OR REPLACE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$";
        run(&store, full).await;
        let error = store.insert_batch(&batch(1)).await.unwrap_err();
        assert!(error.is_out_of_space(), "{error:?}");
    });
}

#[test]
fn a_statement_that_takes_too_long_is_given_up() {
    let place = Place::new();
    block_on(async {
        let (near, store) = (place.open().await, place.impatient().await);
        let lease = running(&near, 1, 9).await;
        let mut client = near.pool.get().await.unwrap();
        let holder = client.transaction().await.unwrap();
        let sql = "UPDATE batches SET completed = completed";
        holder.batch_execute(sql).await.unwrap();
        let segment = answered(&lease, 0, 0..1);
        let text = is_unavailable(store.record(&lease, &segment).await);
        assert!(text.contains("statement timeout"), "{text}");
        holder.rollback().await.unwrap();
        store.record(&lease, &segment).await.unwrap();
    });
}

#[test]
fn a_verb_waits_for_a_connection_no_longer_than_it_may() {
    let place = Place::new();
    block_on(async {
        let mut settings = place.settings();
        settings.connections_max = 1;
        settings.wait = Duration::from_millis(50);
        let store = Postgres::open(settings).await.unwrap();
        let taken = store.pool.get().await.unwrap();
        is_unavailable(store.ping().await);
        is_unavailable(store.insert_batch(&batch(1)).await);
        drop(taken);
        store.insert_batch(&batch(1)).await.unwrap();
    });
}

/// A client that goes away in the middle of a request leaves no transaction behind.
#[test]
fn a_verb_whose_caller_stops_waiting_is_rolled_back() {
    let place = Place::new();
    block_on(async {
        let mut settings = place.settings();
        settings.connections_max = 1;
        let (near, store) = (place.open().await, Postgres::open(settings).await.unwrap());
        let lease = running(&near, 1, 9).await;
        let mut client = near.pool.get().await.unwrap();
        let holder = client.transaction().await.unwrap();
        let sql = "UPDATE batches SET completed = completed";
        holder.batch_execute(sql).await.unwrap();
        let segment = answered(&lease, 0, 0..1);
        tokio::select! {
            _ = store.record(&lease, &segment) => panic!("the row is locked"),
            () = until_waiting(&near, "SELECT id, project, spec") => {}
        }
        holder.rollback().await.unwrap();
        store.cancel(&project(), &batch_id(1), at(5)).await.unwrap();
        let segments = store.segments(&batch_id(1), None, 9).await.unwrap();
        assert_eq!(segments, []);
    });
}
