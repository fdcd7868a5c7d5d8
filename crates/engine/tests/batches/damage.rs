//! Batches whose files are lost or altered on the disk.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use overnight_core::batch::{Batch, State, Status, Tally};
use overnight_core::id::{BatchId, WorkerId};
use overnight_core::segment::{BlobKey, LineSet, ResultFile, Segment};
use overnight_core::usage::Usage;
use overnight_engine::upstream::scripted::{Script, Step, chat_answer};
use overnight_store::blobs::ExtentReader;
use overnight_store::store::Content;
use overnight_store::{Blobs, Store as _};
use serde_json::Value;

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

/// Puts other bytes in the place of some that are there once.
async fn replace(blobs: &Blobs, key: &BlobKey, old: &str, new: &str) {
    let length = blobs.length(key).await.unwrap();
    let bytes = blobs.read(key, 0..length).await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert_eq!((text.matches(old).count(), old.len()), (1, new.len()));
    let text = text.replace(old, new);
    blobs.put(key, vec![text.into()]).await.unwrap();
}

/// A line too long to be held in memory, whose words end so.
fn long_line(id: &str, end: &str) -> String {
    let words = "word ".repeat(20_000);
    lines(1)[0]
        .replace("r-0", id)
        .replace("<0>", &format!("{words}{end}"))
}

/// How often each id is in a result file of the batch; damaged ones have none. Every line is one
/// JSON object.
async fn found_ids(house: &House, life: &Life, id: &BatchId, file: ResultFile) -> IdCounts {
    let content = Content::Results(id.clone(), file);
    let extents = life.store.extents(&content, 0, 100_000).await.unwrap();
    let mut reader = ExtentReader::new(house.blobs.clone(), extents, 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let mut found = IdCounts::new();
    for line in String::from_utf8(bytes).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["custom_id"].as_str().map(str::to_owned);
        *found.entry(id).or_default() += 1;
    }
    found
}

type IdCounts = BTreeMap<Option<String>, usize>;

/// Records an outcome for a line of a batch that nobody runs.
async fn record(house: &House, batch: &Batch, line: u32) {
    let store = house.open();
    let worker = WorkerId::new(batch.created_at, 7);
    let claims = store.claim(&worker, 1, batch.created_at).await.unwrap();
    let lease = claims[0].lease.clone();
    let mut lines = LineSet::new();
    lines.insert(line);
    let segment = Segment {
        epoch: lease.epoch,
        seq: 0,
        output: None,
        error: None,
        index: None,
        lines,
        tally: Tally {
            unrun: 1,
            ..Tally::default()
        },
        usage: Usage::default(),
    };
    store.record(&lease, &segment).await.unwrap();
    store.release(&lease).await.unwrap();
}

/// A batch of which some lines are recorded, and whose engine was killed.
async fn interrupted(house: &House, count: usize, window: Option<Duration>) -> Batch {
    interrupted_of(house, &lines(count), window).await
}

async fn interrupted_of(house: &House, lines: &[String], window: Option<Duration>) -> Batch {
    let upstream = upstream(slow());
    let life = house.start(&upstream);
    let id = life.create(lines, window).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let batch = life.batch(&id).await;
    let (done, count) = (batch.tally.completed, lines.len());
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
            assert_eq!(quarantined(&life).await, Vec::<String>::new());
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
        assert!(life.end(&before.id, SOON * 2).await.is_none());
        let why = reason(&life, &before).await.unwrap();
        assert!(why.contains("its plan and its input are lost"), "{why}");
        assert_eq!(upstream.seen().len(), 0, "an altered line is never sent");

        // Somebody puts the input back.
        house.blobs.put(&input, vec![whole.clone()]).await.unwrap();
        let batch = life.end(&before.id, SOON * 3).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.results(&before.id, &ids(1000)).await;
        life.stop().await;
    });
    // The first sweep of a life looks at what is in quarantine.
    House::live(async || {
        let life = house.start(&upstream(slow()));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(quarantined(&life).await, Vec::<String>::new());
        life.stop().await;
    });
}

