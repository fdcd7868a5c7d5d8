//! Hints between processes, and whom they name.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::poll;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};

use super::{Place, block_on, run};
use crate::Wake;
use crate::conformance::fixture::{at, batch, batch_id, claim, project, worker};
use crate::postgres::Postgres;
use crate::postgres::hints::is_for;
use crate::postgres::settings::quoted;
use crate::store::Store as _;

/// Hears hints as they are on their way.
struct Listener {
    connection: Connection<Socket, NoTlsStream>,
    /// The connection is there as long as it.
    _client: Client,
}

impl Listener {
    /// Hears every hint that is given from now on.
    async fn new(place: &Place) -> Self {
        let settings = place.settings();
        let (client, mut connection) = settings.config.connect(NoTls).await.unwrap();
        let listen = format!("LISTEN {}", quoted(&settings.channel()));
        {
            let listening = pin!(client.batch_execute(&listen));
            let driving = pin!(hint_of(&mut connection));
            let Either::Left((listens, _)) = select(listening, driving).await else {
                panic!("nobody gives a hint yet");
            };
            listens.unwrap();
        }
        Self {
            connection,
            _client: client,
        }
    }

    async fn hint(&mut self) -> String {
        hint_of(&mut self.connection).await
    }
}

async fn hint_of(connection: &mut Connection<Socket, NoTlsStream>) -> String {
    loop {
        let message = poll_fn(|context| connection.poll_message(context)).await;
        if let AsyncMessage::Notification(hint) = message.unwrap().unwrap() {
            return hint.payload().to_owned();
        }
    }
}

/// A store whose leases outlive the test, however slow the machine is.
async fn patient(place: &Place) -> Postgres {
    let mut settings = place.settings();
    settings.lease = Duration::from_hours(1);
    Postgres::open(settings).await.unwrap()
}

#[test]
fn a_hint_of_another_process_wakes() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        let (me, wake) = (worker("w1"), Wake::new());
        let mut heard = pin!(one.pass_on_hints(&me, wake.clone()));
        let mut asleep = pin!(wake.woken());
        // The first one says that it listens.
        tokio::select! {
            () = &mut heard => {}
            () = &mut asleep => {}
        }
        for change in 0..3 {
            let mut asleep = pin!(wake.woken());
            assert!(poll!(&mut asleep).is_pending());
            let telling = async {
                match change {
                    0 => two.insert_batch(&batch(1)).await.unwrap(),
                    1 => two.release(&claim(&two, "w1", 1).await).await.unwrap(),
                    _ => drop(
                        two.cancel(&batch(1).project, &batch_id(1), at(5))
                            .await
                            .unwrap(),
                    ),
                }
                asleep.await;
            };
            tokio::select! {
                () = &mut heard => {}
                () = telling => {}
            }
        }
    });
}

#[test]
fn a_hint_names_a_few_workers_that_take_batches() {
    let place = Place::new();
    block_on(async {
        let store = patient(&place).await;
        let mut hints = Listener::new(&place).await;
        store.insert_batch(&batch(1)).await.unwrap();
        assert_eq!(hints.hint().await, "", "nobody is known");
        claim(&store, "w1", 1).await;
        store.insert_batch(&batch(2)).await.unwrap();
        assert_eq!(hints.hint().await, "w1");
        let names = ["w1", "w2", "w3", "w4", "w5"];
        for name in &names[1..] {
            store.claim(&worker(name), 0, at(2)).await.unwrap();
        }
        run(
            &store,
            "UPDATE workers SET until = now() WHERE worker = 'w4'",
        )
        .await;
        store.leave(&worker("w5")).await.unwrap();
        let mut named = BTreeSet::new();
        for n in 3..40 {
            store.insert_batch(&batch(n)).await.unwrap();
            let hint = hints.hint().await;
            let pair: BTreeSet<_> = hint.split(' ').map(str::to_owned).collect();
            assert_eq!(pair.len(), 2, "{hint}");
            named.extend(pair);
        }
        // One that holds a batch is named when the others hold as many.
        assert!(named.iter().eq(&names[1..3]), "{named:?}");
        for name in &names[1..3] {
            let claims = store.claim(&worker(name), 1, at(3)).await.unwrap();
            assert_eq!(claims.len(), 1);
        }
        for n in 40..60 {
            store.insert_batch(&batch(n)).await.unwrap();
            named.extend(hints.hint().await.split(' ').map(str::to_owned));
        }
        assert!(named.iter().eq(&names[..3]), "{named:?}");
    });
}

#[test]
fn what_a_worker_gives_back_is_told_to_others() {
    let place = Place::new();
    block_on(async {
        let store = patient(&place).await;
        store.insert_batch(&batch(1)).await.unwrap();
        let lease = claim(&store, "w1", 1).await;
        store.claim(&worker("w2"), 1, at(2)).await.unwrap();
        let mut hints = Listener::new(&place).await;
        store.release(&lease).await.unwrap();
        assert_eq!(hints.hint().await, "w2");
    });
}

#[test]
fn what_becomes_of_a_batch_is_told_to_who_holds_it() {
    let place = Place::new();
    block_on(async {
        let store = patient(&place).await;
        for n in 1..=2 {
            store.insert_batch(&batch(n)).await.unwrap();
            claim(&store, &format!("w{n}"), n).await;
        }
        let mut hints = Listener::new(&place).await;
        store.cancel(&project(), &batch_id(2), at(5)).await.unwrap();
        assert_eq!(hints.hint().await, "w2");
        let (project, held) = (project(), batch_id(1));
        store
            .set_paused(&project, &held, true, at(5))
            .await
            .unwrap();
        assert_eq!(hints.hint().await, "w1");
        // What nobody holds is for anybody.
        store.insert_batch(&batch(3)).await.unwrap();
        let _ = hints.hint().await;
        store.cancel(&project, &batch_id(3), at(5)).await.unwrap();
        assert_eq!(hints.hint().await.split(' ').count(), 2);
    });
}

#[test]
fn a_hint_to_others_is_passed_by() {
    let me = worker("w1");
    for (hint, is_mine) in [("", true), ("w1", true), ("w2 w1", true), ("w2 w11", false)] {
        assert_eq!(is_for(hint, &me), is_mine, "{hint:?}");
    }
}
