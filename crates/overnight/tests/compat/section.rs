//! Runs the rows of a section, then shows what each of them notices, and holds the document to it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::change::changes;
use crate::document;
use crate::row::Row;
use crate::scene::{Scene, Tape};
use crate::stage::Stages;

/// How many rows are checked at a time: most of their time is waiting.
const AT_A_TIME: usize = 6;

/// A part of the reference.
pub(crate) struct Section {
    /// The heading in the document.
    pub(crate) heading: &'static str,
    /// Its rows, in the order of the reference.
    pub(crate) rows: &'static [Row],
    /// The fields of the documented objects that its rows must notice, each changed by itself.
    pub(crate) fields: &'static [&'static str],
}

/// What came of a row.
struct Checked {
    told: Vec<String>,
    problems: Vec<String>,
    /// The fields whose changes were noticed.
    noticed: BTreeSet<String>,
}

impl Section {
    /// Checks every row and its changes, and the section of the document.
    #[track_caller]
    pub(crate) fn check(&self) {
        let checked = self.run();
        let mut problems = Vec::new();
        let mut noticed = BTreeSet::new();
        let mut told = Vec::new();
        for (row, checked) in self.rows.iter().zip(checked) {
            for problem in checked.problems {
                problems.push(format!("{}: {problem}", row.id));
            }
            noticed.extend(checked.noticed);
            told.push(checked.told);
        }
        let unnoticed = self
            .fields
            .iter()
            .filter(|field| !noticed.contains(**field));
        problems.extend(unnoticed.map(|field| format!("no row looks at {field}")));
        if problems.is_empty() {
            problems.extend(document::check_section(self, &told).err());
        }
        let count = problems.len();
        assert!(count == 0, "{count} problems:\n{}", problems.join("\n"));
    }

    fn run(&self) -> Vec<Checked> {
        let stages = Stages::default();
        let next = AtomicUsize::new(0);
        let checked: Vec<Mutex<Option<Checked>>> =
            self.rows.iter().map(|_| Mutex::new(None)).collect();
        thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    while let Some(place) = checked.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let at = checked.iter().position(|other| std::ptr::eq(other, place));
                        let row = at.and_then(|at| self.rows.get(at));
                        *place.lock().unwrap() = row.map(|row| check(row, &stages));
                    }
                });
            }
        });
        let checked = checked.into_iter().map(|one| one.into_inner().unwrap());
        checked.map(Option::unwrap).collect()
    }
}

fn check(row: &Row, stages: &Stages) -> Checked {
    let server = stages.server(row.stage);
    let mut scene = Scene::live(&server);
    let outcome = (row.check)(&mut scene);
    let earliest = scene.known.earliest;
    let tape = scene.into_tape();
    let mut checked = Checked {
        told: tape.told.clone(),
        problems: outcome.err().into_iter().collect(),
        noticed: BTreeSet::new(),
    };
    if checked.problems.is_empty() {
        notice(row, &tape, earliest, &mut checked);
    }
    checked
}

/// Checks the row again for each change of each of its answers, which must not please it.
fn notice(row: &Row, tape: &Tape, earliest: u64, checked: &mut Checked) {
    for (index, answer, golden) in tape.judged() {
        for change in changes(answer, golden) {
            let mut scene = Scene::replay(tape, earliest, (index, &change.answer));
            if (row.check)(&mut scene).is_err() {
                checked.noticed.extend(change.field);
            } else {
                let what = change.what;
                checked
                    .problems
                    .push(format!("its check does not notice: {what}"));
            }
        }
    }
    if checked.told.is_empty() {
        checked
            .problems
            .push("its check asserts nothing".to_owned());
    }
}
