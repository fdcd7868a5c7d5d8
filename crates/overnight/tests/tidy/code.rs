//! How long files and lines are, and what each begins with.

use super::findings::Findings;
use super::rust::{Line, Source, sources};
use super::tree::{self, names, text};

/// The most lines of a file that are part of the product.
const FILE_LINES_MAX: usize = 500;

/// The most lines of tests at the end of a file; more have a file of their own.
const INLINE_TESTS_MAX: usize = 150;

/// The most columns of code; a string that nobody can break does not count.
const COLUMNS_MAX: usize = 100;

/// The most columns of a line of prose, which no formatter breaks.
const COMMENT_COLUMNS_MAX: usize = 120;

/// The most lines of the tour at the head of a crate.
const TOUR_LINES_MAX: usize = 40;

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let mut found = Findings::of("A file has at most 500 lines, its tests aside.");
    for source in sources() {
        let lines = source.product().count();
        if lines > FILE_LINES_MAX {
            found.add(&source.path, format!("{lines} lines"));
        }
    }
    found.check();
}

#[test]
fn long_tests_have_a_file_of_their_own() {
    let mut found = Findings::of("Tests of more than 150 lines stand in a file of their own.");
    for source in sources() {
        let tests = source.lines.iter().filter(|line| line.is_test).count();
        if source.product().next().is_some() && tests > INLINE_TESTS_MAX {
            found.add(&source.path, format!("{tests} lines of tests"));
        }
    }
    found.check();
}

#[test]
fn a_line_fits_on_a_screen() {
    let mut found = Findings::of("Code has at most 100 columns, prose 120.");
    for source in sources() {
        for line in &source.lines {
            let code = line.columns - line.strings.chars().count() - comment_columns(line);
            if code > COLUMNS_MAX {
                found.add(source.place(line), format!("{code} columns of code"));
            }
            if is_prose(line) && line.columns > COMMENT_COLUMNS_MAX {
                found.add(source.place(line), format!("{} columns", line.columns));
            }
        }
    }
    found.check();
}

fn comment_columns(line: &Line) -> usize {
    line.comment.chars().count()
}

fn is_prose(line: &Line) -> bool {
    line.code.trim().is_empty() && !line.comment.is_empty()
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let mut found =
        Findings::of("A file of the product begins with a `//!` that says what it is for.");
    for source in sources() {
        let first = source.lines.first();
        if first.is_some_and(|line| !line.is_test && !line.comment.starts_with("//!")) {
            found.add(&source.path, "has no head");
        }
    }
    found.check();
}

#[test]
fn every_crate_begins_with_a_tour() {
    let mut found = Findings::of("A crate begins with a tour of at most 40 lines.");
    for room in names("crates") {
        let path = ["lib.rs", "main.rs"].map(|name| format!("crates/{room}/src/{name}"));
        let Some(path) = path
            .into_iter()
            .find(|path| tree::root().join(path).is_file())
        else {
            found.add(format!("crates/{room}"), "has neither lib.rs nor main.rs");
            continue;
        };
        let tour = text(&path)
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        if tour == 0 || tour > TOUR_LINES_MAX {
            found.add(path, format!("a tour of {tour} lines"));
        }
    }
    found.check();
}

#[test]
fn the_median_file_is_short() {
    let mut lengths: Vec<usize> = sources()
        .iter()
        .map(|source| source.product().count())
        .filter(|lines| *lines > 0)
        .collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median <= 200,
        "the median file of the product has {median} lines; 200 is the bound"
    );
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let mut found =
        Findings::of("Migrations are numbered from 1 without gaps: NNNN_what_it_does.sql.");
    for driver in ["sqlite", "postgres"] {
        let folder = format!("crates/store/src/{driver}/migrations");
        let names = names(&folder);
        assert!(!names.is_empty(), "{folder} is empty");
        for (name, number) in names.iter().zip(1..) {
            let number = format!("{number:04}_");
            if !name.starts_with(&number) || !tree::ends_in(name, "sql") {
                found.add(
                    format!("{folder}/{name}"),
                    format!("begins with {number} and ends in .sql"),
                );
            }
        }
    }
    found.check();
}

#[test]
fn tests_are_told_from_the_product() {
    let sources = sources();
    let state = sources
        .iter()
        .find(|source| source.path == "crates/core/src/batch/state.rs");
    let tests = |source: &Source| source.lines.iter().filter(|line| line.is_test).count();
    assert!(
        state.is_some_and(|source| tests(source) > 0 && source.product().count() > tests(source))
    );
}
