//! Thousands of stories.

use crate::asked;
use crate::run::play_seed;

/// The seeds are shared out among so many tests.
const SHARES: u64 = 8;

fn play_share(share: u64) {
    let mut swept = false;
    for seed in (share..asked::seeds()).step_by(usize::try_from(SHARES).unwrap()) {
        let trace = play_seed(seed, None);
        swept |= trace.iter().any(|line| {
            line.ends_with("files of unfinished writes are swept") && !line.contains(" 0 files")
        });
    }
    let is_many = asked::seeds() >= 2_000;
    assert!(swept || !is_many, "no death left an unfinished write");
}

macro_rules! shares {
    ($($name:ident => $share:literal),* $(,)?) => {$(
        #[test]
        fn $name() {
            play_share($share);
        }
    )*};
}

shares! {
    nothing_is_lost_in_the_first_share_of_the_seeds => 0,
    nothing_is_lost_in_the_second_share_of_the_seeds => 1,
    nothing_is_lost_in_the_third_share_of_the_seeds => 2,
    nothing_is_lost_in_the_fourth_share_of_the_seeds => 3,
    nothing_is_lost_in_the_fifth_share_of_the_seeds => 4,
    nothing_is_lost_in_the_sixth_share_of_the_seeds => 5,
    nothing_is_lost_in_the_seventh_share_of_the_seeds => 6,
    nothing_is_lost_in_the_eighth_share_of_the_seeds => 7,
}

#[test]
fn the_seed_that_is_asked_for() {
    let trace = play_seed(asked::seed().unwrap_or(0), None);
    assert!(!trace.is_empty());
    if asked::shows_trace() {
        for line in trace {
            println!("{line}");
        }
    }
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    for seed in 0..50 {
        let (one, other) = (play_seed(seed, None), play_seed(seed, None));
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        if let Some(line) = differs {
            panic!(
                "seed {seed} differs at line {line} of its trace:\n{}\n{}",
                one[line], other[line]
            );
        }
        assert_eq!(one.len(), other.len(), "one story of seed {seed} is longer");
    }
}

// What stories have found, by the seeds that found it.

#[test]
fn unrun_lines_of_several_models_keep_their_ids() {
    play_seed(9, None);
}

#[test]
fn a_batch_whose_claim_was_not_answered_is_claimed_again() {
    play_seed(100, None);
}

#[test]
fn two_bad_lines_at_an_upstream_with_one_permit_hold_up_no_other() {
    play_seed(880, None);
}
