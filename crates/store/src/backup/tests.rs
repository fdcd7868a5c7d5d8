//! Backups of a store that goes on working meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use overnight_core::file::File;
use overnight_core::segment::BlobKey;
use overnight_core::time::Clock;

use super::{BackupError, Label, Source, Taken, content, hold_still, restore, take};
use crate::conformance::block_on;
use crate::conformance::fixture::{at, file, file_id, project, upload};
use crate::hold::BesideHold;
use crate::sqlite::inspect::Inspector;
use crate::verify::verify;
use crate::{Blobs, Blocking, Sqlite, Store};

/// A data folder that is in use, and where its backups go.
struct Ground {
    folder: tempfile::TempDir,
    store: Sqlite,
    blobs: Blobs,
    seconds: Arc<AtomicU64>,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        Self {
            store: Sqlite::open(&data.join("overnight.db"), Blocking::Inline).unwrap(),
            blobs: Blobs::folder(&data.join("blobs")).unwrap(),
            folder,
            seconds: Arc::new(AtomicU64::new(1000)),
        }
    }

    fn database(&self) -> std::path::PathBuf {
        self.path("data").join("overnight.db")
    }

    fn source(&self) -> Source {
        Source::Folder {
            database: self.database(),
            blobs: self.path("data").join("blobs"),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn insert(&self, n: u64) {
        let text = format!("the content of file {n}");
        self.store.announce(&upload(n), at(n)).await.unwrap();
        let extent = self.blobs.put(&upload(n), vec![text.into()]).await;
        let extent = extent.unwrap();
        let file = File {
            bytes: extent.length,
            ..file(n)
        };
        self.store.insert_file(&file, &[extent]).await.unwrap();
    }

    /// Deletes a file so early that the time of its downloads is over then.
    async fn delete(&self, n: u64, seconds: u64) {
        let deleted_at = at(seconds.saturating_sub(600));
        self.store
            .delete_file(&project(), &file_id(n), deleted_at)
            .await
            .unwrap();
    }

    async fn backup(&self, name: &str) -> Result<Taken, BackupError> {
        let seconds = Arc::clone(&self.seconds);
        let clock = Clock::new(move || at(seconds.fetch_add(1, Ordering::Relaxed)));
        let random = u128::from(self.seconds.load(Ordering::Relaxed)) << 100;
        take(&self.source(), &self.path(name), (&clock, random)).await
    }

    /// Deletes what no row names any more, as a server does, and answers it.
    async fn sweep(&self, seconds: u64) -> Vec<BlobKey> {
        let garbage = self.store.garbage(100, at(seconds)).await.unwrap();
        for blob in &garbage {
            self.blobs.delete(blob).await.unwrap();
        }
        self.store.forget_garbage(&garbage).await.unwrap();
        garbage
    }
}

/// How many things are wrong with a database and its blobs.
async fn errors(database: &Path, blobs: &Path) -> u64 {
    let rows = Inspector::open(database).unwrap();
    let blobs = Blobs::folder(blobs).unwrap();
    let mut all = |finding| println!("{finding:?}");
    verify(&rows, &blobs, &mut all).await.unwrap().errors
}

#[test]
fn a_backup_is_brought_back_as_it_was_taken() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        ground.insert(2).await;
        let taken = ground.backup("backup").await.unwrap();
        assert_eq!((taken.label.blobs, taken.new_blobs), (2, 2));
        ground.insert(3).await;

        let restored = ground.path("restored");
        let brought = restore(&ground.path("backup"), &restored).await.unwrap();
        assert_eq!((brought.label, brought.damaged), (taken.label, vec![]));
        let database = restored.join("overnight.db");
        assert_eq!(errors(&database, &restored.join("blobs")).await, 0);
        let store = Sqlite::open(&database, Blocking::Inline).unwrap();
        for (n, is_there) in [(1, true), (2, true), (3, false)] {
            let file = store.file(&project(), &file_id(n), at(9)).await;
            assert_eq!(file.is_ok(), is_there, "file {n}");
        }
    });
}

