//! Outages: whatever an upstream does while it is out of order makes its lines wait; it costs none
//! of them anything.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Lines, count_of};
use crate::scene::{Scene, Sim};

/// How long each outage is. Longer ones are played in less time where the clock can be paused.
const OUTAGE: Duration = Duration::from_secs(12);

/// Within this time after an outage began, the batch says why it waits.
const TO_SAY_WHY: Duration = Duration::from_secs(6);

/// Each outage, and what the reason says of it. A connection that is reset while it is made reads
/// like one that is refused on some systems.
const OUTAGES: [(&str, &[&str]); 5] = [
    ("refuse", &["could not be connected to"]),
    (
        "reset",
        &[
            "closed the connection before answering",
            "cut its answer",
            "could not be connected to",
        ],
    ),
    ("status:401", &["answered with status 401"]),
    ("status:404", &["answered with status 404"]),
    ("status:500", &["answered with status 500"]),
];

#[test]
fn no_outage_fails_a_line_or_costs_it_an_attempt_and_the_batch_says_why_it_waits() {
    let sim = Sim::start(100, &[]);
    let scene = Scene::with_upstream(sim.url(), "limit = 8");
    // Lines that fail by themselves are there in each outage: these are the ones that could lose an
    // attempt to it without a trace.
    let blocks: Vec<Lines> = (0..60)
        .map(|block| Lines::new(&format!("well{block}"), 25))
        .collect();
    let bad: Vec<Lines> = (0..40)
        .map(|block| Lines::new(&format!("bad{block}"), 1).failing("error"))
        .collect();
    let mixed = bad
        .iter()
        .zip(&blocks)
        .flat_map(|(bad, block)| [bad, block]);
    let bytes: Vec<u8> = mixed
        .chain(blocks.iter().skip(bad.len()))
        .flat_map(Lines::bytes)
        .collect();
    let batch = scene.client.submit(&bytes);

    for (mode, texts) in OUTAGES {
        let before = sim.stats().answered;
        scene
            .client
            .until(&batch, "it to run", |_| sim.stats().answered > before + 20);
        let began = Instant::now();
        sim.set_mode_for(mode, OUTAGE);
        scene.until_reason(&batch, TO_SAY_WHY, texts);
        // Long after what was in flight before it has landed.
        thread::sleep((OUTAGE / 2).saturating_sub(began.elapsed()));
        let waiting = scene.client.batch(&batch);
        let done = count_of(&waiting, "completed");
        let reason = scene.until_reason(&batch, Duration::from_secs(1), texts);
        let stood_still = scene.client.batch(&batch)["request_counts"] == waiting["request_counts"];
        assert!(stood_still, "{mode} did not stop it: {waiting}");
        eprintln!("{mode}: {reason}");
        scene.client.until(&batch, "it to run again", |batch| {
            count_of(batch, "completed") > done
        });
        let lasted = began.elapsed();
        eprintln!("{mode}: went on after {lasted:?}");
        assert!(lasted >= OUTAGE, "{mode} was over after {lasted:?}");
    }

    let batch = scene.client.until_status(&batch, "completed");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(blocks.iter().chain(&bad).flat_map(Lines::ids));
    let failed: Vec<&str> = ended
        .error
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap())
        .collect();
    let others: Vec<_> = failed.iter().filter(|id| !id.starts_with("bad")).collect();
    assert!(others.is_empty(), "failed by an outage: {others:?}");
    assert_eq!(failed.len(), bad.len());
    // A line's own failure is logged with its fault; one by an outage is not.
    let log = sim.log();
    for id in bad.iter().flat_map(Lines::ids) {
        let own = log
            .iter()
            .filter(|request| request["line"] == id.as_str() && request["fault"] == "error")
            .count();
        // The last of its five may be the very first failure of an outage, which nothing tells from
        // one of its own at that moment.
        assert!(
            own >= 4,
            "{id} had {own} attempts of its own before it failed"
        );
    }
}

#[test]
fn an_upstream_that_resets_again_and_again_fails_none_of_the_last_lines() {
    let sim = Sim::start(300, &[]);
    let scene = Scene::with_upstream(sim.url(), "limit = 4");
    // So few that the same lines are in flight, or tried, more than once.
    let lines = Lines::new("line", 36);
    let batch = scene.client.submit(&lines.bytes());
    for round in 1..=3 {
        scene.client.until(&batch, "it to run", |batch| {
            count_of(batch, "completed") >= round
        });
        sim.set_mode_for("reset", Duration::from_secs(5));
        scene.until_reason(&batch, TO_SAY_WHY, &["upstream"]);
        let now = scene.client.batch(&batch);
        let (done, failed) = (count_of(&now, "completed"), count_of(&now, "failed"));
        assert!(done < 36, "the batch was too small: {now}");
        assert_eq!(failed, 0, "round {round}: {now}");
        scene.client.until(&batch, "it to run again", |batch| {
            count_of(batch, "completed") > done
        });
    }
    let batch = scene.client.until_status(&batch, "completed");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(lines.ids());
    assert!(ended.error.is_empty(), "{:?}", ended.error);
}
