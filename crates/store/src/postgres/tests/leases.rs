//! Leases by the clock of the database, and workers that race.

use std::collections::BTreeSet;

use super::{Place, ask, block_on, run, until_waiting};
use crate::conformance::fixture::{
    answered, at, batch, batch_id, claim, claimed, is_fenced, running, worker,
};
use crate::postgres::Postgres;
use crate::store::Store as _;

/// Lets so much time pass for a worker's lease that it is over.
async fn lapse(store: &Postgres, name: &str) {
    let sql = format!(
        "UPDATE workers SET until = now() - INTERVAL '1 millisecond' WHERE worker = '{name}'"
    );
    run(store, &sql).await;
}

#[test]
fn workers_that_race_share_the_batches() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        for n in 1..=30 {
            one.insert_batch(&batch(n)).await.unwrap();
        }
        let mut taken = BTreeSet::new();
        let mut count = 0;
        while count < 30 {
            let (of_one, of_two) = (worker("w1"), worker("w2"));
            let (first, second) =
                tokio::join!(one.claim(&of_one, 4, at(40)), two.claim(&of_two, 4, at(40)));
            for claim in first.unwrap().into_iter().chain(second.unwrap()) {
                assert_eq!(claim.lease.epoch, 1);
                taken.insert(claim.batch.id);
                count += 1;
            }
        }
        assert_eq!(taken.len(), 30);
        for name in ["w1", "w2"] {
            assert!(!one.renew(&worker(name), at(41)).await.unwrap().is_empty());
        }
    });
}

#[test]
fn a_worker_that_was_paused_is_fenced_after_the_take_over() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        let old = running(&one, 1, 9).await;
        one.record(&old, &answered(&old, 0, 0..1)).await.unwrap();
        assert!(two.claim(&worker("w2"), 9, at(5)).await.unwrap().is_empty());

        lapse(&one, "w1").await;
        let new = claim(&two, "w2", 1).await;
        assert_eq!(new.epoch, 2);
        is_fenced(one.record(&old, &answered(&old, 1, 1..2)).await);
        is_fenced(one.release(&old).await);
        assert_eq!(one.renew(&worker("w1"), at(6)).await.unwrap(), []);
        two.record(&new, &answered(&new, 0, 1..2)).await.unwrap();
    });
}

#[test]
fn a_lease_that_is_over_is_good_until_somebody_takes_the_batch() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        let lease = running(&one, 1, 9).await;
        lapse(&one, "w1").await;
        one.record(&lease, &answered(&lease, 0, 0..1))
            .await
            .unwrap();
        // Nor does it take its own batches away from itself.
        assert!(one.claim(&worker("w1"), 9, at(5)).await.unwrap().is_empty());
        lapse(&one, "w1").await;
        assert_eq!(one.renew(&worker("w1"), at(6)).await.unwrap().len(), 1);
        assert!(two.claim(&worker("w2"), 9, at(6)).await.unwrap().is_empty());
    });
}

#[test]
fn a_lease_is_as_long_as_it_is_set() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        assert_eq!(store.lease_time(), Some(store.settings.lease));
        claimed(&store, 1).await;
        for _ in 0..2 {
            let sql = "SELECT (until > now() + INTERVAL '3 seconds' \
                 AND until <= now() + INTERVAL '5 seconds')::TEXT FROM workers";
            assert_eq!(ask(&store, sql).await, "true");
            lapse(&store, "w1").await;
            store.renew(&worker("w1"), at(2)).await.unwrap();
        }
    });
}

/// A worker that was paused in the middle of a flush holds up no other worker, and its batch is taken
/// when the flush is over.
#[test]
fn a_batch_in_the_middle_of_a_flush_is_not_taken() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        running(&one, 1, 9).await;
        running(&one, 2, 9).await;
        lapse(&one, "w1").await;
        let mut client = one.pool.get().await.unwrap();
        let flush = client.transaction().await.unwrap();
        let sql = "UPDATE batches SET completed = completed WHERE id = $1";
        let flushed = batch_id(1);
        flush.execute(sql, &[&flushed.as_str()]).await.unwrap();
        let taken = two.claim(&worker("w2"), 9, at(5)).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].batch.id, batch_id(2));
        flush.commit().await.unwrap();
        let taken = two.claim(&worker("w2"), 9, at(5)).await.unwrap();
        assert_eq!(taken[0].batch.id, flushed);
    });
}