#[test]
fn a_second_backup_copies_what_is_new_and_lets_go_of_what_is_old() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        ground.insert(2).await;
        ground.backup("backup").await.unwrap();
        ground.insert(3).await;
        ground.delete(1, 5).await;
        assert_eq!(ground.sweep(605).await, [upload(1)]);
        let taken = ground.backup("backup").await.unwrap();
        assert_eq!((taken.label.blobs, taken.new_blobs), (2, 1));
        let names = fs::read_dir(content(&ground.path("backup")).join("files")).unwrap();
        let names: BTreeSet<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        let key = |n| upload(n).as_str().trim_start_matches("files/").to_owned();
        assert_eq!(names, [key(2).into(), key(3).into()].into());
        let entries = fs::read_dir(ground.path("backup")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(
            names.filter(|name| name.starts_with("overnight-")).count(),
            1
        );
        let snapshot = taken.label.snapshot(&ground.path("backup"));
        assert_eq!(errors(&snapshot, &content(&ground.path("backup"))).await, 0);
    });
}

#[test]
fn no_blob_is_deleted_while_somebody_copies_and_for_a_minute_after_one_died() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        let beside = crate::sqlite::beside::Beside::open(&ground.database()).unwrap();
        beside.hold("one that dies", at(1100)).unwrap();
        ground.delete(1, 1101).await;
        assert_eq!(ground.sweep(1101).await, []);
        assert_eq!(ground.sweep(1159).await, []);
        assert_eq!(ground.sweep(1160).await, [upload(1)]);

        ground.insert(2).await;
        beside.hold("one that lives", at(1200)).unwrap();
        ground.delete(2, 1201).await;
        // The clock was set back by an hour, or forward by one before: the hold binds nobody.
        assert_eq!(ground.sweep(1130).await, [], "not yet garbage");
        beside.hold("one that lives", at(4800)).unwrap();
        assert_eq!(ground.sweep(1202).await, [upload(2)]);

        ground.insert(3).await;
        beside.hold("one that ends", at(1300)).unwrap();
        ground.delete(3, 1298).await;
        assert_eq!(ground.sweep(1302).await, []);
        assert_eq!(
            ground.sweep(1299).await,
            [],
            "the time was told a little before"
        );
        beside.let_go("one that ends").unwrap();
        assert_eq!(ground.sweep(1302).await, [upload(3)]);
    });
}

/// A clock that does something at each look, on a thread of its own.
fn busy_clock(
    ground: &Ground,
    act: impl Fn(u64, &Sqlite, &Blobs) + Send + Sync + 'static,
) -> Clock {
    let (seconds, store) = (Arc::clone(&ground.seconds), ground.store.clone());
    let blobs = ground.blobs.clone();
    Clock::new(move || {
        let now = seconds.fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| scope.spawn(|| act(now, &store, &blobs)).join()).unwrap();
        at(seconds.load(Ordering::Relaxed))
    })
}

#[test]
fn nothing_is_swept_from_under_a_backup_however_long_it_takes() {
    block_on(async {
        let ground = Ground::new();
        for n in 1..=40 {
            ground.insert(n).await;
        }
        // The server sweeps at each look at the clock, which takes a second; the last file is
        // deleted when the snapshot names it already.
        let clock = busy_clock(&ground, |now, store, blobs| {
            block_on(async {
                if now == 1010 {
                    store
                        .delete_file(&project(), &file_id(40), at(400))
                        .await
                        .unwrap();
                }
                let garbage = store.garbage(100, at(now)).await.unwrap();
                blobs.delete_all(&garbage).await.unwrap();
                store.forget_garbage(&garbage).await.unwrap();
            });
        });
        let taken = take(&ground.source(), &ground.path("backup"), (&clock, 1)).await;
        let taken = taken.unwrap();
        assert_eq!((taken.label.blobs, taken.damaged), (40, vec![]));
        let now = ground.seconds.load(Ordering::Relaxed);
        assert!(now > 1060, "it took longer than a hold: {now}");
        assert_eq!(ground.sweep(now).await, [upload(40)], "it let go");
    });
}

