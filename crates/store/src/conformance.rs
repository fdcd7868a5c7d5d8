//! The rules that every driver keeps, each a test of its own.
//!
//! [`crate::conformance!`] owns the list of the metadata rules and [`crate::blob_conformance!`]
//! that of the blob rules, so no driver can miss one. A rule is a function of a fresh, empty store;
//! it panics when the store breaks it. Verbs that change something are called twice, as after a
//! lost answer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a rule that is broken panics: that is how a test fails"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "an answer that was checked is done with"
)]

pub mod batches;
pub mod blobs;
pub mod claims;
pub mod damage;
pub mod deletion;
pub mod files;
pub mod fixture;
pub mod merging;
pub mod model;
mod model_state;
mod model_steps;
mod model_uploads;
pub mod once;
pub mod restart;
pub mod running;
pub mod sealing;
pub mod segments;
pub mod steering;
pub mod sweeping;
pub mod takeover;
pub mod uploads;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Builder;

use crate::Store;

/// A place for one store, made for one test and empty at first.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// Opens the store in this place. A second time, it is opened as by a process that comes after
    /// one that was killed.
    async fn open(&self) -> Arc<dyn Store>;
}

/// A store under test, and the place that it lives in.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    driver: Box<dyn Driver>,
}

impl Subject {
    /// Lets go of the store and opens it again, as after a crash.
    pub async fn restart(self) -> Self {
        let Self { store, driver } = self;
        drop(store);
        Self {
            store: driver.open().await,
            driver,
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// Runs one rule on a fresh store.
pub fn check<R: Future<Output = ()> + 'static>(
    driver: impl Driver,
    rule: impl FnOnce(Subject) -> R + 'static,
) {
    check_one(
        Box::new(driver),
        Box::new(|subject| Box::pin(rule(subject))),
    );
}

type Rule = Box<dyn FnOnce(Subject) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Compiled once, and not for each rule of each driver.
fn check_one(driver: Box<dyn Driver>, rule: Rule) {
    block_on(async move {
        let store = driver.open().await;
        rule(Subject { store, driver }).await;
    });
}

/// Runs a test on a runtime of its own.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

/// One named test a rule a driver.
///
/// `volatile` drivers lose everything when they are opened again; `shared` ones keep it, and other
/// processes may use it at the same time; `embedded` ones keep it, and opening takes over what the
/// process before held.
///
/// ```ignore
/// overnight_store::conformance! {
///     embedded file => InFile::new(),
///     volatile memory => InMemory,
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    ($($kind:ident $driver:ident => $make:expr),+ $(,)?) => {
        $(
            mod $driver {
                use super::*;
                $crate::conformance!(@$kind $make);
            }
        )+
    };
    (@volatile $make:expr) => {
        $crate::conformance!(@common $make);
        $crate::conformance!(@model 100, $make);
    };
    (@shared $make:expr) => {
        $crate::conformance!(@common $make);
        $crate::conformance!(@restart $make);
    };
    (@embedded $make:expr) => {
        $crate::conformance!(@common $make);
        $crate::conformance!(@restart $make);
        $crate::conformance!(@rules $make; takeover: {
            what_a_killed_process_held_is_free,
            what_a_killed_process_announced_is_garbage,
        });
    };
    (@model $cases:literal, $make:expr) => {
        #[test]
        fn random_verbs_do_what_a_simple_model_does() {
            let rule = $crate::conformance::model::random_verbs_do_what_a_simple_model_does;
            rule($cases, || $make);
        }
    };
    (@restart $make:expr) => {
        // A place that lasts is slow: what the rules have in common is tried in memory.
        $crate::conformance!(@model 5, $make);
        $crate::conformance!(@rules $make; restart: {
            files_batches_and_segments_are_as_they_were,
            uploads_and_first_answers_are_as_they_were,
            epochs_go_on_growing,
        });
    };
    (@common $make:expr) => {
        $crate::conformance!(@rules $make;
            files: {
                an_inserted_file_is_read_back,
                another_projects_file_is_a_missing_one,
                a_file_is_gone_when_its_expiry_has_come,
                files_are_listed_page_by_page,
                files_are_listed_by_purpose,
                a_cursor_that_is_no_file_is_not_found,
                extents_begin_with_the_one_that_holds_the_byte,
                a_file_without_bytes_has_no_extents,
                an_abandoned_upload_is_garbage_at_once,
                an_inserted_file_ends_its_announcement,
                garbage_does_not_become_a_file,
            }
            uploads: {
                an_inserted_upload_is_read_back,
                another_projects_upload_is_a_missing_one,
                a_part_counts_once,
                garbage_does_not_become_a_part,
                a_completed_upload_is_a_file_of_its_parts,
                the_file_of_an_upload_is_deleted_like_any_other,
                parts_that_do_not_make_the_file_are_refused,
                a_cancelled_upload_is_garbage,
                a_completed_upload_is_not_cancelled,
                an_upload_that_is_not_completed_in_time_is_garbage,
                a_part_that_comes_too_late_is_refused,
            }
            once: {
                the_first_answer_under_a_key_is_kept,
                a_second_object_under_a_key_is_not_created,
                of_many_at_a_time_one_is_created,
                a_key_is_its_projects,
                an_answer_is_kept_for_a_day,
            }
            deletion: {
                a_deleted_file_is_kept_ten_minutes_for_downloads,
                an_input_is_kept_until_the_last_open_batch_ends,
                a_deleted_result_file_is_kept_ten_minutes_for_downloads,
                expired_files_are_deleted_by_the_sweep,
                forgotten_garbage_does_not_come_back,
            }
            batches: {
                an_inserted_batch_is_read_back,
                another_projects_batch_is_a_missing_one,
                batches_are_listed_newest_first,
                a_cancelled_batch_is_cancelling,
                an_ended_batch_is_not_cancelled,
                late_events_change_nothing,
                events_that_need_a_verb_of_their_own_are_refused,
                drained_is_refused_while_lines_are_missing,
                the_input_of_a_batch_is_its_projects,
                batches_are_counted_by_status,
            }
            steering: {
                a_paused_batch_says_so_until_it_is_resumed,
                what_sends_nothing_any_more_is_not_paused,
                batches_are_found_by_status_text_and_parent,
                a_deleted_batch_is_gone_with_its_results,
                an_open_batch_is_not_deleted,
                an_overview_is_its_projects,
            }
            claims: {
                the_soonest_deadline_is_claimed_first,
                a_batch_is_held_by_one_worker,
                each_claim_has_a_new_epoch,
                a_worker_that_was_fenced_changes_nothing,
                a_released_lease_is_good_for_nothing,
                a_worker_is_told_what_it_holds,
                a_worker_alone_has_no_share_and_keeps_what_it_holds_when_it_leaves,
                an_ended_batch_is_neither_held_nor_claimed,
            }
            segments: {
                a_recorded_segment_counts_once,
                counts_are_the_sums_of_the_segments,
                a_segment_behind_its_time_is_refused,
                more_lines_than_there_are_are_refused,
                a_tally_that_is_not_that_of_its_lines_is_refused,
                segments_are_read_page_by_page,
                result_extents_lie_one_behind_the_other,
            }
            merging: {
                merging_moves_no_offset,
                a_merged_segment_still_counts_as_recorded,
                merging_what_is_not_the_same_changes_nothing,
                reading_goes_on_behind_a_merged_segment,
                replaced_blobs_are_kept_ten_minutes_for_downloads,
                segments_of_one_blob_are_merged_in_place,
                a_merge_under_an_older_epoch_changes_nothing,
            }
            sealing: {
                a_batch_with_all_lines_is_completed,
                a_batch_with_missing_lines_is_not_sealed,
                a_line_that_was_recorded_twice_is_found,
                a_file_without_lines_does_not_exist,
                a_batch_whose_deadline_passed_is_expired,
                a_cancelled_batch_keeps_its_results,
                a_batch_cancelled_while_validating_has_no_files,
                sealing_is_all_or_nothing,
                the_last_segment_ends_its_batch,
                the_last_segment_of_a_cancelled_batch_ends_it_as_cancelled,
                a_segment_that_is_not_the_last_ends_nothing,
                the_last_segment_of_another_run_is_fenced,
                the_plan_is_garbage_when_its_batch_has_ended,
            }
            sweeping: {
                unnamed_blobs_are_told_by_their_epoch,
                blobs_that_wait_as_garbage_are_not_unnamed,
                batches_are_forgotten_after_their_retention,
                a_batch_is_kept_while_its_result_files_are,
                the_newest_time_is_told,
            }
            damage: {
                a_quarantined_blob_is_told_until_it_is_reinstated,
                a_quarantined_blob_is_never_swept,
                a_lost_plan_is_replaced,
                a_plan_of_other_lines_is_refused,
                a_plan_that_comes_too_late_is_garbage,
            }
            running: {
                progress_is_replaced_and_ends_with_its_batch,
                a_worker_replaces_what_it_said_of_its_upstreams,
                the_store_answers,
            }
        );
    };
    (@rules $make:expr; $($room:ident: { $($rule:ident),+ $(,)? })+) => {
        $(
            mod $room {
                use super::*;
                $(
                    #[test]
                    fn $rule() {
                        $crate::conformance::check($make, $crate::conformance::$room::$rule);
                    }
                )+
            }
        )+
    };
}

/// One named test a rule a place for blobs. Each is made anew: an expression of [`crate::Blobs`]
/// and something to keep for as long as the test runs (a temporary folder, say).
#[macro_export]
macro_rules! blob_conformance {
    ($($driver:ident => $make:expr),+ $(,)?) => {
        $(
            mod $driver {
                use super::*;
                $crate::blob_conformance!(@rules $make; {
                    a_blob_is_read_back,
                    a_range_is_read,
                    a_missing_blob_is_not_found,
                    a_range_behind_the_end_is_corrupt,
                    an_empty_blob_is_a_blob,
                    a_blob_is_put_again,
                    a_relaxed_blob_is_a_blob,
                    an_upload_is_one_blob,
                    an_unfinished_upload_leaves_nothing,
                    a_deleted_blob_is_gone,
                    blobs_are_listed_by_their_parts,
                    altered_bytes_are_found,
                    a_reader_joins_extents_piece_by_piece,
                    a_reader_tells_that_a_blob_is_missing,
                    a_reader_finds_altered_bytes,
                });
            }
        )+
    };
    (@rules $make:expr; { $($rule:ident),+ $(,)? }) => {
        $(
            #[test]
            fn $rule() {
                let (blobs, _kept) = $make;
                $crate::conformance::block_on($crate::conformance::blobs::$rule(blobs));
            }
        )+
    };
}
