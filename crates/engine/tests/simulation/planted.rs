//! The proof that the proof works: each of these bugs is found within a few hundred stories.

use std::panic::{catch_unwind, set_hook, take_hook};

use overnight_engine::planted::{Plant, plant};

use crate::run::play;
use crate::story::Story;
use crate::world::SeamPlant;

/// A bug is found within so many seeds.
const SEEDS_MAX: u64 = 500;

/// The first seed whose story goes wrong with the bugs of this thread and that of the seam.
fn first_found(seam: Option<SeamPlant>) -> Option<u64> {
    // What the stories say when they fail is not of interest here.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let found = (0..SEEDS_MAX).find(|seed| {
        let story = Story::of(*seed);
        catch_unwind(|| play(story, seam)).is_err()
    });
    set_hook(hook);
    found
}

fn is_found(seam: Option<SeamPlant>, own: Option<Plant>) {
    plant(own);
    let found = first_found(seam);
    plant(None);
    println!("{seam:?} {own:?} is found by seed {found:?}");
    assert!(found.is_some(), "nobody finds {seam:?} {own:?}");
}

#[test]
fn a_row_that_is_written_before_its_blob_is_found() {
    is_found(Some(SeamPlant::RowBeforeBlob), None);
}

#[test]
fn a_store_that_compares_no_epochs_is_found() {
    is_found(Some(SeamPlant::NoEpochCheck), None);
}

#[test]
fn counts_that_are_added_twice_are_found() {
    is_found(Some(SeamPlant::CountsAddedTwice), None);
}

#[test]
fn a_sweep_of_blobs_that_are_named_is_found() {
    is_found(Some(SeamPlant::SweepOfALiveBlob), None);
}

#[test]
fn a_line_that_is_done_before_it_is_recorded_is_found() {
    is_found(Some(SeamPlant::DoneBeforeRecord), None);
}

#[test]
fn a_wake_up_that_is_lost_is_found() {
    is_found(None, Some(Plant::LostWakeUp));
}

#[test]
fn a_retry_that_is_dropped_is_found() {
    is_found(None, Some(Plant::DroppedRetry));
}

#[test]
fn an_early_end_that_forgets_lines_in_backoff_is_found() {
    is_found(None, Some(Plant::ForgottenBackoff));
}

#[test]
fn a_cut_of_a_torn_tail_that_is_one_byte_off_is_found() {
    is_found(None, Some(Plant::CutOneByteEarly));
}