#[test]
fn a_backup_whose_hold_lapsed_is_none() {
    block_on(async {
        let ground = Ground::new();
        for n in 1..=10 {
            ground.insert(n).await;
        }
        let seconds = Arc::clone(&ground.seconds);
        let clock = busy_clock(&ground, move |now, _, _| {
            if now == 1010 {
                seconds.store(1100, Ordering::Relaxed);
            }
        });
        let lapsed = take(&ground.source(), &ground.path("backup"), (&clock, 1)).await;
        assert!(matches!(lapsed, Err(BackupError::Lapsed)), "{lapsed:?}");
        ground.backup("backup").await.unwrap();
    });
}

#[test]
fn a_hold_is_asked_for_again_while_nobody_thinks_of_it() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        ground.delete(1, 601).await;
        let (looked, looks) = std::sync::mpsc::sync_channel(1000);
        let seconds = Arc::clone(&ground.seconds);
        let clock = Clock::new(move || {
            let _ = looked.try_send(());
            let stop_at = |now: u64| (now < 1400).then_some(now + 10);
            let _ = seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, stop_at);
            at(seconds.load(Ordering::Relaxed))
        });
        let interval = std::time::Duration::from_millis(1);
        let hold = BesideHold::begin(&ground.database(), "h", (&clock, interval)).unwrap();
        for _ in 0..50 {
            looks.recv().unwrap();
        }
        // At 1060 or so it would have ended.
        assert_eq!(ground.sweep(1400).await, []);
        assert!(hold.has_lasted().unwrap());
        drop(hold);
        assert_eq!(ground.sweep(1400).await, [upload(1)]);
    });
}

#[test]
fn nobody_takes_a_backup_into_one_that_is_read() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        ground.backup("backup").await.unwrap();
        let folder = ground.path("backup");
        let readers = (hold_still(&folder).unwrap(), hold_still(&folder).unwrap());
        assert!(readers.0.is_some() && readers.1.is_some());
        let refused = ground.backup("backup").await.unwrap_err().to_string();
        assert!(refused.contains("reads it"), "{refused}");
        drop(readers);
        let taking = fs::File::open(folder.join("backup.lock")).unwrap();
        taking.lock().unwrap();
        let refused = restore(&folder, &ground.path("restored")).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("right now"), "{refused}");
        drop(taking);
        ground.backup("backup").await.unwrap();
    });
}