#[test]
fn a_batch_that_lost_its_plan_and_its_input_ends_by_a_cancel_and_at_its_deadline() {
    for is_cancelled in [true, false] {
        let house = House::new();
        let before = House::live(async || {
            let window = Some(Duration::from_mins(5));
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
            tokio::time::sleep(Duration::from_mins(2)).await;
            let status = if is_cancelled {
                life.cancel(&before.id).await;
                Status::Cancelled
            } else {
                tokio::time::sleep(Duration::from_mins(3)).await;
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

/// Lines of which the last ones are never reached, three of them long.
fn with_long_lines() -> Vec<String> {
    let mut lines = lines(1000);
    lines.extend(["long-1", "long-2", "long-3"].map(|id| long_line(id, &format!("({id})"))));
    lines
}

#[test]
fn damaged_ids_neither_double_nor_split_the_lines_of_the_unrun() {
    let house = House::new();
    let before = House::live(async || interrupted_of(&house, &with_long_lines(), None).await);
    House::live(async || {
        let input = only(&house.blobs, "files").await;
        for (old, new) in [
            ("\"r-990\"", "\"r-\n90\""),
            ("\"r-991\"", "\"r-992\""),
            ("\"r-993\"", "\"r\"993\""),
            ("\"long-1\"", "\"long\n1\""),
            ("(long-2)", "(long+2)"),
        ] {
            replace(&house.blobs, &input, old, new).await;
        }
        let life = house.start(&upstream(Script::by(|_| Step::Late {
            after: Duration::from_hours(1),
            answer: chat_answer("ok"),
        })));
        life.cancel(&before.id).await;
        let batch = life.end(&before.id, SOON).await.unwrap();
        assert_eq!(batch.state.status(), Status::Cancelled);
        assert_eq!(batch.tally.ended(), 1003, "every line is counted once");
        let found = found_ids(&house, &life, &before.id, ResultFile::Error).await;
        assert_eq!(found.values().sum::<usize>() as u64, batch.tally.unrun);
        assert_eq!(found.get(&None), Some(&5), "the damaged ones have no id");
        let whole = found.iter().filter(|(id, _)| id.is_some());
        assert!(whole.clone().all(|(_, count)| *count == 1), "{found:?}");
        assert!(found.contains_key(&Some("long-3".to_owned())));
        let held = format!("the file {}", batch.spec.input_file);
        assert_eq!(quarantined(&life).await, [held]);
        life.stop().await;
    });
}

#[test]
fn a_damaged_long_line_ends_without_an_id_and_is_never_sent() {
    let house = House::new();
    let before = House::live(async || interrupted_of(&house, &with_long_lines(), None).await);
    House::live(async || {
        let input = only(&house.blobs, "files").await;
        replace(&house.blobs, &input, "\"long-1\"", "\"long\n1\"").await;
        replace(&house.blobs, &input, "(long-2)", "(long+2)").await;
        let upstream = upstream(Script::by(|_| Step::Answer(chat_answer("ok"))));
        let life = house.start(&upstream);
        let batch = life.end(&before.id, SOON).await.unwrap();
        assert_eq!(batch.state.status(), Status::Completed);
        assert_eq!((batch.tally.completed, batch.tally.failed), (1001, 2));
        let left = 1003 - before.tally.ended();
        assert_eq!(upstream.seen().len() as u64, left - 2, "not sent at all");
        let found = found_ids(&house, &life, &before.id, ResultFile::Error).await;
        assert_eq!(found, BTreeMap::from([(None, 2)]));
        let held = format!("the file {}", batch.spec.input_file);
        assert_eq!(quarantined(&life).await, [held]);
        life.stop().await;
    });
}

#[test]
fn a_contradictory_batch_stands_still_alone() {
    let house = House::new();
    let before = House::live(async || interrupted(&house, 1000, None).await);
    House::live(async || {
        // The first line, a second time.
        record(&house, &before, 1).await;
        let life = house.start(&upstream(Script::by(|_| Step::Answer(chat_answer("ok")))));
        assert!(life.end(&before.id, SOON / 2).await.is_none());
        let why = reason(&life, &before).await.unwrap();
        assert!(why.contains("it cannot go on"), "{why}");
        let other = life.create(&lines(10), None).await;
        let batch = life.end(&other, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.stop().await;
    });
}

#[test]
fn a_line_that_was_ended_under_a_free_number_is_counted_once() {
    for is_stranded in [false, true] {
        let house = House::new();
        let spaced: Vec<String> = lines(1000)
            .into_iter()
            .map(|line| format!("{line}\n"))
            .collect();
        let before = House::live(async || interrupted_of(&house, &spaced, None).await);
        House::live(async || {
            // Every second line is blank, so this one is of no request.
            record(&house, &before, 2).await;
            let life = house.start(&upstream(slow()));
            if is_stranded {
                assert!(life.end(&before.id, SOON / 2).await.is_none());
                let why = reason(&life, &before).await.unwrap();
                assert!(why.contains("it cannot go on"), "{why}");
            }
            life.cancel(&before.id).await;
            let batch = life.end(&before.id, SOON * 2).await.unwrap();
            assert_eq!(batch.state.status(), Status::Cancelled);
            assert_eq!(batch.tally.ended(), 1000, "every line is counted once");
            life.stop().await;
        });
    }
}
