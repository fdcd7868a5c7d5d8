//! How batches end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::{Lease, Status};
use overnight_core::segment::Segment;
use overnight_engine::upstream::ModelList;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_store::faulty::{Call, Fault, Faulty, Plan};
use tokio::time::Instant;

use crate::house::{House, ended, ids, lines, numbered, upstream};

const SOON: Duration = Duration::from_mins(1);

fn slow() -> Script {
    Script::by(|_| Step::Late {
        after: Duration::from_millis(200),
        answer: chat_answer("ok"),
    })
}

#[test]
fn a_batch_ends_with_every_line_in_the_file_where_it_belongs() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|seen| {
            let body = String::from_utf8_lossy(&seen.body);
            if body.contains("<3>") {
                Step::Answer(Answer::new(400, r#"{"error":{"message":"no"}}"#))
            } else {
                Step::Answer(chat_answer("ok"))
            }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(100), None).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(100)).await;
        assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-3"]);
        assert_eq!(upstream.seen().len(), 100, "each line was sent once");
        life.stop().await;
    });
}

#[test]
fn a_cancelled_batch_keeps_what_was_done_and_says_what_was_not() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let id = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let sent = upstream.seen().len();
        life.cancel(&id).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
        let results = life.results(&id, &ids(2000)).await;
        assert_eq!(
            upstream.seen().len(),
            sent,
            "nothing was sent after the cancel"
        );
        assert_eq!(results.output.len(), sent, "what was in flight was kept");
        assert!(sent > 0 && sent < 2000);
        life.stop().await;
    });
}

#[test]
fn what_is_in_flight_longer_than_the_grace_is_unrun() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|_| Step::Silent));
        let life = house.start(&upstream);
        let id = life.create(&lines(20), None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        life.cancel(&id).await;
        let batch = life.end(&id, Duration::from_secs(11)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
        let results = life.results(&id, &ids(20)).await;
        assert_eq!(results.error.len(), 20);
        assert_eq!(upstream.in_flight(), 0, "the requests were ended");
        life.stop().await;
    });
}

#[test]
fn a_batch_whose_window_ends_keeps_its_partial_results() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let id = life
            .create(&lines(2000), Some(Duration::from_millis(900)))
            .await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Expired));
        let results = life.results(&id, &ids(2000)).await;
        assert!(results.output.len() > 8, "{}", results.output.len());
        let unrun = results.error.values().next().unwrap();
        assert_eq!(unrun["error"]["code"], "batch_expired");
        life.stop().await;
    });
}

#[test]
fn a_stop_lands_what_is_in_flight_and_the_next_start_goes_on() {
    let house = House::new();
    let id = House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let id = life.create(&lines(500), None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        life.stop().await;
        let (sent, batch) = (upstream.seen().len() as u64, life.batch(&id).await);
        assert_eq!(
            batch.tally.completed, sent,
            "everything that was sent is recorded"
        );
        id
    });
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let before = life.batch(&id).await.tally.completed;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.results(&id, &ids(500)).await;
        assert_eq!(
            upstream.seen().len() as u64,
            500 - before,
            "nothing was sent twice"
        );
        life.stop().await;
    });
}

#[test]
fn the_unrun_lines_of_several_models_keep_their_ids() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|_| Step::Silent));
        upstream.list_models(Ok(ModelList::NoList));
        let life = house.start(&upstream);
        // The plan groups lines by model, so their order in it is not that of the file.
        let lines: Vec<String> = lines(40)
            .into_iter()
            .zip(["first", "second"].into_iter().cycle())
            .map(|(line, model)| line.replace(r#""m""#, &format!("\"{model}\"")))
            .collect();
        let id = life.create(&lines, None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        life.cancel(&id).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
        assert_eq!(life.results(&id, &ids(40)).await.error.len(), 40);
        life.stop().await;
    });
}

