//! Bad weather at an upstream, hours of it in paused time: nothing is lost, nothing is charged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::ModelList;
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_store::status::ServedModel;
use tokio::time::Instant;

use crate::house::{House, ended, ids, lines, upstream};

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
        let took = storm(40, headers);
        assert!(took < Duration::from_mins(20), "{headers:?}: {took:?}");
    }
    // Those that name a time are given it, and none is believed for more than an hour.
    let least = |headers: &[(&str, &str)], least: Duration| {
        let took = storm(1, headers);
        assert!(took >= least, "{headers:?}: {took:?}");
        let most = least + Duration::from_mins(1);
        assert!(took < most, "{headers:?}: {took:?}");
    };
    least(&[("retry-after", "20")], Duration::from_secs(20));
    least(&[DATE, soon], Duration::from_secs(45));
    least(&[("retry-after", "1e300")], Duration::from_hours(1));
    least(&[DATE, never], Duration::from_hours(1));
}

#[test]
fn ten_minutes_of_server_errors_fail_no_line() {
    for status in [500, 502, 503, 504, 529] {
        let began = Arc::new(std::sync::OnceLock::new());
        let took = weather(Script::by(move |_| {
            let elapsed = began.get_or_init(Instant::now).elapsed();
            if (1..601).contains(&elapsed.as_secs()) {
                Step::Answer(refused(status))
            } else {
                good()
            }
        }));
        assert!(took > Duration::from_mins(10), "{status}: {took:?}");
        assert!(took < Duration::from_mins(12), "{status}: {took:?}");
    }
}

#[test]
fn an_upstream_that_restarts_every_20_seconds_fails_no_line() {
    let began = Arc::new(std::sync::OnceLock::new());
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

#[test]
fn a_model_that_vanishes_and_comes_back_fails_no_line() {
    let house = House::new();
    House::live(async || {
        let (began, served) = (Instant::now(), 1..301);
        let upstream = upstream(Script::by(move |_| {
            if served.contains(&began.elapsed().as_secs()) {
                Step::Answer(Answer::new(
                    404,
                    r#"{"error":{"message":"The model `m` does not exist.","code":"model_not_found"}}"#,
                ))
            } else {
                good()
            }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(LINES), None).await;
        let model = |id: &str| ServedModel {
            id: id.to_owned(),
            created: None,
            owned_by: None,
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        // It serves another model meanwhile, and says so.
        upstream.list_models(Ok(ModelList::Models(vec![model("other")])));
        tokio::time::sleep(Duration::from_mins(2)).await;
        let reason = life.engine.live(&id).and_then(|live| live.reason);
        assert!(reason.is_some(), "it says why it waits");
        tokio::time::sleep(Duration::from_mins(3)).await;
        upstream.list_models(Ok(ModelList::Models(vec![model("m")])));
        let batch = life.end(&id, Duration::from_hours(1)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(LINES)).await;
        assert_eq!(
            results.output.len(),
            LINES,
            "no line failed: {:?}",
            results.error
        );
        life.stop().await;
    });
}
