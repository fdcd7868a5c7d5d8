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

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::thread;

use overnight_core::time::Timestamp;
use tokio::time::Instant;

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
    let began = Instant::now();
    let record = record(folder.path());
    println!("{} events in {:?}", record.events.len(), began.elapsed());
    the_record_has_everything(&record);
    let moments = moments(&record.events);
    assert!(moments.len() >= MOMENTS, "{} moments", moments.len());
    if let Some((what, panic)) = fail_at_all(&record, &moments, folder.path()) {
        eprintln!("{what}");
        resume_unwind(panic);
    }
    println!("{} moments after {:?}", moments.len(), began.elapsed());

    // The proof that the proof works: what is not kept is missed.
    let is_blob = |path: &Path| path.starts_with("data/blobs");
    let is_folder = |path: &Path| is_folder(&record.events, path);
    let is_log = |path: &Path| path.ends_with("overnight.db-wal");
    let without: [Keeps<'_>; 3] = [
        &|path| !is_blob(path) || is_folder(path),
        &|path| !is_blob(path) || !is_folder(path),
        &|path| !is_log(path),
    ];
    for keeps in without {
        is_missed(&record, keeps, &moments, folder.path());
    }
}

/// Lets the power fail at all moments, which threads share. Answers one that is not survived.
fn fail_at_all(record: &Record, moments: &BTreeSet<usize>, folder: &Path) -> Option<Found> {
    let share = |number: usize| {
        let is_mine = |moment: &usize| moment % THREADS == number;
        let mine = moments.iter().copied().filter(is_mine).collect();
        let place = folder.join(format!("share-{number}"));
        fail_at(record, &|_| true, &mine, &place)
    };
    thread::scope(|scope| {
        let share = &share;
        let others: Vec<_> = (1..THREADS)
            .map(|number| scope.spawn(move || share(number)))
            .collect();
        let own = share(0);
        let others = others.into_iter().map(|other| other.join().unwrap());
        others.fold(own, Option::or)
    })
}

/// Whether a disk keeps a file or a folder when it is told to.
type Keeps<'a> = &'a (dyn Fn(&Path) -> bool + Sync);

/// When the power failed, and what was wrong then.
type Found = (String, Box<dyn Any + Send>);

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
) -> Option<Found> {
    let mut disk = Disk::new();
    let mut answers = 0;
    for (event, number) in record.events.iter().zip(1..) {
        answers += usize::from(*event == Event::Answer);
        if !matches!(event, Event::SyncBegins(path, _) if !keeps(path)) {
            disk.happen(event);
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
                let last = shown(event);
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
    let is_removal = |event: &Event| matches!(event, Event::Remove(path) if path.starts_with("data/blobs/plans"));
    assert!(record.events.iter().any(is_removal));
}

fn is_folder(events: &[Event], path: &Path) -> bool {
    let is_it = |event: &Event| matches!(event, Event::CreateFolder(folder) if folder == path);
    events.iter().any(is_it)
}

fn shown(event: &Event) -> String {
    if let Event::Write(path, at, bytes) = event {
        return format!("{} bytes at {at} of {}", bytes.len(), path.display());
    }
    format!("{event:?}")
}

/// A folder in memory where there is one: it is written hundreds of times.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(memory)
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
