//! Batches whose files are lost or altered on the disk.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use overnight_core::batch::{Batch, State, Status};
use overnight_core::segment::BlobKey;
use overnight_engine::upstream::scripted::{Script, Step, chat_answer};
use overnight_store::{Blobs, Store as _};

use crate::house::{House, Life, ended, ids, lines, upstream};

const SOON: Duration = Duration::from_mins(1);

fn slow() -> Script {
    Script::by(|_| Step::Late {
        after: Duration::from_millis(200),
        answer: chat_answer("ok"),
    })
}

/// The only blob of a folder.
async fn only(blobs: &Blobs, folder: &str) -> BlobKey {
    let found: Vec<BlobKey> = blobs.list(folder).try_collect().await.unwrap();
    assert_eq!(found.len(), 1, "{folder}: {found:?}");
    found[0].clone()
}

/// Alters one byte of a blob.
async fn alter(blobs: &Blobs, key: &BlobKey, place: u64) {
    let length = blobs.length(key).await.unwrap();
    let mut bytes = blobs.read(key, 0..length).await.unwrap().to_vec();
    bytes[usize::try_from(place).unwrap()] ^= 0x04;
    blobs.put(key, vec![Bytes::from(bytes)]).await.unwrap();
}

/// A batch of which some lines are recorded, and whose engine was killed.
async fn interrupted(house: &House, count: usize, window: Option<Duration>) -> Batch {
    let upstream = upstream(slow());
    let life = house.start(&upstream);
    let id = life.create(&lines(count), window).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let batch = life.batch(&id).await;
    let done = batch.tally.completed;
    assert!(done > 0 && done < count as u64, "{done} of {count}");
    life.stop().await;
    life.batch(&id).await
}

async fn quarantined(life: &Life) -> Vec<String> {
    let found = life.store.quarantined(10).await.unwrap();
    found.into_iter().map(|found| found.held).collect()
}

/// What people are told of why the batch waits.
async fn reason(life: &Life, batch: &Batch) -> Option<String> {
    let progress = life
        .store
        .progress(&batch.project, &batch.id)
        .await
        .unwrap();
    progress.and_then(|progress| progress.reason)
}

#[test]
fn a_lost_plan_is_made_anew_and_no_line_is_run_twice() {
    for is_altered in [true, false] {
        let house = House::new();
        let before = House::live(async || {
            let before = interrupted(&house, 2000, None).await;
            let plan = only(&house.blobs, "plans").await;
            if is_altered {
                // The number of a line, which no checksum but that of the whole blob covers.
                alter(&house.blobs, &plan, 40).await;
            } else {
                house.blobs.delete(&plan).await.unwrap();
            }
            before
        });
        House::live(async || {
            let upstream = upstream(Script::by(|_| Step::Answer(chat_answer("ok"))));
            let life = house.start(&upstream);
            let batch = life.end(&before.id, SOON).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
            life.results(&before.id, &ids(2000)).await;
            let left = 2000 - before.tally.ended();
            assert_eq!(upstream.seen().len() as u64, left, "no line was sent twice");
            let held = format!("the plan of {}", before.id);
            assert_eq!(quarantined(&life).await, [held]);
            life.stop().await;
        });
    }
}

#[test]
fn a_batch_that_lost_its_plan_and_its_input_waits_for_them() {
    let house = House::new();
    let (before, input, whole) = House::live(async || {
        let before = interrupted(&house, 1000, None).await;
        let plan = only(&house.blobs, "plans").await;
        house.blobs.delete(&plan).await.unwrap();
        let input = only(&house.blobs, "files").await;
        let length = house.blobs.length(&input).await.unwrap();
        let whole = house.blobs.read(&input, 0..length).await.unwrap();
        alter(&house.blobs, &input, 90_000).await;
        (before, input, whole)
    });
    House::live(async || {
        let upstream = upstream(Script::by(|_| Step::Answer(chat_answer("ok"))));
        let life = house.start(&upstream);
        assert!(life.end(&before.id, SOON * 5).await.is_none());
        let why = reason(&life, &before).await.unwrap();
        assert!(why.contains("its plan and its input are lost"), "{why}");
        assert_eq!(upstream.seen().len(), 0, "an altered line is never sent");

        // Somebody puts the input back.
        house.blobs.put(&input, vec![whole.clone()]).await.unwrap();
        let batch = life.end(&before.id, SOON * 3).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.results(&before.id, &ids(1000)).await;
        tokio::time::sleep(Duration::from_hours(3)).await;
        assert_eq!(quarantined(&life).await, Vec::<String>::new());
        life.stop().await;
    });
}

#[test]
fn a_batch_that_lost_its_plan_and_its_input_ends_by_a_cancel_and_at_its_deadline() {
    for is_cancelled in [true, false] {
        let house = House::new();
        let before = House::live(async || {
            let window = Some(Duration::from_hours(1));
            let before = interrupted(&house, 1000, window).await;
            for folder in ["plans", "files"] {
                let blob = only(&house.blobs, folder).await;
                house.blobs.delete(&blob).await.unwrap();
            }
            before
        });
        House::live(async || {
            let upstream = upstream(slow());
            let life = house.start(&upstream);
            tokio::time::sleep(Duration::from_mins(10)).await;
            let status = if is_cancelled {
                life.cancel(&before.id).await;
                Status::Cancelled
            } else {
                tokio::time::sleep(Duration::from_hours(1)).await;
                Status::Expired
            };
            let batch = life.end(&before.id, SOON).await.unwrap();
            assert_eq!(batch.state.status(), status);
            assert_eq!(batch.tally.completed, before.tally.completed);
            assert_eq!(batch.tally.ended(), 1000, "every line is counted once");
            assert_eq!(upstream.seen().len(), 0);
            life.stop().await;
        });
    }
}

#[test]
fn a_batch_whose_input_is_altered_before_its_check_fails_and_says_why() {
    let house = House::new();
    House::live(async || {
        let store = house.open();
        let id = Life::prepare(&house, &store, &lines(1000)).await;
        let input = only(&house.blobs, "files").await;
        alter(&house.blobs, &input, 90_000).await;
        drop(store);
        let life = house.start(&upstream(slow()));
        let batch = life.end(&id, SOON).await.unwrap();
        let State::Failed(errors) = &batch.state else {
            panic!("{:?}", batch.state);
        };
        let why = &errors[0].message;
        assert!(why.contains("is lost or damaged on the server"), "{why}");
        let held = format!("the file {}", batch.spec.input_file);
        assert_eq!(quarantined(&life).await, [held]);
        life.stop().await;
    });
}

#[test]
fn a_damaged_line_ends_alone_and_its_blob_is_named() {
    let house = House::new();
    let before = House::live(async || interrupted(&house, 1000, None).await);
    House::live(async || {
        let input = only(&house.blobs, "files").await;
        let length = house.blobs.length(&input).await.unwrap();
        // In the words of the last line.
        alter(&house.blobs, &input, length - 10).await;
        let life = house.start(&upstream(slow()));
        let batch = life.end(&before.id, SOON).await.unwrap();
        assert_eq!(batch.state.status(), Status::Completed);
        assert_eq!((batch.tally.completed, batch.tally.failed), (999, 1));
        let held = format!("the file {}", batch.spec.input_file);
        assert_eq!(quarantined(&life).await, [held]);
        life.stop().await;
    });
}
