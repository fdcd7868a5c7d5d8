//! Cancel and expiry: nothing more is sent, what is in flight is kept, and every line is accounted
//! for.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Client, Ended, Lines, count_of, status_of};
use crate::scene::{Scene, Sim};

/// Within this time of the answer to a cancel, the last line was sent.
const LAST_SENT: Duration = Duration::from_millis(250);

#[test]
fn a_cancel_stops_the_sending_and_keeps_what_is_in_flight() {
    let sim = Sim::start(1500, &["--slots", "16"]);
    let scene = Scene::with_upstream(sim.url(), "limit = 16");
    let lines = Lines::new("line", 2000);
    let batch = scene.client.submit(&lines.bytes());
    // In the second round, so that some lines are done and recorded.
    scene
        .client
        .until(&batch, "two rounds", |_| sim.stats().received >= 32);

    let cancelled = scene.client.cancel(&batch);
    assert_eq!(status_of(&cancelled), "cancelling");
    assert!(cancelled["output_file_id"].is_null(), "{cancelled}");
    let sent = received_after(&sim, LAST_SENT);
    let again = scene.client.cancel(&batch);
    assert_eq!(again["cancelling_at"], cancelled["cancelling_at"]);

    let batch = scene.client.until_status(&batch, "cancelled");
    let stats = sim.stats();
    assert_eq!(stats.received, sent, "sent after the cancel: {stats:?}");
    assert_eq!(stats.gone, 0, "{stats:?}");
    assert_eq!(count_of(&batch, "completed"), stats.answered, "{stats:?}");
    check_ended(&scene.client, &batch, &lines, "batch_cancelled");
    assert!(
        batch["finalizing_at"].is_null() && batch["cancelled_at"].is_u64(),
        "{batch}"
    );
    assert_eq!(scene.client.cancel(batch["id"].as_str().unwrap()), batch);
}

#[test]
fn what_is_in_flight_after_a_cancel_ends_with_its_grace() {
    let sim = Sim::start(60_000, &[]);
    let config = "[grace]\ncancel = \"500ms\"\n";
    let scene = Scene::start(&format!(
        "{config}{}",
        crate::scene::upstream(sim.url(), "limit = 4")
    ));
    let lines = Lines::new("line", 20);
    let batch = scene.client.submit(&lines.bytes());
    scene
        .client
        .until(&batch, "lines in flight", |_| sim.stats().in_flight == 4);
    let began = Instant::now();
    scene.client.cancel(&batch);
    let batch = scene.client.until_status(&batch, "cancelled");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        check_ended(&scene.client, &batch, &lines, "batch_cancelled")
            .output
            .len(),
        0
    );
    assert!(batch["output_file_id"].is_null(), "{batch}");
    crate::support::until("the requests to be given up", || sim.stats().gone == 4);
}

#[test]
fn a_batch_that_is_cancelled_while_it_is_validated_has_no_files() {
    let sim = Sim::start(10, &[]);
    let config = "[limits]\nlines_max = 0\n";
    let scene = Scene::start(&format!(
        "{config}{}",
        crate::scene::upstream(sim.url(), "")
    ));
    // Large enough to be looked at for longer than the cancel takes to come.
    let file = scene.client.upload(&Lines::new("line", 300_000).bytes());
    let batch = scene.client.create(&file);
    let cancelled = scene.client.cancel(&batch);
    assert!(
        cancelled["in_progress_at"].is_null(),
        "it was validated already: {cancelled}"
    );
    let batch = scene.client.until_status(&batch, "cancelled");
    assert_eq!(
        batch["request_counts"],
        json!({ "total": 0, "completed": 0, "failed": 0 })
    );
    for absent in ["output_file_id", "error_file_id", "in_progress_at"] {
        assert!(batch[absent].is_null(), "{absent}: {batch}");
    }
    assert_eq!(sim.stats().received, 0);
}

#[test]
fn a_batch_that_is_completed_cannot_be_cancelled() {
    let sim = Sim::start(1, &[]);
    let scene = Scene::with_upstream(sim.url(), "");
    let batch = scene.client.submit(&Lines::new("line", 3).bytes());
    scene.client.until_status(&batch, "completed");
    let reply = scene
        .client
        .post(&format!("/v1/batches/{batch}/cancel"), &json!({}));
    assert_eq!(reply.status, 409);
    assert!(
        reply.head.contains("x-should-retry: false"),
        "{}",
        reply.head
    );
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(message, "Cannot cancel a batch with status 'completed'.");
}

#[test]
fn a_batch_that_expires_keeps_its_results_and_what_is_in_flight() {
    let sim = Sim::start(700, &["--slots", "8"]);
    let config = "windows = [\"3s\", \"24h\"]\n";
    let scene = Scene::start(&format!(
        "{config}{}",
        crate::scene::upstream(sim.url(), "limit = 8")
    ));
    let lines = Lines::new("line", 500);
    // This one is still between two of its attempts when the time is over.
    let bad = Lines::new("bad", 1).failing("error");
    let file = scene.client.upload(&[lines.bytes(), bad.bytes()].concat());
    let batch = scene.client.create_within(&file, "3s");
    let batch = scene.client.until_status(&batch, "expired");

    let stats = sim.stats();
    assert_eq!(stats.gone, 0, "what was in flight was given up: {stats:?}");
    assert_eq!(count_of(&batch, "completed"), stats.answered, "{stats:?}");
    assert!(stats.answered >= 8, "{stats:?}");
    let lasted = batch["finalizing_at"].as_u64().unwrap() - batch["created_at"].as_u64().unwrap();
    assert!(lasted >= 3, "it ended too soon: {batch}");
    assert!(batch["expired_at"].is_u64(), "{batch}");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(lines.ids().chain(bad.ids()));
    check_unrun(&ended, "batch_expired");
}

/// Counts the requests until this time has passed.
fn received_after(sim: &Sim, time: Duration) -> u64 {
    thread::sleep(time);
    sim.stats().received
}

/// Checks the files of a batch that ended before its lines were done.
fn check_ended(client: &Client, batch: &serde_json::Value, lines: &Lines, code: &str) -> Ended {
    let ended = client.ended(batch);
    ended.check_each_once(lines.ids());
    check_unrun(&ended, code);
    ended
}

/// Checks that lines without an outcome all say so, with this code.
fn check_unrun(ended: &Ended, code: &str) {
    assert!(!ended.error.is_empty());
    for line in &ended.error {
        assert_eq!(line["error"]["code"], code, "{line}");
        assert!(line["response"].is_null(), "{line}");
    }
}
