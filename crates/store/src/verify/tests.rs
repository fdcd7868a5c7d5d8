//! A sound folder has no findings, and every kind of damage has its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use overnight_core::batch::{Event, Lease, Plan, Tally};
use overnight_core::file::File;
use overnight_core::plan::{PlanEntry, PlanWriter};
use overnight_core::segment::{BlobKey, Extent, Part, Segment};
use overnight_core::upload::UploadPart;
use rusqlite::Connection;
use xxhash_rust::xxh3::xxh3_64;

use super::{Check, Finding, Severity, Summary, verify};
use crate::conformance::block_on;
use crate::conformance::fixture::{
    at, batch, batch_id, claim, file, part, pending, project, sealing, segment_key, upload,
};
use crate::sqlite::inspect::Inspector;
use crate::{Blobs, Blocking, Sqlite, Store};

fn database(folder: &Path) -> PathBuf {
    folder.join("overnight.db")
}

/// A result line of an input line.
fn result(line: u32) -> String {
    format!(
        "{{\"id\":\"batch_req_{line:032x}\",\"custom_id\":\"r-{line:04}\",\"response\":{{\"status_code\":200,\
         \"request_id\":\"x\",\"body\":{{}}}},\"error\":null}}\n"
    )
}

async fn put(blobs: &Blobs, key: BlobKey, content: impl Into<String>) -> Extent {
    blobs.put(&key, vec![content.into().into()]).await.unwrap()
}

/// A segment of these lines, with real result lines; the last one failed.
async fn record(
    store: &Sqlite,
    blobs: &Blobs,
    (lease, seq): (&Lease, u64),
    lines: std::ops::Range<u32>,
) {
    let key = |part| segment_key(lease, seq, part);
    let failed = lines.end - 1;
    let completed: String = (lines.start..failed).map(result).collect();
    let segment = Segment {
        epoch: lease.epoch,
        seq,
        output: Some(put(blobs, key(Part::Output), completed).await),
        error: Some(put(blobs, key(Part::Error), result(failed)).await),
        index: Some(put(blobs, key(Part::Index), "an index").await),
        tally: Tally {
            completed: u64::from(failed - lines.start),
            failed: 1,
            unrun: 0,
        },
        lines: lines.collect(),
        usage: overnight_core::usage::Usage::default(),
    };
    store.record(lease, &segment).await.unwrap();
}

/// A batch of twenty lines that runs, half of them done.
async fn half_done(store: &Sqlite, blobs: &Blobs, n: u64) -> Lease {
    store.insert_batch(&batch(n)).await.unwrap();
    let lease = claim(store, "w1", n).await;
    let (mut writer, mut bytes) = (PlanWriter::new(), Vec::new());
    for line in 1..=20 {
        let entry = PlanEntry {
            line,
            offset: u64::from(line) * 5,
            length: 4,
            crc32c: 0,
            model: 0,
            id_start: 0,
            id_len: 1,
            body_start: 2,
            body_len: 1,
        };
        writer.push(&entry, &mut bytes);
    }
    writer.finish(vec!["m".into()], &mut bytes);
    let key = BlobKey::plan(&lease.batch, lease.epoch, 1 << 96);
    let plan = Plan {
        entries: blobs.put(&key, vec![bytes.into()]).await.unwrap(),
        total: 20,
        model: Some("m".into()),
    };
    let validated = Event::Validated(plan);
    store.advance(&lease, validated, at(n + 1)).await.unwrap();
    record(store, blobs, (&lease, 0), 1..6).await;
    record(store, blobs, (&lease, 1), 6..11).await;
    lease
}

