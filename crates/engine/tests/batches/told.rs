//! What people are told while batches run and when they have ended.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_core::id::ProjectId;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_store::Store as _;
use overnight_store::status::{UpstreamHealth, UpstreamStatus};

use crate::house::{House, Life, ended, ids, lines, numbered, upstream};

const SOON: Duration = Duration::from_mins(1);

fn late(after: Duration) -> Script {
    Script::by(move |_| Step::Late {
        after,
        answer: chat_answer("ok"),
    })
}

async fn told_of_upstream(life: &Life) -> UpstreamStatus {
    let mut upstreams = life.store.upstreams().await.unwrap();
    assert_eq!(upstreams.len(), 1);
    upstreams.remove(0)
}

#[test]
fn metrics_count_what_happened() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(late(Duration::from_secs(3)));
        let life = house.start(&upstream);
        let id = life.create(&lines(500), None).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let in_flight = life.metric("overnight_upstream_in_flight{upstream=\"scripted\"}");
        assert_eq!(
            in_flight,
            Some(f64::from(u32::try_from(upstream.in_flight()).unwrap()))
        );
        let open = life.metric("overnight_batches{status=\"in_progress\"}");
        assert_eq!(open, Some(1.0));
        let batch = life.end(&id, 10 * SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (name, value) in [
            ("overnight_lines_total{outcome=\"completed\"}", 500.0),
            ("overnight_lines_total{outcome=\"failed\"}", 0.0),
            (
                "overnight_attempts_total{upstream=\"scripted\",result=\"answered\"}",
                500.0,
            ),
            (
                "overnight_attempt_seconds_count{upstream=\"scripted\"}",
                500.0,
            ),
            (
                "overnight_attempt_seconds_sum{upstream=\"scripted\"}",
                1500.0,
            ),
            ("overnight_flushed_lines_total", 500.0),
            ("overnight_upstream_in_flight{upstream=\"scripted\"}", 0.0),
            ("overnight_upstream_healthy{upstream=\"scripted\"}", 1.0),
            ("overnight_batches{status=\"in_progress\"}", 0.0),
            ("overnight_batches{status=\"completed\"}", 1.0),
            ("overnight_quarantined_blobs", 0.0),
        ] {
            assert_eq!(life.metric(name), Some(value), "{name}");
        }
        let flushes = life.metric("overnight_flushes_total").unwrap();
        assert!(flushes >= 1.0);
        assert_eq!(life.metric("overnight_flush_seconds_count"), Some(flushes));
        life.stop().await;
    });
}

#[test]
fn how_an_upstream_is_doing_is_saved_when_it_changes() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(late(Duration::from_secs(5)));
        let life = house.start(&upstream);
        life.create(&lines(4), None).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let busy = told_of_upstream(&life).await;
        assert_eq!((busy.in_flight, busy.health), (4, UpstreamHealth::Healthy));
        tokio::time::sleep(Duration::from_secs(20)).await;
        let idle = told_of_upstream(&life).await;
        assert_eq!(idle.in_flight, 0);
        tokio::time::sleep(Duration::from_mins(10)).await;
        let later = told_of_upstream(&life).await;
        assert_eq!(later.updated_at, idle.updated_at, "nothing has changed");
        life.stop().await;
    });
}

#[test]
fn lines_that_wait_for_another_attempt_are_counted() {
    let house = House::new();
    House::live(async || {
        let broken = numbered(|number| {
            if number < 5 {
                Step::Answer(Answer::new(500, "broken"))
            } else {
                Step::Silent
            }
        });
        let upstream = upstream(broken);
        let life = house.start(&upstream);
        let id = life.create(&lines(5), None).await;
        let mut most = 0;
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let told = life
                .store
                .progress(&ProjectId::default_project(), &id)
                .await;
            most = most.max(told.unwrap().map_or(0, |told| told.retrying));
        }
        assert!(most > 0, "none was told");
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}

#[test]
fn a_running_batch_tells_how_many_lines_ended_how() {
    let house = House::new();
    House::live(async || {
        let some = numbered(|number| match number {
            0..3 => Step::Answer(chat_answer("ok")),
            3..5 => Step::Answer(Answer::new(400, r#"{"error":{"message":"no"}}"#)),
            _ => Step::Silent,
        });
        let life = house.start(&upstream(some));
        let id = life.create(&lines(8), None).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let live = life.engine.live(&id).unwrap();
        assert_eq!((live.total, live.completed, live.failed), (8, 3, 2));
        assert_eq!((live.in_flight, live.retrying), (3, 0));
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        assert!(life.engine.live(&id).is_none());
        life.stop().await;
    });
}

#[test]
fn results_wait_for_others_until_the_oldest_is_old_enough() {
    let house = House::new();
    House::live(async || {
        // An answer every tenth of a second.
        let trickle = numbered(|number| Step::Late {
            after: Duration::from_millis(100 * number),
            answer: chat_answer("ok"),
        });
        let upstream = upstream(trickle);
        let life = house.start(&upstream);
        let id = life.create(&lines(20), None).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.results(&id, &ids(20)).await;
        let flushes = life.metric("overnight_flushes_total").unwrap();
        assert!((2.0..10.0).contains(&flushes), "{flushes}");
        let segments = life.store.segments(&id, None, 1000).await.unwrap();
        assert!(segments.iter().all(|segment| segment.index.is_some()));
        life.stop().await;
    });
}

#[test]
fn nothing_expires_while_the_clock_is_behind_what_is_stored() {
    let house = House::new();
    House::live(async || {
        let life = house.start(&upstream(late(Duration::ZERO)));
        let id = life.create(&lines(1), None).await;
        life.end(&id, SOON).await;
        assert_eq!(life.engine.concern(), None);
        life.stop().await;
    });
    house.turn_back(Duration::from_hours(24));
    House::live(async || {
        let upstream = upstream(Script::by(|_| Step::Silent));
        let life = house.start(&upstream);
        let id = life.create(&lines(1), Some(Duration::from_mins(1))).await;
        tokio::time::sleep(Duration::from_mins(8)).await;
        assert!(life.engine.concern().unwrap().contains("clock"));
        assert_eq!(life.batch(&id).await.state.status(), Status::InProgress);
        let batch = life.end(&id, Duration::from_mins(5)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Expired));
        life.stop().await;
    });
}

#[test]
fn large_answers_do_not_wait_for_each_other() {
    let house = House::new();
    House::live(async || {
        // Each with line ends, which its line in the file must not have.
        let body = format!("{{\n\"text\":\"{}\"\n}}", "x".repeat(1 << 20));
        let large = numbered(move |number| Step::Late {
            after: Duration::from_millis(number),
            answer: Answer::new(200, body.clone()),
        });
        let upstream = upstream(large);
        let life = house.start(&upstream);
        let id = life.create(&lines(13), None).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(13)).await;
        let text =
            |line: &serde_json::Value| line["response"]["body"]["text"].as_str().map(str::len);
        assert!(
            results
                .output
                .values()
                .all(|line| text(line) == Some(1 << 20))
        );
        let segments = life.store.segments(&id, None, 100).await.unwrap();
        let most = segments.iter().map(|segment| segment.tally.completed).max();
        assert!(
            segments.len() >= 3 && most <= Some(5),
            "{most:?} in {}",
            segments.len()
        );
        life.stop().await;
    });
}
