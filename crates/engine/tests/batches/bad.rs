//! Lines that fail whenever they are sent, however many: they end, and nobody waits for them for long.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use tokio::time::Instant;

use crate::house::{House, ended, fixed, ids, lines, lines_of, part, upstream};

const SOON: Duration = Duration::from_mins(1);

fn good(after: Duration) -> Step {
    Step::Late {
        after,
        answer: chat_answer("ok"),
    }
}

fn broken() -> Step {
    Step::Answer(Answer::new(500, r#"{"error":{"message":"no"}}"#))
}

/// What became of a batch with bad lines.
#[derive(Debug)]
struct Course {
    /// When its good lines were done.
    good: Duration,
    /// When it had ended.
    all: Duration,
    /// The most retries that waited.
    retries: u64,
}

/// Runs a batch of which every so many lines fail at once, whenever they are sent, while the good ones
/// take some time.
fn with_bad_lines(
    bad: fn() -> Step,
    (count, every): (usize, u64),
    took: Duration,
    places: u32,
) -> Course {
    let house = House::new();
    House::live(async || {
        let script = Script::by(move |seen| {
            let text = String::from_utf8_lossy(&seen.body);
            let number: u64 = text.split(['<', '>']).nth(1).unwrap().parse().unwrap();
            // They lie about, some of them side by side.
            match number * 7919 % 1_000_003 % every {
                0 => bad(),
                _ => good(took),
            }
        });
        let life = house.start_with(vec![part("one", &upstream(script), fixed(places))]);
        let began = Instant::now();
        let id = life.create(&lines(count), None).await;
        let is_bad = |number: &usize| (*number as u64 * 7919 % 1_000_003).is_multiple_of(every);
        let all_bad = (0..count).filter(is_bad).count();
        let (mut good, mut retries) = (Duration::MAX, 0);
        while !life.batch(&id).await.state.status().is_terminal() {
            assert!(began.elapsed() < Duration::from_hours(3), "it hangs");
            if let Some(live) = life.engine.live(&id) {
                retries = retries.max(live.retrying);
                if live.completed == (count - all_bad) as u64 {
                    good = good.min(began.elapsed());
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let all = began.elapsed();
        let results = life.results(&id, &ids(count)).await;
        assert_eq!(results.error.len(), all_bad);
        life.stop().await;
        Course { good, all, retries }
    })
}

#[test]
fn bad_lines_however_many_end_in_time_and_the_others_go_on_meanwhile() {
    let lost = || Step::Reset;
    let (moment, seconds) = (Duration::from_millis(20), Duration::from_secs(10));
    let minute = Duration::from_mins(1);
    for (bad, lines, took, places, (good, all)) in [
        (broken as fn() -> Step, (20_000, 20), moment, 40, (2, 15)),
        (lost, (20_000, 20), moment, 40, (6, 35)),
        (broken, (2000, 20), seconds, 40, (10, 15)),
        (broken, (1000, 2), seconds, 40, (8, 25)),
        (lost, (1000, 2), seconds, 40, (20, 80)),
        (broken, (3000, 2), moment, 40, (6, 35)),
        (broken, (6000, 3), minute, 500, (20, 120)),
    ] {
        let course = with_bad_lines(bad, lines, took, places);
        // The last bad lines, with no good ones left, are tried one at a time.
        let is_soon = course.good < good * minute && course.all < all * minute;
        let few = 15 * u64::from(places);
        assert!(
            is_soon && course.retries < few,
            "{lines:?}, {took:?}: {course:?}"
        );
    }
}

#[test]
fn the_bad_lines_of_one_batch_do_not_hold_up_another() {
    let house = House::new();
    House::live(async || {
        let script = Script::by(|seen| match String::from_utf8_lossy(&seen.body) {
            body if body.contains(r#""content":"<9"#) => good(Duration::from_millis(20)),
            _ => broken(),
        });
        let life = house.start_with(vec![part("one", &upstream(script), fixed(20))]);
        let bad = life.create(&lines_of("m", 10_000..30_000), None).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let began = Instant::now();
        let good = life.create(&lines_of("m", 90_000..94_000), None).await;
        let batch = life.end(&good, 10 * SOON).await;
        let took = began.elapsed();
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        assert_eq!(batch.unwrap().tally.completed, 4000);
        assert!(took < Duration::from_secs(15), "{took:?}");
        life.cancel(&bad).await;
        life.end(&bad, SOON).await;
        life.stop().await;
    });
}

#[test]
fn a_file_that_begins_with_many_bad_lines_comes_to_its_good_ones() {
    let house = House::new();
    House::live(async || {
        let script = Script::by(|seen| match String::from_utf8_lossy(&seen.body) {
            body if body.contains(r#""content":"<9"#) => good(Duration::from_millis(20)),
            _ => broken(),
        });
        let life = house.start_with(vec![part("one", &upstream(script), fixed(4))]);
        let bad = lines_of("m", 1000..1500);
        let good = lines_of("m", 9000..9500);
        let id = life.create(&[bad, good].concat(), None).await;
        let batch = life.end(&id, Duration::from_hours(2)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let batch = batch.unwrap();
        assert_eq!((batch.tally.completed, batch.tally.failed), (500, 500));
        life.stop().await;
    });
}

#[test]
fn good_lines_behind_more_bad_ones_than_may_wait_are_come_to() {
    let house = House::new();
    House::live(async || {
        let script = Script::by(|seen| match String::from_utf8_lossy(&seen.body) {
            body if body.contains(r#""content":"<9"#) => good(Duration::from_millis(20)),
            _ => broken(),
        });
        let life = house.start_with(vec![part("one", &upstream(script), fixed(4))]);
        let bad = lines_of("m", 10_000..20_200);
        let good = lines_of("m", 90_000..90_100);
        let id = life.create(&[bad, good].concat(), None).await;
        let began = Instant::now();
        while life
            .engine
            .live(&id)
            .is_none_or(|live| live.completed < 100)
        {
            assert!(
                began.elapsed() < Duration::from_hours(5),
                "they wait for ever"
            );
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}