/// A folder with a file, a batch that has completed and one that runs, and an upload.
async fn keep(folder: &Path) {
    let store = Sqlite::open(&database(folder), Blocking::Inline).unwrap();
    let blobs = Blobs::folder(&folder.join("blobs")).unwrap();
    let input = put(&blobs, upload(1), "{}\n".repeat(200)).await;
    let file = File {
        bytes: input.length,
        ..file(1)
    };
    store.announce(&input.blob, at(1)).await.unwrap();
    store.insert_file(&file, &[input]).await.unwrap();
    let ended = half_done(&store, &blobs, 1).await;
    record(&store, &blobs, (&ended, 2), 11..21).await;
    store.seal(&ended, &sealing(1), at(10)).await.unwrap();
    // The sweep of its plan.
    for blob in store.garbage(10, at(11)).await.unwrap() {
        blobs.delete(&blob).await.unwrap();
    }
    half_done(&store, &blobs, 2).await;

    store.insert_upload(&pending(1, 100)).await.unwrap();
    let one = part(1, 7, 3);
    let extent = put(&blobs, one.extent.blob.clone(), "abc").await;
    store.announce(&extent.blob, at(7)).await.unwrap();
    let one = UploadPart { extent, ..one };
    store.insert_part(&project(), &one).await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn look(folder: &Path) -> (Vec<Finding>, Summary) {
    let mut found = Vec::new();
    let summary = block_on(async {
        let rows = Inspector::open(&database(folder)).unwrap();
        let blobs = Blobs::folder(&folder.join("blobs")).unwrap();
        verify(&rows, &blobs, &mut |finding| found.push(finding))
            .await
            .unwrap()
    });
    (found, summary)
}

/// Something that happens to a folder.
enum Damage {
    /// To the rows, as no verb would do it.
    Rows(&'static str),
    /// To a blob below that path, which is found by how its path begins.
    Blob(&'static str, fn(&Path)),
    /// To the folder.
    Folder(fn(&Path)),
}

use Damage::{Blob, Folder, Rows};

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[1] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// The first blob below a folder of the blobs, in order of name, whose name holds a word.
fn find(folder: &Path, path: &str) -> PathBuf {
    let (kind, name) = path.split_once(' ').unwrap_or((path, ""));
    let mut folders = vec![folder.join("blobs").join(kind)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(name) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found.into_iter().next().expect(path)
}

/// Puts other lines in the place of the first batch's first output lines, and changes the row so that
/// it fits them.
fn rewrite(folder: &Path, lines: &str) {
    let path = find(folder, "segments output");
    fs::write(&path, lines).unwrap();
    let rows = Connection::open(database(folder)).unwrap();
    let sql = "UPDATE segments SET output_checksum = ?1 WHERE batch = ?2 AND seq = 0";
    let checksum = xxh3_64(lines.as_bytes()).cast_signed();
    let changed = rows.execute(sql, (checksum, batch_id(1).as_str())).unwrap();
    assert_eq!(changed, 1);
}

fn doubled(folder: &Path) {
    rewrite(folder, &[1, 2, 3, 6].map(result).concat());
}

fn garbled(folder: &Path) {
    let lines = [1, 2, 3, 4].map(result).concat();
    rewrite(
        folder,
        &lines.replacen("\"error\":null", "\"error\":nil ", 1),
    );
}

fn merged(folder: &Path) {
    let lines = [1, 2, 3, 4].map(result).concat();
    rewrite(folder, &lines.replacen('\n', " ", 1));
}

fn overwrite(folder: &Path) {
    let path = database(folder);
    let mut bytes = fs::read(&path).unwrap();
    // All but the header and the list of tables.
    bytes[8 * 4096..].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

const DAMAGES: [(&str, Damage, &[Check]); 27] = [
    ("pages", Folder(overwrite), &[Check::Database]),
    (
        "a reference",
        Rows("DELETE FROM files WHERE results_of IS NULL"),
        &[Check::Database, Check::State],
    ),
    (
        "the version",
        Rows("PRAGMA user_version = 1"),
        &[Check::Version],
    ),
    (
        "a row",
        Rows("UPDATE batches SET history = '[]' WHERE status = 'completed'"),
        &[Check::Row],
    ),
    (
        "a set of lines",
        Rows("UPDATE segments SET lines = x'0102' WHERE seq = 2"),
        &[Check::Row],
    ),
    (
        "tokens",
        Rows("UPDATE batches SET input_tokens = 7"),
        &[Check::Counts],
    ),
    (
        "bytes",
        Rows("UPDATE batches SET error_bytes = error_bytes + 1 WHERE ended_at IS NULL"),
        &[Check::Counts],
    ),
    (
        "a segment",
        Rows("DELETE FROM segments WHERE seq = 2"),
        &[Check::Counts, Check::Conservation, Check::Orphan],
    ),
    (
        "lines twice",
        Rows(
            "UPDATE segments SET lines = (SELECT lines FROM segments WHERE seq = 0) WHERE seq = 1",
        ),
        &[Check::Lines, Check::Conservation],
    ),
    (
        "a tally",
        Rows("UPDATE segments SET unrun = 1 WHERE seq = 0"),
        &[Check::Lines, Check::Counts, Check::Results],
    ),
    (
        "a position",
        Rows("UPDATE segments SET error_at = error_at + 1 WHERE seq = 1"),
        &[Check::Positions],
    ),
    (
        "an epoch",
        Rows("UPDATE batches SET epoch = 0"),
        &[Check::State],
    ),
    (
        "result files",
        Rows("UPDATE batches SET result_files = 1 WHERE ended_at IS NOT NULL"),
        &[Check::State],
    ),
    (
        "a result file",
        Rows("UPDATE files SET bytes = 1 WHERE part = 'output'"),
        &[Check::File],
    ),
    (
        "a file's size",
        Rows("UPDATE files SET bytes = 1 WHERE results_of IS NULL"),
        &[Check::File],
    ),
    (
        "an upload",
        Rows("UPDATE uploads SET part_bytes = 1"),
        &[Check::File],
    ),
    (
        "a plan's name",
        Rows("UPDATE batches SET plan_blob = 'plans/1/2/3' WHERE plan_blob IS NOT NULL"),
        &[Check::State, Check::Orphan],
    ),
    ("a plan", Blob("plans", flip), &[Check::Plan]),
    ("no plan", Blob("plans", remove), &[Check::Plan]),
    ("an input", Blob("files", remove), &[Check::BlobMissing]),
    ("a part", Blob("files", cut), &[Check::BlobDamaged]),
    (
        "results",
        Blob("segments output", flip),
        &[Check::BlobDamaged],
    ),
    (
        "results cut",
        Blob("segments error", cut),
        &[Check::BlobDamaged],
    ),
    ("a line twice", Folder(doubled), &[Check::Results]),
    ("a line garbled", Folder(garbled), &[Check::Results]),
    ("lines merged", Folder(merged), &[Check::Results]),
    (
        "leftovers",
        Folder(leave),
        &[
            Check::Index,
            Check::Quarantine,
            Check::Orphan,
            Check::Staging,
        ],
    ),
];

/// What is worth knowing, and no loss.
fn leave(folder: &Path) {
    remove(&find(folder, "segments index"));
    fs::write(folder.join("blobs/files/nobodys"), "x").unwrap();
    fs::write(folder.join("blobs/files/unfinished#1"), "x").unwrap();
    let sql = "INSERT INTO quarantine VALUES ('files/old', 0, 1, 2, 'the file x', 'altered', 3)";
    let rows = Connection::open(database(folder)).unwrap();
    rows.execute_batch(sql).unwrap();
}

#[test]
fn a_sound_folder_has_no_findings_and_every_damage_is_named() {
    let base = tempfile::tempdir().unwrap();
    block_on(keep(base.path()));
    let (found, summary) = look(base.path());
    assert_eq!(found, []);
    assert_eq!((summary.batches, summary.files), (2, 4));
    let (mut all, mut wrong) = (BTreeSet::new(), Vec::new());
    for (name, damage, expected) in DAMAGES {
        let folder = tempfile::tempdir().unwrap();
        copy(base.path(), folder.path());
        match damage {
            Rows(sql) => {
                let rows = Connection::open(database(folder.path())).unwrap();
                rows.pragma_update(None, "foreign_keys", false).unwrap();
                rows.execute_batch(sql).unwrap();
            }
            Blob(path, damage) => damage(&find(folder.path(), path)),
            Folder(damage) => damage(folder.path()),
        }
        let (found, summary) = look(folder.path());
        let checks: BTreeSet<Check> = found.iter().map(|finding| finding.check).collect();
        if checks != expected.iter().copied().collect() {
            wrong.push((name, found.clone()));
        }
        let is_error = |finding: &&Finding| finding.severity() == Severity::Error;
        let errors = found.iter().filter(is_error).count() as u64;
        let notes = found.len() as u64 - errors;
        assert_eq!((summary.errors, summary.notes), (errors, notes), "{name}");
        all.extend(checks);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        all,
        Check::ALL.into(),
        "each check has a damage that it finds"
    );
}
