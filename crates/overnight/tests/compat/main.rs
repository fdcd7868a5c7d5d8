//! The wire, row by row: what the recorded service does, and that ours does the same.
//!
//! A row (`row`) has an id, a sentence and a check. A check talks to the real binary through a
//! `scene` and compares whole answers (`golden`), byte for byte but for ids and times (`pattern`).
//! When a row holds, it is checked again on the record of its answers, with one field changed at a
//! time (`change`): a change that pleases it is a hole in the row. What the rows asserted is
//! `docs/compatibility.md` (`document`).

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod answer;
mod batches;
mod change;
mod document;
mod errors;
mod files;
mod golden;
mod ground;
mod input;
mod json;
mod lifecycle;
mod object;
mod pattern;
mod request;
mod results;
mod row;
mod scene;
mod section;
mod stage;
mod uploads;
mod upstream;

use std::collections::BTreeSet;

use section::Section;

/// The ids of all rows, one a line, in the order of the reference. A row that is gone is missed here.
const IDS: &str = include_str!("rows.txt");

/// One test a section; the sections in the order of the reference.
macro_rules! sections {
    ($($name:ident: $section:path,)+) => {
        const SECTIONS: &[Section] = &[$($section),+];

        $(
            #[test]
            fn $name() {
                $section.check();
            }
        )+
    };
}

sections! {
    every_answer: ground::GROUND,
    ids: ground::IDS,
    files_are_uploaded: files::upload::UPLOAD,
    files_are_listed: files::list::LIST,
    a_file_is_shown_and_deleted: files::one::ONE,
    a_file_is_downloaded: files::one::CONTENT,
    result_files: results::FILES,
    batches_are_created: batches::create::CREATE,
    the_batch_object: batches::object::OBJECT,
    batches_are_listed: batches::list::LIST,
    the_life_of_a_batch: lifecycle::LIFE,
    batches_are_cancelled: batches::cancel::CANCEL,
    lines_and_their_bytes: input::bytes::BYTES,
    input_files_are_checked: input::checks::CHECKS,
    input_files_have_limits: input::limits::LIMITS,
    result_lines: results::LINES,
    files_in_parts: uploads::UPLOADS,
    errors_are_told: errors::ERRORS,
    access: access::ACCESS,
    models: errors::MODELS,
}

#[test]
fn every_row_has_a_check_and_stands_in_its_place() {
    let rows = SECTIONS.iter().flat_map(|section| section.rows);
    let rows: Vec<&str> = rows.map(|row| row.id).collect();
    let listed: Vec<&str> = IDS.lines().collect();
    assert_eq!(rows, listed, "the rows and rows.txt");
    let distinct: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(distinct.len(), rows.len(), "an id stands twice");
}

#[test]
fn the_document_lists_what_differs_and_what_was_chosen() {
    document::check_lists(SECTIONS).unwrap();
}
