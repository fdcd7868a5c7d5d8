//! Runs a seed from beginning to end, and says how to run it again when it fails.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::check::{AFTERLIFE, check};
use crate::life::{LifeEnd, live};
use crate::story::Story;
use crate::world::{SeamPlant, World};

/// No story has more lives.
const LIVES_MAX: usize = 50;

/// Runs a story until it is over, and checks what is left. Answers the trace.
///
/// # Panics
///
/// When something is not as it must be.
pub(crate) fn play(story: Story, plant: Option<SeamPlant>) -> Vec<String> {
    let world = World::new(story, plant);
    let told = catch_unwind(AssertUnwindSafe(|| play_in(&world)));
    if let Err(panic) = told {
        let state = world.state();
        let tail = state.trace.len().saturating_sub(40);
        let shown = if crate::asked::shows_trace() { 0 } else { tail };
        for line in &state.trace[shown..] {
            eprintln!("{line}");
        }
        drop(state);
        resume_unwind(panic);
    }
    std::mem::take(&mut world.state().trace)
}

fn play_in(world: &Arc<World>) {
    let mut fates = world.story.fates.clone().into_iter();
    let mut lives = 0;
    loop {
        lives += 1;
        assert!(lives <= LIVES_MAX, "it does not end");
        let end = live(world, fates.next().unwrap_or_default());
        let is_lost = !world.state().violations.is_empty();
        if end == LifeEnd::Over || is_lost {
            break;
        }
    }
    world.pass(AFTERLIFE + jumped(&world.story));
    check(world);
}

/// By how much the clock may be behind what is stored.
fn jumped(story: &Story) -> Duration {
    let seconds = story
        .jumps
        .iter()
        .map(|(_, seconds)| seconds.unsigned_abs());
    Duration::from_secs(seconds.sum())
}

/// Runs a seed.
///
/// # Panics
///
/// When something is not as it must be; it is said then how to run the seed again.
pub(crate) fn play_seed(seed: u64, plant: Option<SeamPlant>) -> Vec<String> {
    let played = catch_unwind(|| play(Story::of(seed), plant));
    played.unwrap_or_else(|panic| {
        eprintln!(
            "seed {seed} fails; run it again, with its trace:\n\
             OVERNIGHT_SIM_SEED={seed} cargo nextest run -p overnight-engine --test simulation \
             the_seed_that_is_asked_for"
        );
        resume_unwind(panic)
    })
}