#[test]
fn what_is_damaged_is_left_out_and_named() {
    block_on(async {
        let ground = Ground::new();
        for n in 1..=3 {
            ground.insert(n).await;
        }
        let altered = vec!["the content of file X".into()];
        ground.blobs.put(&upload(1), altered).await.unwrap();
        ground.blobs.delete(&upload(2)).await.unwrap();
        let taken = ground.backup("backup").await.unwrap();
        let named: Vec<&BlobKey> = taken.damaged.iter().map(|(blob, _)| blob).collect();
        assert_eq!(named, [&upload(1), &upload(2)]);
        assert_eq!(taken.label.blobs, 1);

        // What was whole then is altered in the backup itself.
        let kept = content(&ground.path("backup")).join(upload(3).as_str());
        fs::write(kept, "the content of file 4").unwrap();
        let restored = restore(&ground.path("backup"), &ground.path("restored")).await;
        let damaged = restored.unwrap().damaged;
        let named: Vec<&BlobKey> = damaged.iter().map(|(blob, _)| blob).collect();
        assert_eq!(named, [&upload(1), &upload(2), &upload(3)]);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_disk_cannot_read_is_left_out_and_everything_else_is_looked_at() {
    block_on(async {
        let ground = Ground::new();
        for n in 1..=3 {
            ground.insert(n).await;
        }
        let data = ground.path("data");
        for n in [1, 2] {
            let blob = data.join("blobs").join(upload(n).as_str());
            fs::remove_file(&blob).unwrap();
            // Reading its first byte is an error of the device.
            std::os::unix::fs::symlink("/proc/self/mem", blob).unwrap();
        }
        let found = errors(&data.join("overnight.db"), &data.join("blobs")).await;
        assert_eq!(found, 2);
        let taken = ground.backup("backup").await.unwrap();
        let named: Vec<&BlobKey> = taken.damaged.iter().map(|(blob, _)| blob).collect();
        assert_eq!(named, [&upload(1), &upload(2)]);
        assert_eq!(taken.label.blobs, 1);
    });
}

#[test]
fn an_earlier_copy_that_has_changed_is_made_anew() {
    block_on(async {
        let ground = Ground::new();
        for n in 1..=2 {
            ground.insert(n).await;
        }
        ground.backup("backup").await.unwrap();
        let kept = content(&ground.path("backup")).join(upload(1).as_str());
        fs::write(&kept, "the content of file X").unwrap();
        let taken = ground.backup("backup").await.unwrap();
        assert_eq!((taken.label.blobs, taken.new_blobs), (2, 1));
        assert_eq!(taken.damaged, []);
        let copy = fs::read_to_string(&kept).unwrap();
        assert_eq!(copy, "the content of file 1");

        // When both are damaged, none is in the backup.
        fs::write(&kept, "the content of file X").unwrap();
        let altered = vec!["the content of file Y".into()];
        ground.blobs.put(&upload(1), altered).await.unwrap();
        let taken = ground.backup("backup").await.unwrap();
        let named: Vec<&BlobKey> = taken.damaged.iter().map(|(blob, _)| blob).collect();
        assert_eq!(named, [&upload(1)]);
        assert!(!kept.exists());
    });
}

#[test]
fn a_torn_backup_is_none_and_an_earlier_one_stays_whole() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        let torn = ground.path("torn");
        ground.backup("torn").await.unwrap();
        fs::remove_file(torn.join("backup.json")).unwrap();
        let refused = restore(&torn, &ground.path("a")).await.unwrap_err();
        assert!(refused.to_string().contains("no whole backup"), "{refused}");
        ground.backup("torn").await.unwrap();

        let label = Label::read(&torn).unwrap();
        // The next backup dies when its snapshot and its new blobs are there.
        fs::write(torn.join("overnight-next.db"), "half a snapshot").unwrap();
        fs::write(content(&torn).join("files/unfinished#1"), "half").unwrap();
        assert_eq!(Label::read(&torn).unwrap(), label);
        restore(&torn, &ground.path("b")).await.unwrap();
        let taken = ground.backup("torn").await.unwrap();
        assert!(!torn.join("overnight-next.db").exists());

        let snapshot = taken.label.snapshot(&torn);
        let mut bytes = fs::read(&snapshot).unwrap();
        bytes[5000] ^= 1;
        fs::write(&snapshot, bytes).unwrap();
        let refused = restore(&torn, &ground.path("c")).await.unwrap_err();
        assert!(refused.to_string().contains("is damaged"), "{refused}");
    });
}

#[test]
fn folders_that_are_something_else_are_refused() {
    block_on(async {
        let ground = Ground::new();
        ground.insert(1).await;
        fs::create_dir(ground.path("mine")).unwrap();
        fs::write(ground.path("mine/letter"), "dear").unwrap();
        let refused = ground.backup("mine").await.unwrap_err().to_string();
        assert!(refused.contains("neither empty nor a backup"), "{refused}");
        let refused = ground.backup("data/backup").await.unwrap_err().to_string();
        assert!(refused.contains("inside the data folder"), "{refused}");
        ground.backup("backup").await.unwrap();
        let refused = restore(&ground.path("backup"), &ground.path("mine")).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("it is not empty"), "{refused}");
        let nothing = Source::Folder {
            database: ground.path("none/overnight.db"),
            blobs: ground.path("none/blobs"),
        };
        let clock = Clock::new(|| at(0));
        let refused = take(&nothing, &ground.path("other"), (&clock, 1)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("there is no data folder"), "{refused}");
        assert!(!ground.path("other").exists(), "nothing was made for it");
    });
}
