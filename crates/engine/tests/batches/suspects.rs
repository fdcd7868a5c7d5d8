//! Which line takes its upstream down: found by running alone, and no other is taken for it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Script, Step};
use tokio::time::Instant;

use crate::house::{House, ended, fixed, good, ids, lines, part, refusal, upstream};

/// One line of many takes the upstream down for half a minute, which answers with 500 for that long before
/// it is gone.
fn dying(last_breath: Duration) {
    let house = House::new();
    House::live(async || {
        let kills = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&kills);
        let hit_at: Mutex<Option<Instant>> = Mutex::default();
        let upstream = upstream(Script::by(move |seen| {
            let mut hit_at = hit_at.lock().unwrap();
            match hit_at.map(|at| at.elapsed()) {
                Some(since) if since < last_breath => return refusal(500),
                Some(since) if since < Duration::from_secs(30) => return Step::Refuse,
                Some(_) | None => {}
            }
            if String::from_utf8_lossy(&seen.body).contains("<40>") {
                counted.fetch_add(1, Ordering::SeqCst);
                *hit_at = Some(Instant::now());
                return refusal(500);
            }
            good()
        }));
        let life = house.start_with(vec![part("mortal", &upstream, fixed(8))]);
        let id = life.create(&lines(10_000), None).await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        let live = life.engine.live(&id).unwrap();
        assert_eq!(live.failed, 1, "it does not wait for the others to end");
        assert!(live.completed < 5000);
        let batch = life.end(&id, Duration::from_mins(30)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(10_000)).await;
        assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-40"]);
        let status = &results.error["r-40"]["response"]["status_code"];
        assert_eq!(
            (status.as_u64(), kills.load(Ordering::SeqCst)),
            (Some(500), 4),
            "twice among others, and twice alone"
        );
        life.stop().await;
    });
}

#[test]
fn a_line_over_which_its_upstream_dies_with_a_500_is_found_as_well() {
    dying(Duration::ZERO);
}

#[test]
fn a_line_over_which_its_upstream_answers_500_for_a_while_before_it_is_gone_is_found_as_well() {
    dying(Duration::from_secs(2));
}

#[test]
fn a_line_that_kills_its_upstream_is_found_and_the_others_end_well() {
    let house = House::new();
    House::live(async || {
        // The killer takes the upstream down for two seconds; whatever is sent meanwhile is reset.
        let down_until = Mutex::new(Instant::now());
        let upstream = upstream(Script::by(move |seen| {
            let mut down_until = down_until.lock().unwrap();
            let killer = String::from_utf8_lossy(&seen.body).contains("<40>");
            if killer && *down_until <= Instant::now() {
                *down_until = Instant::now() + Duration::from_secs(2);
            }
            if *down_until > Instant::now() {
                Step::Reset
            } else {
                good()
            }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(200), None).await;
        let batch = life.end(&id, Duration::from_mins(30)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(200)).await;
        assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-40"]);
        life.stop().await;
    });
}

/// An upstream that resets connections for `first`, answers one line, resets them for three seconds more,
/// and does `then` from there on: all that was in flight in both were lost twice.
fn lost_twice(first: Duration, then: fn(times_sent: usize) -> Step) -> Script {
    let began = Instant::now();
    let answered_at: Mutex<Option<Instant>> = Mutex::default();
    let sent: Mutex<HashMap<Vec<u8>, usize>> = Mutex::default();
    Script::by(move |seen| {
        if began.elapsed() < first {
            return Step::Reset;
        }
        let mut answered_at = answered_at.lock().unwrap();
        let Some(at) = *answered_at else {
            *answered_at = Some(Instant::now());
            return good();
        };
        if at.elapsed() < Duration::from_secs(3) {
            return Step::Reset;
        }
        let mut sent = sent.lock().unwrap();
        let times = sent.entry(seen.body.to_vec()).or_default();
        *times += 1;
        then(*times)
    })
}

/// Runs so many lines at such an upstream; all are answered.
fn all_are_answered(count: usize, first: Duration, then: fn(times_sent: usize) -> Step) {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(lost_twice(first, then));
        let life = house.start_with(vec![part("mortal", &upstream, fixed(8))]);
        let id = life.create(&lines(count), None).await;
        let batch = life.end(&id, Duration::from_hours(1)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        assert_eq!(batch.unwrap().tally.completed, count as u64);
        life.stop().await;
    });
}

#[test]
fn an_outage_however_long_is_one_loss_of_a_line() {
    all_are_answered(4, Duration::from_secs(45), |_| good());
}

#[test]
fn a_suspect_that_is_answered_with_an_error_by_an_upstream_that_stays_up_is_tried_again() {
    all_are_answered(40, Duration::from_secs(2), |times| match times {
        1 | 2 => refusal(500),
        _ => good(),
    });
}

#[test]
fn the_others_go_on_while_many_lines_wait_to_run_alone() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(lost_twice(Duration::from_secs(1), |_| good()));
        let life = house.start_with(vec![part("mortal", &upstream, fixed(64))]);
        let id = life.create(&lines(20_000), None).await;
        // They wait for a minute; then their upstream falls idle for them.
        tokio::time::sleep(Duration::from_secs(67)).await;
        let done = || life.engine.live(&id).unwrap().completed;
        let before = done();
        tokio::time::sleep(Duration::from_secs(25)).await;
        let all = 25 * 64 * 2;
        let others = done() - before;
        assert!(
            others > all / 2 && others < all * 9 / 10,
            "{others} of {all}"
        );
        let batch = life.end(&id, Duration::from_mins(30)).await.unwrap();
        assert_eq!(batch.tally.completed, 20_000);
        life.stop().await;
    });
}

/// An upstream that goes down twice every eight seconds, with one line answered in between.
fn ailing(times: u32) -> Script {
    let began = Instant::now();
    let answered: Mutex<HashSet<u64>> = Mutex::default();
    Script::by(move |_| {
        let (time, cycle) = (began.elapsed().as_secs(), 8);
        let (number, phase) = (time / cycle, time % cycle);
        if number >= u64::from(times) || phase >= 5 {
            return good();
        }
        if phase >= 1 && answered.lock().unwrap().insert(number) {
            return good();
        }
        Step::Reset
    })
}

#[test]
fn more_suspects_than_retries_may_wait_hold_up_no_fresh_line() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(ailing(4));
        let life = house.start_with(vec![part("mortal", &upstream, fixed(8))]);
        let id = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_secs(34)).await;
        let before = life.engine.live(&id).unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        let others = life.engine.live(&id).unwrap().completed - before.completed;
        assert!(before.retrying > 16 && others > 40, "{before:?}, {others}");
        let batch = life.end(&id, Duration::from_mins(30)).await.unwrap();
        assert_eq!(batch.tally.completed, 2000);
        life.stop().await;
    });
}
