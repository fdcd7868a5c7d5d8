//! Turns: a small batch does not wait for a large one that came before it.

use std::time::{Duration, Instant};

use crate::common::{Lines, count_of, status_of};
use crate::scene::{Scene, Sim};

/// How long the upstream takes for a line: long enough for everything else to be small beside it.
const LATENCY: Duration = Duration::from_secs(1);

#[test]
fn ten_lines_are_done_within_three_times_the_latency_beside_a_batch_of_fifty_thousand() {
    let sim = Sim::start(1000, &["--slots", "32"]);
    let scene = Scene::with_upstream(sim.url(), "limit = 32");
    let large = scene.client.submit(&Lines::new("large", 50_000).bytes());
    scene.client.until(&large, "the large batch", |batch| {
        count_of(batch, "completed") > 0
    });
    for round in 0..3 {
        let lines = Lines::new("small", 10);
        let file = scene.client.upload(&lines.bytes());
        let began = Instant::now();
        let batch = scene.client.create(&file);
        let batch = scene.client.until_status(&batch, "completed");
        let took = began.elapsed();
        eprintln!("round {round}: {took:?}");
        assert!(took < 3 * LATENCY, "round {round} took {took:?}");
        let ended = scene.client.ended(&batch);
        assert_eq!(ended.output.len(), 10);
        ended.check_each_once(lines.ids());
    }
    let large = scene.client.batch(&large);
    assert_eq!(
        status_of(&large),
        "in_progress",
        "it was too small to be in the way"
    );
}
