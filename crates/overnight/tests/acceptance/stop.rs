//! The server is asked to stop while it works: what is in flight lands, everything that came is
//! recorded, and the next start goes on from there.

use std::time::Duration;

use tokio::time::Instant;

use crate::common::{Client, Lines, count_of, serve};
use crate::support::{PATIENCE, TestSim, until};

/// How long what is in flight may go on.
const GRACE: Duration = Duration::from_secs(2);

#[test]
fn what_is_in_flight_at_a_stop_lands_and_no_line_is_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(folder.path(), &["--slots", "8", "--ttft-ms", "100"]);
    let mut server = serve(
        folder.path(),
        &format!("[[upstreams]]\nurl = \"{}\"\nlimit = 8\n", sim.url),
    );
    let client = Client::new(&server.base_url);
    let lines = Lines::new("line", 200);
    let id = client.submit(&lines.bytes());
    client.until(&id, "some results", |batch| {
        count_of(batch, "completed") >= 20
    });
    assert_eq!(server.sigterm().code(), Some(0));
    let sent = sim.requests();
    assert!(sent < lines.count, "it was stopped in the middle");

    server.restart();
    let client = Client::new(&server.base_url);
    let resumed = client.batch(&id);
    assert!(
        count_of(&resumed, "completed") >= sent as u64,
        "{sent} lines were sent before the stop, of which are recorded: {resumed}"
    );
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
    assert_eq!(sim.requests(), lines.count, "no line is sent twice");
}

#[test]
fn what_does_not_land_within_the_grace_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(folder.path(), &["--slots", "4", "--ttft-ms", "0"]);
    let upstream = Client::new(&sim.url);
    let mut server = serve(
        folder.path(),
        &format!(
            "grace = {{ shutdown = \"{}s\" }}\n[[upstreams]]\nurl = \"{}\"\nlimit = 4\n",
            GRACE.as_secs(),
            sim.url
        ),
    );
    let client = Client::new(&server.base_url);
    let lines = Lines::new("line", 50);
    // A list of models that stalls would keep every line waiting.
    until("the model is listed", || {
        client.get("/v1/models").json()["data"]
            .as_array()
            .is_some_and(|models| !models.is_empty())
    });
    upstream.post("/sim/mode", &serde_json::json!({ "mode": "stall" }));
    let id = client.submit(&lines.bytes());
    until("four lines are in flight", || {
        client.get(&format!("/v1/batches/{id}/progress")).json()["in_flight"] == 4
    });
    let began = Instant::now();
    assert_eq!(server.sigterm().code(), Some(0));
    let took = began.elapsed();
    assert!(took >= GRACE, "it did not wait: {took:?}");
    assert!(took < GRACE + PATIENCE / 6, "it waited too long: {took:?}");

    upstream.post("/sim/mode", &serde_json::json!({ "mode": "normal" }));
    server.restart();
    let client = Client::new(&server.base_url);
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
    assert!(ended.error.is_empty(), "{:?}", ended.error);
    assert_eq!(sim.requests(), lines.count + 4);
}
