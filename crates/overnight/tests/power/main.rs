//! The power fails at any moment, and what clients were told stays true.
//!
//! ```text
//! scene ──► strace ──► events ──► disk, up to a moment ──► folder ──► recover ──► check
//!   └─ what the client was told by then ───────────────────────────────────────────┘
//! ```
//!
//! The calls of the real binary are recorded once. For each of many moments, what a disk would hold
//! had the power failed then is rebuilt twice: without anything that no fsync kept, and with some of
//! it, torn. The real drivers and the real engine start on it in this process.

#![cfg(test)]

mod check;
mod dice;
mod disk;
mod recover;
mod scene;
mod strace;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::thread;

use overnight_core::time::Timestamp;

use crate::check::check;
use crate::dice::Dice;
use crate::disk::{Disk, Loss};
use crate::scene::{Record, record};
use crate::strace::Event;

/// So many moments are looked at, each with both losses.
const MOMENTS: usize = 200;

/// As many as there are processors to share them.
const THREADS: usize = 2;

#[test]
fn what_clients_were_told_outlives_a_power_failure() {
    let folder = folder();
    let began = tokio::time::Instant::now();
    let record = record(folder.path());
    println!("{} events in {:?}", record.events.len(), began.elapsed());
    the_record_has_everything(&record);
    let moments = moments(&record.events);
    assert!(moments.len() >= MOMENTS, "{} moments", moments.len());
    let found = thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS)
            .map(|share| {
                let (record, moments) = (&record, &moments);
                let place = folder.path().join(format!("share-{share}"));
                scope.spawn(move || {
                    let mine = |moment: &usize| moment % THREADS == share;
                    fail_at(
                        record,
                        &|_, _| true,
                        &moments.iter().copied().filter(mine).collect(),
                        &place,
                    )
                })
            })
            .collect();
        let found: Vec<_> = shares
            .into_iter()
            .map(|share| share.join().unwrap())
            .collect();
        found
    });
    if let Some((what, panic)) = found.into_iter().flatten().next() {
        eprintln!("{what}");
        resume_unwind(panic);
    }
    println!("{} moments after {:?}", moments.len(), began.elapsed());
    // The proof that the proof works: what is not kept is missed.
    let in_blobs = |path: &Path| path.starts_with("data/blobs");
    let is_folder = |path: &Path| is_folder(&record.events, path);
    let without_blobs = |path: &Path, _: usize| !in_blobs(path) || is_folder(path);
    let without_folders = |path: &Path, _: usize| !in_blobs(path) || !is_folder(path);
    let without_log = |path: &Path, _: usize| !path.ends_with("overnight.db-wal");
    is_missed(&record, &without_blobs, &moments, folder.path());
    is_missed(&record, &without_folders, &moments, folder.path());
    is_missed(&record, &without_log, &moments, folder.path());
}

/// Whether a disk keeps what it is told to by the fsync of that number, of that file or folder.
type Keeps<'a> = &'a dyn Fn(&Path, usize) -> bool;

type Panic = Box<dyn std::any::Any + Send>;

/// A disk that does not keep everything loses something that was promised.
fn is_missed(record: &Record, keeps: Keeps<'_>, moments: &BTreeSet<usize>, folder: &Path) {
    // What is said of it is not of interest here.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let found = fail_at(record, keeps, moments, &folder.join("missed"));
    set_hook(hook);
    let (what, _) = found.expect("nobody misses what was not kept");
    println!("missed: {what}");
}

/// Lets the power fail at moments: after so many events. Answers the first that is not survived.
fn fail_at(
    record: &Record,
    keeps: Keeps<'_>,
    moments: &BTreeSet<usize>,
    place: &Path,
) -> Option<(String, Panic)> {
    let mut disk = Disk::new();
    let mut answers = 0;
    for (event, number) in record.events.iter().zip(1..) {
        match event {
            Event::Answer => answers += 1,
            Event::SyncBegins(path, sync) if !keeps(path, *sync) => {}
            event => disk.happen(event),
        }
        if !moments.contains(&number) {
            continue;
        }
        for loss in [Loss::Everything, Loss::Something] {
            disk.fail(loss, &mut Dice::new(number as u64), place);
            let now = Timestamp::from_seconds(record.after);
            let checked = catch_unwind(AssertUnwindSafe(|| {
                check(&place.join("data"), &record.journal, answers, now);
            }));
            if let Err(panic) = checked {
                let last = path_of(event);
                let what = format!("after event {number} ({last}) and {answers} answers: {loss:?}");
                return Some((what, panic));
            }
            std::fs::remove_dir_all(place).unwrap();
        }
    }
    None
}

/// Moments to look at: before and after what makes something durable, as evenly as they come, some
/// in between, and the last one.
fn moments(events: &[Event]) -> BTreeSet<usize> {
    let mut dice = Dice::new(200);
    let is_turn = |event: &Event| matches!(event, Event::SyncEnds(_) | Event::Rename(..));
    let turns: Vec<usize> = (0..events.len())
        .filter(|number| is_turn(&events[*number]))
        .flat_map(|number| [number, number + 1])
        .filter(|number| *number > 0)
        .collect();
    let mut moments = BTreeSet::from([events.len()]);
    while moments.len() < MOMENTS * 3 / 4 {
        moments.insert(turns[dice.below(turns.len())]);
    }
    while moments.len() < MOMENTS {
        moments.insert(1 + dice.below(events.len()));
    }
    moments
}

/// A record in which nothing of this happens proves too little.
fn the_record_has_everything(record: &Record) {
    let writes = |name: &str| {
        let of_it =
            |event: &&Event| matches!(event, Event::Write(path, ..) if path.ends_with(name));
        record.events.iter().filter(of_it).count()
    };
    assert!(writes("overnight.db") > 10, "the log was taken over");
    assert!(writes("overnight.db-wal") > 500);
    let renames = |event: &&Event| matches!(event, Event::Rename(..));
    assert!(record.events.iter().filter(renames).count() > 50);
    let removed = |event: &&Event| matches!(event, Event::Remove(path) if path.starts_with("data/blobs/files"));
    assert!(record.events.iter().any(|event| removed(&event)));
}

fn is_folder(events: &[Event], path: &Path) -> bool {
    let is_it = |event: &Event| matches!(event, Event::CreateFolder(folder) if folder == path);
    events.iter().any(is_it)
}

fn path_of(event: &Event) -> String {
    match event {
        Event::Write(path, at, bytes) => format!("write {path:?} {at} {}", bytes.len()),
        event => format!("{event:?}"),
    }
}

/// A folder in memory where there is one: it is written hundreds of times.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(memory)
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
