//! What only some places can do: mounted files, and what a killed process leaves in a folder.

use std::fs;

use bytes::Bytes;
use overnight_core::segment::BlobKey;

use super::{BlobError, Blobs, ExtentReader};
use crate::blocking::Blocking;
use crate::conformance::block_on;

fn key() -> BlobKey {
    "results".into()
}

#[test]
fn a_mounted_file_is_read_where_it_lies_and_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    fs::write(&path, "one\ntwo\n").unwrap();
    for blocking in [Blocking::Pool, Blocking::Inline] {
        let blobs = Blobs::memory()
            .with_blocking(blocking)
            .with_mount(key(), &path)
            .unwrap();
        block_on(async {
            assert_eq!(blobs.length(&key()).await.unwrap(), 8);
            assert_eq!(blobs.read(&key(), 4..7).await.unwrap(), "two");
            let behind = blobs.read(&key(), 7..9).await;
            assert!(matches!(behind, Err(BlobError::Corrupt(_))), "{behind:?}");
            let appended = blobs.append(&key(), &[Bytes::from_static(b"three")]).await;
            assert!(
                matches!(appended, Err(BlobError::NotFound(_))),
                "{appended:?}"
            );
            blobs.delete(&key()).await.unwrap();
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
    let missing = Blobs::memory().with_mount(key(), &folder.path().join("other"));
    assert!(
        matches!(missing, Err(BlobError::NotFound(_))),
        "{missing:?}"
    );
}

#[test]
fn appends_follow_each_other_and_are_read_as_extents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let blobs = Blobs::memory().with_appended(key(), &path).unwrap();
    block_on(async {
        let first = [Bytes::from_static(b"on"), Bytes::from_static(b"e\n")];
        let first = blobs.append(&key(), &first).await.unwrap();
        let second = blobs
            .append(&key(), &[Bytes::from_static(b"two\n")])
            .await
            .unwrap();
        assert_eq!((first.offset, first.length), (0, 4));
        assert_eq!((second.offset, second.length), (4, 4));
        for extent in [&first, &second] {
            blobs.verify(extent).await.unwrap();
        }
        let extents = overnight_core::segment::placed(&[first, second]);
        let mut reader = ExtentReader::new(blobs.clone(), extents, 2..6);
        assert_eq!(reader.next().await.unwrap().unwrap(), "e\n");
        assert_eq!(reader.next().await.unwrap().unwrap(), "tw");
        assert_eq!(reader.next().await.unwrap(), None);
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn a_torn_tail_is_cut_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    fs::write(&path, "one\ntw").unwrap();
    let blobs = Blobs::memory().with_appended(key(), &path).unwrap();
    block_on(async {
        for _ in 0..2 {
            blobs.truncate(&key(), 4).await.unwrap();
        }
        let two = blobs
            .append(&key(), &[Bytes::from_static(b"two\n")])
            .await
            .unwrap();
        assert_eq!(two.offset, 4);
        let beyond = blobs.truncate(&key(), 9).await;
        assert!(matches!(beyond, Err(BlobError::Corrupt(_))), "{beyond:?}");
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn staging_files_of_a_killed_process_are_swept_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    block_on(async {
        let kept = blobs
            .put(&"files/a".into(), vec![Bytes::from_static(b"a")])
            .await
            .unwrap();
        for name in ["files/a#1", "files/b#23"] {
            fs::write(folder.path().join(name), "torn").unwrap();
        }
        fs::write(folder.path().join("files/note#x"), "a person's").unwrap();
        assert_eq!(blobs.sweep_staging().await.unwrap(), 2);
        assert_eq!(blobs.sweep_staging().await.unwrap(), 0);
        blobs.verify(&kept).await.unwrap();
        assert!(folder.path().join("files/note#x").exists());
        assert_eq!(Blobs::memory().sweep_staging().await.unwrap(), 0);
    });
}

#[test]
fn staging_files_of_a_process_that_lives_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::shared_folder(folder.path()).unwrap();
    fs::create_dir(folder.path().join("files")).unwrap();
    let write = |name: &str, age_hours: u64| {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        let then = file.metadata().unwrap().modified().unwrap();
        file.set_modified(then - std::time::Duration::from_hours(age_hours))
            .unwrap();
    };
    write("files/young#1", 23);
    write("files/old#1", 25);
    block_on(async {
        assert_eq!(blobs.sweep_staging().await.unwrap(), 1);
        let young = folder.path().join("files/young#1");
        assert_eq!(
            blobs.staging().await.unwrap(),
            [young.canonicalize().unwrap()]
        );
        // Nor is a folder removed that somebody may be about to write to.
        fs::remove_file(young).unwrap();
        let key: BlobKey = "segments/b/a".into();
        blobs
            .put(&key, vec![Bytes::from_static(b"a")])
            .await
            .unwrap();
        blobs.delete(&key).await.unwrap();
        assert!(folder.path().join("segments/b").is_dir());
    });
}

#[test]
fn a_blob_that_was_altered_on_the_disk_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    block_on(async {
        let extent = blobs
            .put(&"files/a".into(), vec![Bytes::from_static(b"abc")])
            .await
            .unwrap();
        fs::write(folder.path().join("files/a"), "abd").unwrap();
        let altered = blobs.verify(&extent).await;
        assert!(matches!(altered, Err(BlobError::Corrupt(_))), "{altered:?}");
    });
}

#[test]
fn folders_without_blobs_are_gone_with_the_last_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    block_on(async {
        let key = "segments/batch_1/2/a".into();
        blobs
            .put(&key, vec![Bytes::from_static(b"a")])
            .await
            .unwrap();
        blobs.delete(&key).await.unwrap();
    });
    assert!(folder.path().join("segments").exists());
    assert!(!folder.path().join("segments/batch_1").exists());
}

#[test]
fn an_error_of_the_device_is_told_from_one_that_passes() {
    use std::io;
    let of_device = io::Error::from(rustix::io::Errno::IO);
    assert!(matches!(
        super::error::io(of_device),
        BlobError::NotDurable(_)
    ));
    let full = super::error::io(io::Error::from(rustix::io::Errno::NOSPC));
    assert!(full.is_retryable(), "{full:?}");
    // However it failed.
    let of_folder = io::Error::other(format!("{} for /a: no", crate::entries::FSYNC_FAILED));
    assert!(matches!(
        super::error::io(of_folder),
        BlobError::NotDurable(_)
    ));
    let sync_failed = object_store::Error::Generic {
        store: "LocalFileSystem",
        source: "Unable to sync data to disk for /a: no".into(),
    };
    assert!(matches!(
        super::error::object(sync_failed),
        BlobError::NotDurable(_)
    ));
}

/// Reading the first byte of this file is an error of the device: no process has memory there.
const UNREADABLE: &str = "/proc/self/mem";

#[cfg(target_os = "linux")]
#[test]
fn what_the_disk_cannot_read_is_damage_of_that_blob_alone() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    std::os::unix::fs::symlink(UNREADABLE, folder.path().join("a")).unwrap();
    let mounted = Blobs::memory()
        .with_mount(key(), std::path::Path::new(UNREADABLE))
        .unwrap();
    let plan = |verb: &str, _| match verb {
        "get" => crate::faulty::Fault::Lose,
        _ => crate::faulty::Fault::None,
    };
    let faulty = Blobs::memory().with_faults(plan);
    block_on(async {
        for (blobs, key) in [(blobs, "a".into()), (mounted, key()), (faulty, key())] {
            let read = blobs.read(&key, 0..1).await;
            assert!(matches!(read, Err(BlobError::Corrupt(_))), "{read:?}");
        }
    });
}

#[test]
fn work_on_the_spot_leaves_the_runtime_alone() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder_on(folder.path(), Blocking::Inline).unwrap();
    block_on(async {
        let mut upload = blobs.upload(&"plans/a".into());
        upload.write(Bytes::from(vec![7; 3 << 20])).await.unwrap();
        let plan = upload.finish().await.unwrap();
        blobs.verify(&plan).await.unwrap();
        let mut given_up = blobs.upload(&"plans/b".into());
        given_up.write(Bytes::from(vec![7; 3 << 20])).await.unwrap();
        drop(given_up);
        // It is gone at once, and not when a thread of the pool comes to it.
        assert_eq!(blobs.sweep_staging().await.unwrap(), 0);
    });
}

#[test]
fn blobs_that_are_deleted_together_take_their_folders_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    block_on(async {
        let keys: Vec<BlobKey> = ["segments/b/1/a", "segments/b/2/a", "files/a"]
            .map(BlobKey::from)
            .into();
        for key in &keys {
            blobs
                .put(key, vec![Bytes::from_static(b"a")])
                .await
                .unwrap();
        }
        blobs.delete_all(&keys).await.unwrap();
        blobs.delete_all(&keys).await.unwrap();
    });
    for kind in ["segments", "files"] {
        let left = fs::read_dir(folder.path().join(kind)).unwrap();
        assert_eq!(left.count(), 0, "{kind}");
    }
}
