//! Batches that are so slow that each line has a segment of its own.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_store::Store as _;

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
