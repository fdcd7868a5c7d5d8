//! Batches that are so slow that each line has a segment of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_store::Store as _;
use overnight_store::faulty::{Fault, Faulty};

use crate::house::{House, ended, ids, lines, numbered, upstream};

const LINES: usize = 200;

/// Each takes a second longer than the one before, so that no two are recorded together; each seventh is
/// a refusal, for the other file.
fn slow() -> Script {
    numbered(|number| {
        let answer = if number % 7 == 3 {
            Answer::new(400, r#"{"error":{"message":"no"}}"#)
        } else {
            chat_answer("ok")
        };
        Step::Late {
            after: Duration::from_secs(number),
            answer,
        }
    })
}

#[test]
fn small_segments_become_few_and_every_byte_stays_where_it_was() {
    for house in [House::new(), House::appending()] {
        House::live(async || {
            let life = house.start(&upstream(slow()));
            let id = life.create(&lines(LINES), None).await;
            let mut most = 0;
            while !life.batch(&id).await.state.status().is_terminal() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let segments = life.store.segments(&id, None, 1000).await.unwrap();
                most = most.max(segments.len());
            }
            let flushes = life.metric("overnight_flushes_total").unwrap();
            assert!(flushes > 150.0, "{flushes}");
            assert!(most < 140, "{most} segments at once, of {flushes}");
            let segments = life.store.segments(&id, None, 1000).await.unwrap();
            assert!(segments.len() < 80, "{} are left", segments.len());
            for segment in &segments {
                assert!(segment.index.is_some());
                for extent in [&segment.output, &segment.error].into_iter().flatten() {
                    house.blobs.verify(extent).await.unwrap();
                }
            }
            let of_segments: u64 = segments.iter().map(|segment| segment.tally.ended()).sum();
            assert_eq!(of_segments, LINES as u64);
            let batch = life.batch(&id).await;
            assert_eq!(ended(Some(&batch)), Some(Status::Completed));
            life.results(&id, &ids(LINES)).await;
            life.stop().await;
        });
    }
}

/// By which verbs a batch of so many lines was recorded and ended, in order, those that repeat the one
/// before left out; and how many segments it had.
fn ends_by(count: usize) -> (Vec<&'static str>, f64) {
    let house = House::new();
    let asked: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let plan = {
        let asked = Arc::clone(&asked);
        move |verb: &'static str, _| {
            if ["record", "record_last", "seal"].contains(&verb) {
                asked.lock().unwrap().push(verb);
            }
            Fault::None
        }
    };
    let segments = House::live(async || {
        let store = house.open();
        let faulty = Arc::new(Faulty::new(store.clone(), plan));
        let life = house.start_on(store, faulty, &upstream(slow()));
        let id = life.create(&lines(count), None).await;
        let batch = life.end(&id, Duration::from_hours(2)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let segments = life.metric("overnight_flushes_total").unwrap();
        life.stop().await;
        segments
    });
    let mut verbs = asked.lock().unwrap().clone();
    verbs.dedup();
    (verbs, segments)
}

#[test]
fn a_batch_that_may_be_being_merged_is_sealed_by_itself() {
    let (verbs, segments) = ends_by(20);
    assert!(segments > 1.0 && segments < 64.0, "{segments}");
    assert_eq!(verbs, ["record", "record_last"]);
    let (verbs, segments) = ends_by(120);
    assert!(segments > 64.0, "{segments}");
    assert_eq!(verbs, ["record", "seal"]);
}
