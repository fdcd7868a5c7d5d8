//! Bad weather at an upstream, hours of it in paused time: nothing is lost, nothing is charged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use overnight_core::batch::{Batch, Status};
use overnight_engine::upstream::ModelList;
use overnight_engine::upstream::scripted::{Answer, Script, ScriptedUpstream, Step, chat_answer};
use tokio::time::Instant;

use crate::house::{House, Life, ended, ids, lines, serving, upstream};

/// How many lines each batch has.
const LINES: usize = 600;

fn good() -> Step {
    Step::Late {
        after: Duration::from_millis(500),
        answer: chat_answer("ok"),
    }
}

fn refused(status: u16) -> Answer {
    Answer::new(status, r#"{"error":{"message":"no"}}"#)
}

/// Runs a batch through a script, checks that every line was answered, and says how long it took.
fn weather(script: Script) -> Duration {
    let house = House::new();
    House::live(async || {
        let began = Instant::now();
        let life = house.start(&upstream(script));
        let id = life.create(&lines(LINES), None).await;
        // Looked at rarely: what is paused is hours long.
        while !life.batch(&id).await.state.status().is_terminal() {
            assert!(began.elapsed() < Duration::from_hours(20), "it hangs");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let took = began.elapsed();
        let batch = life.batch(&id).await;
        assert_eq!(ended(Some(&batch)), Some(Status::Completed));
        let results = life.results(&id, &ids(LINES)).await;
        assert_eq!(results.output.len(), LINES, "no line failed");
        life.stop().await;
        took
    })
}

/// So many requests are answered 429 with these headers; the rest well.
fn storm(refusals: usize, headers: &[(&str, &str)]) -> Duration {
    let answer = headers.iter().fold(refused(429), |answer, (name, value)| {
        answer.with_header(name, value)
    });
    let left = AtomicUsize::new(refusals);
    weather(Script::by(move |_| {
        let took = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        if took.is_ok() {
            Step::Answer(answer.clone())
        } else {
            good()
        }
    }))
}

#[test]
fn a_storm_of_429s_costs_no_line_anything_whatever_it_says_of_when_to_come_again() {
    const DATE: (&str, &str) = ("date", "Tue, 29 Feb 2028 23:59:30 GMT");
    let past = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    let soon = ("retry-after", "Wed, 01 Mar 2028 00:00:15 GMT");
    let never = ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT");
    // Those that say nothing that can be believed are asked again at the upstream's own pace.
    for headers in [
        &[][..],
        &[("retry-after", "0")],
        &[("retry-after", "-20")],
        &[("retry-after", "soon")],
        &[("retry-after", "0.25")],
        &[("retry-after", "")],
        &[("retry-after-ms", "150")],
        &[DATE, past],
        &[soon],
    ] {
        let took = storm(8, headers);
        assert!(took < Duration::from_mins(20), "{headers:?}: {took:?}");
    }
    // Those that name a time are given it, and none more than ten minutes.
    let least = |headers: &[(&str, &str)], least: Duration| {
        let took = storm(1, headers);
        assert!(took >= least, "{headers:?}: {took:?}");
        let most = least + Duration::from_mins(1);
        assert!(took < most, "{headers:?}: {took:?}");
    };
    least(&[("retry-after", "20")], Duration::from_secs(20));
    least(&[DATE, soon], Duration::from_secs(45));
    least(&[DATE, never], Duration::from_mins(10));
}

#[test]
fn ten_minutes_of_server_errors_fail_no_line() {
    for (status, seconds) in [(500, 600), (502, 30), (503, 30), (504, 30), (529, 30)] {
        let began = Arc::new(OnceLock::new());
        let took = weather(Script::by(move |_| {
            let elapsed = began.get_or_init(Instant::now).elapsed();
            if (1..=seconds).contains(&elapsed.as_secs()) {
                Step::Answer(refused(status))
            } else {
                good()
            }
        }));
        assert!(took.as_secs() > seconds, "{status}: {took:?}");
        assert!(took.as_secs() < seconds + 60, "{status}: {took:?}");
    }
}

#[test]
fn an_upstream_that_restarts_every_20_seconds_fails_no_line() {
    let began = Arc::new(OnceLock::new());
    let took = weather(Script::by(move |_| {
        let second = began.get_or_init(Instant::now).elapsed().as_secs() % 20;
        match second {
            // What is in flight is lost, then nobody is there, then it loads its model.
            12 => Step::Reset,
            13..=15 => Step::Refuse,
            16..=19 => Step::Answer(refused(503)),
            _ => Step::Late {
                after: Duration::from_secs(2),
                answer: chat_answer("ok"),
            },
        }
    }));
    assert!(took < Duration::from_mins(30), "{took:?}");
}

/// Runs a batch whose model is answered 404 for five minutes while the upstream's list is `list`.
async fn vanish(
    life: &Life,
    upstream: &ScriptedUpstream,
    list: Result<ModelList, String>,
) -> Batch {
    let id = life.create(&lines(LINES), None).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    upstream.list_models(list);
    tokio::time::sleep(Duration::from_mins(5)).await;
    upstream.list_models(Ok(serving(&["m"])));
    life.end(&id, Duration::from_mins(10)).await.unwrap()
}

/// Answers 404 from the first second to the 301st.
fn without_its_model() -> Script {
    let began = Instant::now();
    Script::by(move |_| {
        if (1..301).contains(&began.elapsed().as_secs()) {
            let body = r#"{"error":{"message":"The model `m` does not exist."}}"#;
            Step::Answer(Answer::new(404, body))
        } else {
            good()
        }
    })
}

#[test]
fn a_model_that_is_gone_for_a_while_is_waited_for_as_long_as_the_upstream_lists_it_or_says_nothing()
{
    for list in [Ok(serving(&["m"])), Err("it restarts".to_owned())] {
        let house = House::new();
        House::live(async || {
            let upstream = upstream(without_its_model());
            let life = house.start(&upstream);
            let batch = vanish(&life, &upstream, list).await;
            assert_eq!(batch.state.status(), Status::Completed);
            let results = life.results(&batch.id, &ids(LINES)).await;
            assert_eq!(results.output.len(), LINES, "no line failed");
            life.stop().await;
        });
    }
}

#[test]
fn a_model_that_no_upstream_lists_any_more_ends_its_lines_with_a_404_each_once() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(without_its_model());
        let life = house.start(&upstream);
        let batch = vanish(&life, &upstream, Ok(serving(&["other"]))).await;
        assert_eq!(batch.state.status(), Status::Completed);
        let results = life.results(&batch.id, &ids(LINES)).await;
        assert!(!results.error.is_empty(), "nobody serves it");
        for line in results.error.values() {
            assert_eq!(line["response"]["status_code"], 404, "{line}");
        }
        life.stop().await;
    });
}
