//! Several workers on one store, in one virtual time: they are stopped and go on, cut off, killed and
//! told to stop, and others take over what they held.
//!
//! Their wall clocks differ, answers of the store come late or get lost, and every line that goes out is
//! held against the leases as the store has them.

mod life;
mod shares;
mod story;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

use overnight_engine::planted::{Plant, plant};

use self::life::live;
use self::story::Story;
use self::world::World;
use crate::asked;
use crate::life::in_runtime;

/// So many times fewer seeds than of the other stories: several engines take several times as long.
const FEWER: u64 = 5;

/// Seeds within which a bug is found.
const SEEDS_MAX: u64 = 100;

/// Plays a story to its end, and checks what is left. Answers the trace.
fn play(seed: u64) -> Vec<String> {
    let world = World::new(Story::of(seed));
    let told = catch_unwind(AssertUnwindSafe(|| in_runtime(Box::pin(live(&world)))));
    let trace = std::mem::take(&mut world.state().trace);
    if let Err(panic) = told {
        let tail = trace.len().saturating_sub(60);
        let shown = if asked::shows_trace() { 0 } else { tail };
        for line in &trace[shown..] {
            eprintln!("{line}");
        }
        eprintln!(
            "seed {seed} fails; run it again, with its trace:\n\
             OVERNIGHT_SIM_SEED={seed} cargo nextest run -p overnight-engine --test simulation \
             the_seed_of_several_workers_that_is_asked_for --no-capture"
        );
        resume_unwind(panic);
    }
    trace
}

fn play_share(share: u64) {
    for seed in (share..asked::seeds() / FEWER).step_by(2) {
        play(seed);
    }
}

#[test]
fn several_workers_send_and_record_each_line_under_a_good_lease_in_the_even_seeds() {
    play_share(0);
}

#[test]
fn several_workers_send_and_record_each_line_under_a_good_lease_in_the_odd_seeds() {
    play_share(1);
}

#[test]
fn the_seed_of_several_workers_that_is_asked_for() {
    let trace = play(asked::seed().unwrap_or(0));
    assert!(!trace.is_empty());
    if asked::shows_trace() {
        for line in trace {
            println!("{line}");
        }
    }
}

#[test]
fn a_seed_of_several_workers_tells_the_same_story_every_time() {
    for seed in 0..20 {
        assert_eq!(play(seed), play(seed), "seed {seed}");
    }
}

#[test]
fn lines_that_are_sent_without_a_look_at_the_lease_are_found() {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    plant(Some(Plant::SendsWithoutLeave));
    let found = (0..SEEDS_MAX).find(|seed| {
        let world = World::new(Story::of(*seed));
        let played = catch_unwind(AssertUnwindSafe(|| in_runtime(Box::pin(live(&world)))));
        played.is_err()
    });
    plant(None);
    set_hook(hook);
    println!("it is found by seed {found:?}");
    assert!(found.is_some(), "nobody finds it");
}
