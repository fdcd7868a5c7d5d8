//! Every call of every seam goes wrong once, in three ways, and no line is lost or doubled.

use std::time::Duration;

use overnight_core::id::{BatchId, FileId};

use crate::check::{AFTERLIFE, check};
use crate::life::{LifeEnd, live};
use crate::rng::Rng;
use crate::story::{
    BEGIN, BatchStory, Fate, Kind, LineStory, MODELS, Story, Strike, UpstreamStory,
};
use crate::world::World;

const LINES: usize = 40;

/// A life with a call that is never answered ends then.
const HUNG_FOR: Duration = Duration::from_secs(40);

/// A batch of two models, one upstream, and nothing that goes wrong but one call.
fn story(strike: Option<(u64, Strike)>, appends: bool) -> Story {
    let mut rng = Rng::new(40);
    let lines = (0..LINES).map(|line| LineStory {
        model: line % 2,
        kind: if line == 7 { Kind::Refused } else { Kind::Good },
        padding: 0,
    });
    let batch = BatchStory {
        id: BatchId::new(BEGIN, rng.wide()),
        file: FileId::new(BEGIN, rng.wide()),
        blob: rng.wide(),
        created: Duration::ZERO,
        window: None,
        cancelled: None,
        file_deleted: None,
        lines: lines.collect(),
        broken: false,
    };
    let upstream = UpstreamStory {
        models: (0..MODELS.len()).collect(),
        limit: None,
        slowness: 100,
        faults: 0,
        outages: Vec::new(),
    };
    let dies = strike
        .is_some_and(|(_, strike)| strike == Strike::Hang)
        .then_some(HUNG_FOR);
    Story {
        batches: vec![batch],
        upstreams: vec![upstream],
        appends,
        fates: vec![Fate {
            strike,
            dies,
            ..Fate::default()
        }],
        quiet: Duration::ZERO,
        store_faults: 0,
        blob_faults: 0,
        full_disk: Default::default(),
        disk_failures: 0,
        jumps: Vec::new(),
        rng,
    }
}

/// Lives through the strike and, if that ended the life, once more. Answers how many calls the first
/// life had.
fn survive(strike: Option<(u64, Strike)>, appends: bool) -> u64 {
    let world = World::new(story(strike, appends), None);
    let mut end = live(&world, world.story.fates[0]);
    let (calls, struck) = {
        let state = world.state();
        (state.calls, state.struck)
    };
    assert_eq!(struck, strike.is_some(), "{strike:?} has come");
    if end != LifeEnd::Over {
        end = live(&world, Fate::default());
    }
    assert_eq!(end, LifeEnd::Over, "{strike:?}");
    world.pass(AFTERLIFE);
    check(&world);
    calls
}

fn every_call(strike: Strike, appends: bool) {
    let calls = survive(None, appends);
    assert!(
        calls >= 60,
        "only {calls} calls: too few for a batch's life"
    );
    for call in 0..calls {
        survive(Some((call, strike)), appends);
    }
}

#[test]
fn every_call_may_fail() {
    every_call(Strike::Fail, false);
}

#[test]
fn every_call_may_hang() {
    every_call(Strike::Hang, false);
}

#[test]
fn the_process_may_die_when_any_call_is_done() {
    every_call(Strike::DieAfter, false);
}

#[test]
fn the_process_may_die_in_the_midst_of_any_call() {
    every_call(Strike::DieBefore, false);
}

#[test]
fn a_run_that_appends_may_meet_a_failure_at_every_call() {
    every_call(Strike::Fail, true);
}

#[test]
fn a_run_that_appends_may_die_when_any_call_is_done() {
    every_call(Strike::DieAfter, true);
}

#[test]
fn a_run_that_appends_may_die_in_the_midst_of_any_call() {
    every_call(Strike::DieBefore, true);
}
