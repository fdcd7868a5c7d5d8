//! The moving limit: how many requests an upstream works on at a time is found out, and followed
//! when it changes.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::Lines;
use crate::scene::{Scene, Sim};

/// After a change, in flight may be wrong for so long.
const SETTLING: Duration = Duration::from_secs(3);

/// Then it is looked at for so long.
const LOOKING: Duration = Duration::from_secs(2);

#[test]
fn in_flight_follows_the_slots_of_an_upstream_that_refuses_what_is_beyond_them() {
    let sim = Sim::start(100, &["--slots", "8", "--queue", "0", "--no-metrics"]);
    check_in_flight_follows_the_slots(&sim);
    let stats = sim.stats();
    assert!(stats.refused > 0, "it had no reason to refuse: {stats:?}");
    let share = ratio(stats.refused, stats.received);
    assert!(
        share < 0.03,
        "{:.2} % were refused: {stats:?}",
        share * 100.0
    );
}

#[test]
fn in_flight_follows_the_slots_of_an_upstream_that_shows_what_waits_and_refuses_nothing() {
    let sim = Sim::start(100, &["--slots", "8", "--queue", "100000"]);
    check_in_flight_follows_the_slots(&sim);
    assert_eq!(sim.stats().refused, 0);
}

/// Runs a batch while the slots go 8, 64, 16, and checks what is in flight.
fn check_in_flight_follows_the_slots(sim: &Sim) {
    let scene = Scene::with_upstream(sim.url(), "");
    let lines = Lines::new("line", 20_000);
    let batch = scene.client.submit(&lines.bytes());
    scene
        .client
        .until(&batch, "the first answer", |_| sim.stats().answered > 0);
    for slots in [8, 64, 16] {
        sim.set_slots(slots);
        thread::sleep(SETTLING);
        let mean = mean_in_flight(sim);
        eprintln!("slots {slots}: {mean:.1} in flight; {:?}", sim.stats());
        let off = (mean / ratio(slots, 1) - 1.0).abs();
        assert!(
            off <= 0.2,
            "with {slots} slots, {mean:.1} were in flight: {:?}",
            sim.stats()
        );
    }
    scene.client.cancel(&batch);
    let batch = scene.client.until_status(&batch, "cancelled");
    scene.client.ended(&batch).check_each_once(lines.ids());
}

fn mean_in_flight(sim: &Sim) -> f64 {
    let end = Instant::now() + LOOKING;
    let (mut sum, mut looks) = (0, 0);
    while Instant::now() < end {
        sum += sim.stats().in_flight;
        looks += 1;
        thread::sleep(Duration::from_millis(10));
    }
    ratio(sum, looks)
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
