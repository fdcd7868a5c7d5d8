//! Poisonous lines: what fails at every attempt ends with its own error, and takes nothing with it.

use std::time::Duration;

use serde_json::Value;

use crate::common::{Client, Ended, Lines};
use crate::scene::{Scene, Sim};

/// The default of `attempts_max`.
const ATTEMPTS_MAX: usize = 5;

/// An answer that is no JSON is tried so often.
const NOT_JSON_ATTEMPTS_MAX: usize = 2;

/// An attempt costs a line nothing when no other line was answered well meanwhile: on a busy machine that
/// happens to an upstream of ten milliseconds, rarely and not often in a row.
const FREE_ATTEMPTS: usize = 2;

#[test]
fn poisonous_lines_among_others_fail_after_their_attempts_and_all_others_complete() {
    let sim = Sim::start(10, &[]);
    let scene = Scene::with_upstream(sim.url(), "limit = 8");
    let before = Lines::new("before", 20);
    let error = Lines::new("error", 1).failing("error");
    let cut = Lines::new("cut", 1).failing("cut");
    let garbage = Lines::new("garbage", 1).failing("garbage");
    // Long enough to go on while the others fail.
    let after = Lines::new("after", 10_000);
    let all = [&before, &error, &cut, &garbage, &after];
    let ended = run(&scene.client, &all);

    assert_eq!(ended.output.len(), before.count + after.count);
    assert_eq!(ended.error.len(), 3);
    assert_eq!(answer_to(&ended, "error-0")["status_code"], 500);
    assert_eq!(answer_to(&ended, "cut-0")["status_code"], 503);
    assert_eq!(answer_to(&ended, "garbage-0")["status_code"], 502);
    let log = sim.log();
    check_attempts(&log, "error-0", ATTEMPTS_MAX);
    check_attempts(&log, "cut-0", ATTEMPTS_MAX);
    check_attempts(&log, "garbage-0", NOT_JSON_ATTEMPTS_MAX);
}

#[test]
fn a_line_that_the_upstream_calls_wrong_fails_at_once() {
    let sim = Sim::start(10, &[]);
    let scene = Scene::with_upstream(sim.url(), "limit = 8");
    let well = Lines::new("well", 20);
    // Not a fault that the simulator knows, which it answers with a 400.
    let wrong = Lines::new("wrong", 1).failing("unheard-of");
    let ended = run(&scene.client, &[&well, &wrong]);
    assert_eq!(answer_to(&ended, "wrong-0")["status_code"], 400);
    assert_eq!(attempts(&sim.log(), "wrong-0"), 1);
}

/// Runs a batch of these lines to its end.
fn run(client: &Client, all: &[&Lines]) -> Ended {
    let bytes: Vec<u8> = all.iter().flat_map(|lines| lines.bytes()).collect();
    let batch = client.submit(&bytes);
    let began = std::time::Instant::now();
    let batch = client.until_status(&batch, "completed");
    eprintln!("completed after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(150));
    let ended = client.ended(&batch);
    ended.check_each_once(all.iter().flat_map(|lines| lines.ids()));
    ended
}

/// The `response` of a line that failed.
fn answer_to<'a>(ended: &'a Ended, custom_id: &str) -> &'a Value {
    let mut lines = ended.error.iter();
    let line = lines.find(|line| line["custom_id"] == custom_id).unwrap();
    assert!(line["error"].is_null(), "{line}");
    &line["response"]
}

/// Checks that a line was sent as often as it may fail, and hardly more often.
fn check_attempts(log: &[Value], custom_id: &str, charged: usize) {
    let made = attempts(log, custom_id);
    let expected = charged..=charged + FREE_ATTEMPTS;
    assert!(
        expected.contains(&made),
        "{custom_id} was sent {made} times"
    );
}

/// How often a line was sent.
fn attempts(log: &[Value], custom_id: &str) -> usize {
    log.iter()
        .filter(|request| request["line"] == custom_id)
        .count()
}
