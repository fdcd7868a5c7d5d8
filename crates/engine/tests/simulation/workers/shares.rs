//! Batches spread over the workers that are there.

use std::sync::Arc;
use std::time::Duration;

use super::life::Workers;
use super::story::{BatchStory, Kind, Story, Trouble};
use super::world::World;
use crate::ground::{NewBatch, create};
use crate::life::in_runtime;
use crate::rng::Rng;
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::BlobKey;
use overnight_store::Store as _;

use crate::story::BEGIN;

/// Batches that take much longer than the story.
fn long_batches(count: u64) -> Arc<World> {
    let mut rng = Rng::new(7);
    let batches = (0..count).map(|_| BatchStory {
        id: BatchId::new(BEGIN, rng.wide()),
        file: FileId::new(BEGIN, rng.wide()),
        blob: rng.wide(),
        created: Duration::ZERO,
        cancelled: None,
        lines: 20_000,
    });
    let batches = batches.collect();
    World::new(Story {
        workers: 1,
        batches,
        troubles: Vec::new(),
        slowness: 2_000,
        store_faults: 0,
        quiet: Duration::ZERO,
        rng,
    })
}

async fn create_all(world: &Arc<World>) {
    for (index, story) in world.story.batches.iter().enumerate() {
        let new = NewBatch {
            id: story.id.clone(),
            file: story.file.clone(),
            blob: BlobKey::upload(story.blob),
            window: None,
            at: world.clock(0).now(),
        };
        create(&world.store, &world.blobs, new, world.input(index).0).await;
    }
}

/// Lets so much time pass.
async fn pass(workers: &mut Workers, time: Duration) {
    for _ in 0..time.as_millis() / 50 {
        workers.step().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_new_worker_takes_its_share_and_what_a_leaving_one_gives_back_is_taken_at_once() {
    let world = long_batches(8);
    in_runtime(Box::pin(async {
        create_all(&world).await;
        let mut workers = Workers::new(&world);
        workers.join();
        pass(&mut workers, Duration::from_secs(2)).await;
        assert_eq!(workers.holdings(), [8]);
        workers.join();
        pass(&mut workers, Duration::from_secs(6)).await;
        assert_eq!(workers.holdings(), [4, 4]);
        workers.join();
        pass(&mut workers, Duration::from_secs(6)).await;
        let mut holdings = workers.holdings();
        holdings.sort_unstable();
        assert_eq!(holdings, [2, 3, 3]);
        // The others have everything as soon as the one that leaves has given it back.
        let told = Trouble {
            at: Duration::ZERO,
            worker: 0,
            kind: Kind::Told(Duration::from_mins(1)),
        };
        workers.meet(told).await;
        pass(&mut workers, Duration::from_millis(600)).await;
        assert_eq!(workers.holdings(), [4, 4]);
        // A dead one is counted on until its lease is over.
        let killed = Trouble {
            kind: Kind::Killed(Duration::from_mins(1)),
            ..told
        };
        workers.meet(killed).await;
        pass(&mut workers, Duration::from_millis(5_700)).await;
        assert_eq!(workers.holdings(), [8]);
        workers.end().await;
    }));
    assert!(world.state().violations.is_empty());
}

#[test]
fn who_does_not_reach_the_blobs_leaves_its_batches_to_who_does() {
    let world = long_batches(4);
    in_runtime(Box::pin(async {
        create_all(&world).await;
        let mut workers = Workers::new(&world);
        workers.join();
        workers.join();
        pass(&mut workers, Duration::from_secs(6)).await;
        assert_eq!(workers.holdings(), [2, 2]);
        let without = Trouble {
            at: Duration::ZERO,
            worker: 0,
            kind: Kind::WithoutBlobs(Duration::from_secs(40)),
        };
        workers.meet(without).await;
        pass(&mut workers, Duration::from_secs(15)).await;
        for _ in 0..20 {
            assert_eq!(workers.holdings(), [0, 4], "none moves to and fro");
            pass(&mut workers, Duration::from_secs(1)).await;
        }
        pass(&mut workers, Duration::from_secs(15)).await;
        assert_eq!(workers.holdings(), [2, 2], "it takes part again");
        // Where nobody reaches them, nobody would have anything of it.
        for _ in 0..2 {
            workers.meet(without).await;
        }
        let held = world.leases.held();
        pass(&mut workers, Duration::from_secs(35)).await;
        assert_eq!(world.leases.held(), held);
        pass(&mut workers, Duration::from_secs(15)).await;
        assert_eq!(workers.holdings(), [2, 2]);
        workers.end().await;
    }));
    assert!(world.state().violations.is_empty());
}

#[test]
fn a_cancel_of_which_no_worker_is_told_is_found_within_a_second() {
    let world = long_batches(1);
    in_runtime(Box::pin(async {
        create_all(&world).await;
        let mut workers = Workers::new(&world);
        workers.join();
        pass(&mut workers, Duration::from_secs(3)).await;
        let id = &world.story.batches[0].id;
        let (project, at) = (ProjectId::default_project(), world.clock(0).now());
        world.store.cancel(&project, id, at).await.unwrap();
        let sent = || world.state().sent.len();
        let before = sent();
        pass(&mut workers, Duration::from_secs(1)).await;
        let then = sent();
        assert!(before > 0, "it was at work");
        pass(&mut workers, Duration::from_secs(5)).await;
        assert_eq!(sent(), then, "nothing is sent a second later");
        workers.end().await;
    }));
    assert!(world.state().violations.is_empty());
}