#[test]
fn batches_that_end_at_once_with_more_unrun_bytes_than_may_be_in_memory_all_end() {
    let house = House::new();
    House::live(async || {
        let life = house.start(&upstream(Script::by(|_| Step::Silent)));
        // Each has three segments of unrun lines, and all of them many more than are made at a time.
        let padding = "x".repeat(60_000);
        let pad = |text: &str| text.replace("r-", &format!("{padding}-"));
        let lines: Vec<String> = lines(300).iter().map(|line| pad(line)).collect();
        let ids: Vec<String> = ids(300).iter().map(|id| pad(id)).collect();
        let mut batches = Vec::new();
        for _ in 0..5 {
            batches.push(life.create(&lines, None).await);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for id in &batches {
            life.cancel(id).await;
        }
        for id in &batches {
            let batch = life.end(id, SOON).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
            assert_eq!(life.results(id, &ids).await.error.len(), 300);
        }
        life.stop().await;
    });
}

#[test]
fn a_batch_whose_claim_was_not_answered_is_claimed_again() {
    let house = House::new();
    House::live(async || {
        let lost = AtomicBool::new(false);
        let plan = move |verb: &str, call| {
            // The first claims are made before there is a batch.
            let is_hit = verb == "claim" && call > 3 && !lost.swap(true, Ordering::Relaxed);
            if is_hit {
                Fault::DoThenFail
            } else {
                Fault::None
            }
        };
        let store = house.open();
        let faulty = Arc::new(Faulty::new(store.clone(), plan));
        let life = house.start_on(store, faulty, &upstream(slow()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let id = life.create(&lines(10), None).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(
            life.engine.live(&id).is_none(),
            "the engine knows nothing of it"
        );
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.results(&id, &ids(10)).await;
        life.stop().await;
    });
}

/// Stops an engine in the middle of a batch, a verb of its store never being answered from then on;
/// how long it takes.
fn stop_while_it_hangs(hung: &'static str) -> Duration {
    let house = House::new();
    House::live(async || {
        let hangs = Arc::new(AtomicBool::new(false));
        let plan = {
            let hangs = Arc::clone(&hangs);
            move |verb: &str, _| {
                if verb == hung && hangs.load(Ordering::Relaxed) {
                    Fault::Hang
                } else {
                    Fault::None
                }
            }
        };
        let store = house.open();
        let faulty = Arc::new(Faulty::new(store.clone(), plan));
        let life = house.start_on(store, faulty, &upstream(slow()));
        life.create(&lines(500), None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        hangs.store(true, Ordering::Relaxed);
        // Some verbs are asked for at intervals.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let told = Instant::now();
        life.stop().await;
        told.elapsed()
    })
}

#[test]
fn a_store_that_hangs_holds_up_no_stop() {
    // The grace of the settings, and twice the patience with what should have ended.
    let most = Duration::from_secs(25 + 2 * 5);
    for verb in [
        "claim",
        "renew",
        "record",
        "release",
        "garbage",
        "save_progress",
    ] {
        let took = stop_while_it_hangs(verb);
        assert!(took <= most, "{verb} hangs: the stop takes {took:?}");
    }
}

#[test]
fn a_store_that_never_answers_at_all_holds_up_no_stop() {
    let house = House::new();
    House::live(async || {
        let store = house.open();
        let faulty = Arc::new(Faulty::new(store.clone(), |_: &str, _| Fault::Hang));
        let life = house.start_on(store, faulty, &upstream(slow()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = Instant::now();
        life.stop().await;
        assert!(told.elapsed() <= Duration::from_secs(5));
    });
}

#[test]
fn a_disk_that_hangs_holds_up_no_stop() {
    let mut house = House::new();
    let hangs = Arc::new(AtomicBool::new(false));
    let plan = {
        let hangs = Arc::clone(&hangs);
        move |_: &str, _| {
            if hangs.load(Ordering::Relaxed) {
                Fault::Hang
            } else {
                Fault::None
            }
        }
    };
    house.blobs = house.blobs.clone().with_faults(plan);
    House::live(async || {
        let life = house.start(&upstream(slow()));
        life.create(&lines(500), None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        hangs.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let told = Instant::now();
        life.stop().await;
        assert!(told.elapsed() <= Duration::from_secs(35));
    });
}

#[test]
fn a_small_batch_ends_with_the_commit_of_its_last_lines() {
    let house = House::new();
    let asked: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    // The first answer is lost.
    let plan = {
        let asked = Arc::clone(&asked);
        move |verb: &'static str, _| {
            let mut asked = asked.lock().unwrap();
            let is_first = !asked.contains(&verb);
            asked.push(verb);
            if verb == "record_last" && is_first {
                Fault::DoThenFail
            } else {
                Fault::None
            }
        }
    };
    House::live(async || {
        let store = house.open();
        let faulty = Arc::new(Faulty::new(store.clone(), plan));
        let life = house.start_on(store, faulty, &upstream(slow()));
        let id = life.create(&lines(5), None).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        assert_eq!(life.results(&id, &ids(5)).await.output.len(), 5);
        life.stop().await;
    });
    let mut endings = asked.lock().unwrap().clone();
    endings.retain(|verb| ["record", "record_last", "seal"].contains(verb));
    assert_eq!(endings, ["record_last", "record_last"]);
}

/// Records the last of five lines with the first segment already, in the place of the first line.
struct Doubled(Arc<Mutex<Vec<&'static str>>>);

impl Plan for Doubled {
    fn fault(&self, call: &Call<'_>) -> Fault {
        self.0.lock().unwrap().push(call.verb);
        Fault::None
    }

    fn recorded(&self, _lease: &Lease, segment: &Segment) -> Option<Segment> {
        let mut kept = segment.clone();
        if segment.seq == 0 {
            assert_eq!(segment.lines.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
            kept.lines = [2, 3, 4, 5].into_iter().collect();
        }
        Some(kept)
    }
}

#[test]
fn the_last_lines_are_kept_also_when_their_batch_cannot_end() {
    let house = House::new();
    let asked: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    House::live(async || {
        let store = house.open();
        let faulty = Faulty::new(store.clone(), Doubled(Arc::clone(&asked)));
        let upstream = upstream(numbered(|number| Step::Late {
            after: Duration::from_secs(if number == 4 { 5 } else { 1 }),
            answer: chat_answer("ok"),
        }));
        let life = house.start_on(store, Arc::new(faulty), &upstream);
        let id = life.create(&lines(5), None).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let batch = life.batch(&id).await;
        assert_eq!(batch.state.status(), Status::InProgress);
        assert_eq!(batch.tally.completed, 5, "what was paid for is kept");
        assert_eq!(upstream.seen().len(), 5, "and not asked for again");
        life.stop().await;
    });
    let mut verbs = asked.lock().unwrap().clone();
    verbs.retain(|verb| ["record", "record_last", "seal"].contains(verb));
    assert_eq!(verbs, ["record", "record_last", "record", "seal"]);
}
