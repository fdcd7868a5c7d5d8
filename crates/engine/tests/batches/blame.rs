//! Whose fault it is: outages fail no line, and bad lines fail alone.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Answer, Script, Step};
use tokio::time::Instant;

use crate::house::{House, ended, good, ids, lines, refusal, upstream};

/// Runs 600 lines through an upstream that does `bad` from the first to the 21st second.
fn outage(bad: fn() -> Step) {
    let house = House::new();
    House::live(async || {
        let began = Instant::now();
        let upstream = upstream(Script::by(move |_| {
            let is_out = (1..21).contains(&began.elapsed().as_secs());
            if is_out { bad() } else { good() }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(600), None).await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        let reason = life.engine.live(&id).unwrap().reason;
        assert!(
            reason.is_some_and(|reason| reason.contains("scripted")),
            "it says why it waits"
        );
        let batch = life.end(&id, Duration::from_mins(5)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(600)).await;
        assert_eq!(results.output.len(), 600, "no line failed");
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{:?}",
            began.elapsed()
        );
        life.stop().await;
    });
}

#[test]
fn an_upstream_that_refuses_connections_fails_no_line() {
    outage(|| Step::Refuse);
}

#[test]
fn an_upstream_that_resets_connections_fails_no_line() {
    outage(|| Step::Reset);
}

#[test]
fn an_upstream_that_forgot_its_key_fails_no_line() {
    outage(|| refusal(401));
}

#[test]
fn an_upstream_that_lost_its_routes_fails_no_line() {
    outage(|| refusal(404));
}

#[test]
fn an_upstream_with_server_errors_fails_no_line() {
    outage(|| refusal(500));
}

#[test]
fn an_upstream_that_answers_html_fails_no_line() {
    outage(|| Step::Answer(Answer::new(200, "<html>gateway</html>")));
}

#[test]
fn a_bad_line_fails_alone_after_its_attempts() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|seen| {
            let body = String::from_utf8_lossy(&seen.body);
            if body.contains("<7>") {
                refusal(500)
            } else {
                good()
            }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(1000), None).await;
        let batch = life.end(&id, Duration::from_mins(5)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(1000)).await;
        assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-7"]);
        assert_eq!(results.error["r-7"]["response"]["status_code"], 500);
        let bad = |body: &[u8]| String::from_utf8_lossy(body).contains("<7>");
        let attempts = upstream
            .seen()
            .iter()
            .filter(|seen| bad(&seen.body))
            .count();
        assert!(attempts >= 5, "{attempts} attempts");
        life.stop().await;
    });
}

#[test]
fn a_line_whose_exchange_panics_fails_alone_and_its_permit_comes_back() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|seen| {
            let body = String::from_utf8_lossy(&seen.body);
            assert!(!body.contains("<7>"), "a fault of ours");
            good()
        }));
        let life = house.start(&upstream);
        for _ in 0..10 {
            let id = life.create(&lines(20), None).await;
            let batch = life.end(&id, Duration::from_mins(5)).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
            let results = life.results(&id, &ids(20)).await;
            assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-7"]);
            assert_eq!(results.error["r-7"]["response"]["status_code"], 503);
        }
        life.stop().await;
    });
}

#[test]
fn bad_lines_at_the_end_with_nothing_to_compare_with_end_within_minutes() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|seen| {
            let body = String::from_utf8_lossy(&seen.body);
            if body.contains("<98>") || body.contains("<99>") {
                refusal(500)
            } else {
                good()
            }
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(100), None).await;
        let batch = life.end(&id, Duration::from_mins(5)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(100)).await;
        assert_eq!(results.error.keys().collect::<Vec<_>>(), ["r-98", "r-99"]);
        life.stop().await;
    });
}
