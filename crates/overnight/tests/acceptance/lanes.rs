//! Lanes: the models of one batch do not wait for each other.

use crate::common::{Lines, count_of};
use crate::scene::{Scene, Sim, upstream};
use crate::support;

#[test]
fn a_model_that_stalls_holds_up_no_line_of_another_though_its_lines_come_first() {
    let stalled = Sim::start(10, &["--models", "slow"]);
    let lively = Sim::start(10, &["--models", "fast"]);
    let config = format!(
        "[limits]\nlines_max = 0\n{}{}",
        upstream(stalled.url(), ""),
        upstream(lively.url(), ""),
    );
    let scene = Scene::start(&config);
    scene.until_served("slow");
    scene.until_served("fast");
    stalled.set_mode("stall");

    let slow = Lines::new("slow", 100_000).of_model("slow");
    let fast = Lines::new("fast", 2_000).of_model("fast");
    let batch = scene.client.submit(&[slow.bytes(), fast.bytes()].concat());
    scene
        .client
        .until(&batch, "the other model's lines", |batch| {
            count_of(batch, "completed") == 2_000
        });
    let (theirs, ours) = (stalled.stats(), lively.stats());
    assert_eq!(theirs.answered, 0, "{theirs:?}");
    assert!(theirs.in_flight > 0, "nothing was held up: {theirs:?}");
    assert_eq!(ours.answered, 2_000, "{ours:?}");

    stalled.set_mode("normal");
    support::until("the stalled model's lines move", || {
        stalled.stats().answered > 0
    });
    scene.client.cancel(&batch);
    let batch = scene.client.until_status(&batch, "cancelled");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(slow.ids().chain(fast.ids()));
}
