//! How soon work goes on after the server was killed while much was open.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::common::{Client, Lines, PATIENCE, count_of, serve};
use crate::support::TestSim;

/// From the start of the process to the first line that the upstream receives.
const FIRST_LINE_MAX: Duration = Duration::from_secs(1);

/// Batches that are open at the kill, and the lines of each.
const OPEN: usize = 50;
const LINES: usize = 2_000;

/// How many kills are timed.
const ROUNDS: usize = 5;

#[test]
fn work_goes_on_within_a_second_of_the_start_with_fifty_open_batches() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(folder.path(), &["--slots", "16", "--tpot-ms", "0"]);
    let upstream = Client::new(&sim.url);
    let mut server = serve(
        folder.path(),
        &format!(
            "log = {{ level = \"warn\" }}\n[[upstreams]]\nurl = \"{}\"\nlimit = 16\n",
            sim.url
        ),
    );
    let client = Client::new(&server.base_url);
    let lines = Lines::new("line", LINES);
    let file = client.upload(&lines.bytes());
    let batches: Vec<String> = (0..OPEN).map(|_| client.create(&file)).collect();
    for id in &batches {
        client.until(id, "recorded lines", |batch| {
            count_of(batch, "completed") > 0
        });
    }
    // So few lines end from here on that all batches stay open.
    upstream.post("/sim/slots", &json!({ "slots": 1 }));
    let open = |id: &&String| count_of(&client.batch(id), "completed") < LINES as u64;
    assert_eq!(batches.iter().filter(open).count(), OPEN);

    let times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            server.kill9();
            let before = received(&upstream);
            let began = Instant::now();
            // The upstream is watched from here, since the server may send before it says that it is ready.
            let watch = thread::spawn({
                let upstream = upstream.clone();
                move || first_line_after(&upstream, before, began)
            });
            server.restart();
            let ready = began.elapsed();
            let first_line = watch.join().unwrap();
            println!("ready after {ready:?}, first line after {first_line:?}");
            first_line
        })
        .collect();
    let slowest = times.iter().max().unwrap();
    assert!(*slowest < FIRST_LINE_MAX, "{times:?}");
}

fn received(upstream: &Client) -> u64 {
    upstream.get("/sim/stats").json()["received"]
        .as_u64()
        .unwrap()
}

fn first_line_after(upstream: &Client, before: u64, began: Instant) -> Duration {
    while received(upstream) == before {
        assert!(began.elapsed() < PATIENCE, "nothing was sent");
        thread::sleep(Duration::from_millis(2));
    }
    began.elapsed()
}