/// A flush that waits for a take-over is refused by what the take-over did.
#[test]
fn a_flush_that_comes_during_a_take_over_is_fenced() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        let old = running(&one, 1, 9).await;
        let mut client = two.pool.get().await.unwrap();
        let take_over = client.transaction().await.unwrap();
        let sql = "UPDATE batches SET worker = NULL, epoch = epoch + 1 WHERE id = $1";
        take_over
            .execute(sql, &[&old.batch.as_str()])
            .await
            .unwrap();
        let segment = answered(&old, 0, 0..1);
        let flush = async { is_fenced(one.record(&old, &segment).await) };
        let after = async {
            until_waiting(&two, "SELECT id, project, spec").await;
            take_over.commit().await.unwrap();
        };
        tokio::join!(flush, after);
    });
}

#[test]
fn a_renewal_during_a_take_over_tells_what_was_lost() {
    let place = Place::new();
    block_on(async {
        let (one, two) = (place.open().await, place.open().await);
        claimed(&one, 1).await;
        let mut client = two.pool.get().await.unwrap();
        let take_over = client.transaction().await.unwrap();
        take_over
            .batch_execute(
                "SELECT 1 FROM workers WHERE worker = 'w1' FOR NO KEY UPDATE;
                 UPDATE batches SET worker = NULL WHERE worker = 'w1'",
            )
            .await
            .unwrap();
        let of_one = worker("w1");
        let renewal = async {
            assert_eq!(one.renew(&of_one, at(5)).await.unwrap(), []);
        };
        let after = async {
            until_waiting(&two, "UPDATE workers").await;
            take_over.commit().await.unwrap();
        };
        tokio::join!(renewal, after);
    });
}

#[test]
fn one_that_cannot_be_read_keeps_no_other_from_being_claimed() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        for n in 1..=3 {
            store.insert_batch(&batch(n)).await.unwrap();
        }
        let sql = format!(
            "UPDATE batches SET spec = 'nonsense' WHERE id IN ('{}', '{}')",
            batch_id(1),
            batch_id(2)
        );
        run(&store, &sql).await;
        let claims = store.claim(&worker("w1"), 1, at(5)).await.unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].batch.id, batch_id(3));
    });
}

#[test]
fn a_claim_is_worth_it_when_there_is_a_batch_or_the_worker_must_show_itself() {
    let place = Place::new();
    block_on(async {
        let mut settings = place.settings();
        settings.lease = std::time::Duration::from_hours(1);
        let store = Postgres::open(settings).await.unwrap();
        let worth = async |name: &str| {
            let outlook = store.outlook(&worker(name)).await.unwrap();
            outlook.is_worth_a_claim
        };
        assert!(worth("w1").await, "nobody knows it yet");
        for name in ["w1", "w2"] {
            store.claim(&worker(name), 9, at(1)).await.unwrap();
            assert!(!worth(name).await, "there is nothing to be had");
        }
        store.insert_batch(&batch(1)).await.unwrap();
        assert!(worth("w1").await && worth("w2").await);
        claim(&store, "w1", 1).await;
        assert!(!worth("w1").await && !worth("w2").await);
        let half = "UPDATE workers SET until = now() + INTERVAL '29 minutes' WHERE worker = 'w2'";
        run(&store, half).await;
        assert!(worth("w2").await, "half of its lease is over");
        store.claim(&worker("w2"), 9, at(1)).await.unwrap();
        assert!(!worth("w2").await);
        lapse(&store, "w1").await;
        assert!(worth("w2").await, "there is what a lapsed worker held");
    });
}

#[test]
fn the_batches_are_shared_out_among_the_workers_that_are_there_and_stay() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        for n in 1..=7 {
            store.insert_batch(&batch(n)).await.unwrap();
        }
        let share = async |name: &str| store.outlook(&worker(name)).await.unwrap().share;
        assert_eq!(store.claim(&worker("w1"), 5, at(9)).await.unwrap().len(), 5);
        assert_eq!(share("w1").await, None, "nobody else is there");
        assert_eq!(share("w2").await, Some(4), "it counts itself");
        assert_eq!(store.claim(&worker("w2"), 2, at(9)).await.unwrap().len(), 2);
        // One that holds nothing shows itself all the same.
        assert!(
            store
                .claim(&worker("w3"), 9, at(9))
                .await
                .unwrap()
                .is_empty()
        );
        for name in ["w1", "w2", "w3"] {
            assert_eq!(share(name).await, Some(3), "{name}");
        }
        lapse(&store, "w3").await;
        assert_eq!(share("w1").await, Some(4), "a lapsed one is not there");
        assert!(
            store
                .claim(&worker("w3"), 9, at(9))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(share("w1").await, Some(3), "it has shown itself again");
        store.leave(&worker("w2")).await.unwrap();
        assert_eq!(
            share("w1").await,
            Some(4),
            "one that leaves is not counted on"
        );
        assert_eq!(store.renew(&worker("w2"), at(9)).await.unwrap().len(), 2);
        assert_eq!(
            share("w1").await,
            Some(4),
            "a renewal does not bring it back"
        );
    });
}
