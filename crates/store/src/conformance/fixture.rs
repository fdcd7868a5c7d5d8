//! Small words for the rules: files, batches and segments that are easy to name.

use std::time::Duration;

use overnight_core::batch::{Batch, BatchSpec, CompletionWindow, Event, Lease, Plan, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, PartId, ProjectId, UploadId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, Part, PlacedExtent, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadRefusal, UploadState};
use overnight_core::usage::Usage;

use crate::store::{Completion, Content, FirstAnswer, Result, Sealing, Store, StoreError};

/// So many seconds after the rules begin.
#[must_use]
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

/// The project that most rules are about.
#[must_use]
pub fn project() -> ProjectId {
    "alpha".into()
}

/// A project that sees nothing of the first.
#[must_use]
pub fn stranger() -> ProjectId {
    "beta".into()
}

/// A worker of that name.
#[must_use]
pub fn worker(name: &str) -> WorkerId {
    name.into()
}

/// An uploaded file, created `n` seconds after the rules begin.
#[must_use]
pub fn file(n: u64) -> File {
    File {
        id: file_id(n),
        project: project(),
        purpose: Purpose::Batch,
        filename: format!("input-{n}.jsonl"),
        bytes: 100,
        created_at: at(n),
        expires_at: None,
    }
}

/// The id of [`file()`].
#[must_use]
pub fn file_id(n: u64) -> FileId {
    FileId::new(at(n), u128::from(n))
}

/// The blob of [`file()`].
#[must_use]
pub fn upload(n: u64) -> BlobKey {
    BlobKey::upload(u128::from(n))
}

/// A run of bytes that is a whole blob.
#[must_use]
pub fn extent(blob: BlobKey, length: u64) -> Extent {
    // Above the largest signed number, which drivers may have to keep it as.
    Extent {
        blob,
        offset: 0,
        length,
        checksum: u64::MAX - length,
    }
}

/// Inserts [`file()`] with one blob.
pub async fn insert_file(store: &dyn Store, n: u64) -> File {
    let file = file(n);
    store.announce(&upload(n), at(n)).await.unwrap();
    store
        .insert_file(&file, &[extent(upload(n), file.bytes)])
        .await
        .unwrap();
    file
}

/// An upload of so many bytes that was created `n` seconds after the rules begin and has an hour;
/// its file has another.
#[must_use]
pub fn pending(n: u64, bytes: u64) -> Upload {
    Upload {
        id: upload_id(n),
        project: project(),
        purpose: Purpose::Batch,
        filename: format!("parts-{n}.jsonl"),
        bytes,
        created_at: at(n),
        expires_at: at(n + 3600),
        file_expires_after: Some(Duration::from_hours(1)),
        parts: 0,
        part_bytes: 0,
        state: UploadState::Pending,
    }
}

/// The id of [`pending`].
#[must_use]
pub fn upload_id(n: u64) -> UploadId {
    UploadId::new(at(n), u128::from(n))
}

/// A part of [`pending`] `n`, of the blob [`upload`] `part`, that came `part` seconds after the
/// rules begin.
#[must_use]
pub fn part(n: u64, part: u64, length: u64) -> UploadPart {
    UploadPart {
        id: part_id(part),
        upload: upload_id(n),
        created_at: at(part),
        extent: extent(upload(part), length),
    }
}

/// The id of a [`part`].
#[must_use]
pub fn part_id(part: u64) -> PartId {
    PartId::new(at(part), u128::from(part))
}

/// Announces and inserts a [`part`].
pub async fn insert_part(store: &dyn Store, n: u64, part_no: u64, length: u64) {
    let part = part(n, part_no, length);
    store
        .announce(&part.extent.blob, part.created_at)
        .await
        .unwrap();
    store.insert_part(&project(), &part).await.unwrap();
}

/// Of [`pending`] `n`, with these parts, into the file of the id `1000 + n`.
#[must_use]
pub fn completion(n: u64, parts: &[u64]) -> Completion {
    Completion {
        upload: upload_id(n),
        order: parts.iter().map(|part| part_id(*part)).collect(),
        file: file_id(1000 + n),
    }
}

/// What a client was answered under a key, `n` seconds after the rules begin.
#[must_use]
pub fn first(key: &str, n: u64) -> FirstAnswer {
    FirstAnswer {
        project: project(),
        key: key.to_owned(),
        request: format!("request-{n}"),
        body: format!("{{\"answer\": {n}}}"),
        at: at(n),
    }
}

/// A batch of [`file()`] 1 that was created `n` seconds after the rules begin and has an hour.
#[must_use]
pub fn batch(n: u64) -> Batch {
    Batch::new(
        batch_id(n),
        project(),
        spec(1, Some(Duration::from_hours(1))),
        at(n),
    )
}

/// A batch's spec, with that input and that time.
#[must_use]
pub fn spec(input: u64, window: Option<Duration>) -> BatchSpec {
    BatchSpec {
        input_file: file_id(input),
        endpoint: "/v1/chat/completions".into(),
        window: CompletionWindow {
            text: "1h".into(),
            length: window,
        },
        metadata: None,
        output_expires_after: None,
    }
}

/// The id of [`batch`].
#[must_use]
pub fn batch_id(n: u64) -> BatchId {
    BatchId::new(at(n), u128::from(n))
}

/// What validation of so many lines found.
#[must_use]
pub fn plan(lease: &Lease, total: u64) -> Plan {
    let key = BlobKey::plan(&lease.batch, lease.epoch, 1 << 96);
    Plan {
        entries: extent(key, total * 24),
        total,
        model: Some("m".into()),
    }
}

/// Inserts [`batch`] and claims it.
pub async fn claimed(store: &dyn Store, n: u64) -> Lease {
    store.insert_batch(&batch(n)).await.unwrap();
    claim(store, "w1", n).await
}

/// Claims everything there is and answers the lease of [`batch`].
pub async fn claim(store: &dyn Store, name: &str, n: u64) -> Lease {
    let claims = store.claim(&worker(name), 100, at(n)).await.unwrap();
    let claim = claims
        .into_iter()
        .find(|claim| claim.batch.id == batch_id(n));
    claim.expect("the batch is free").lease
}

/// A batch of so many lines, claimed and validated.
pub async fn running(store: &dyn Store, n: u64, total: u64) -> Lease {
    let lease = claimed(store, n).await;
    let validated = Event::Validated(plan(&lease, total));
    store.advance(&lease, validated, at(n + 1)).await.unwrap();
    lease
}

/// A segment of that lease whose lines were answered well: ten bytes and three tokens each.
#[must_use]
pub fn answered(lease: &Lease, seq: u64, lines: std::ops::Range<u32>) -> Segment {
    let count = u64::from(lines.end - lines.start);
    Segment {
        epoch: lease.epoch,
        seq,
        output: Some(extent(segment_key(lease, seq, Part::Output), count * 10)),
        error: None,
        index: Some(extent(segment_key(lease, seq, Part::Index), count * 4)),
        lines: lines.collect(),
        tally: Tally {
            completed: count,
            failed: 0,
            unrun: 0,
        },
        usage: Usage {
            input_tokens: 2 * count,
            output_tokens: count,
            total_tokens: 3 * count,
            ..Usage::default()
        },
    }
}

/// As [`answered`], and one more line that failed, with seven bytes in the error file.
#[must_use]
pub fn mixed(lease: &Lease, seq: u64, lines: std::ops::Range<u32>) -> Segment {
    let failed = lines.end;
    let mut segment = answered(lease, seq, lines);
    segment.error = Some(extent(segment_key(lease, seq, Part::Error), 7));
    segment.lines.insert(failed);
    segment.tally.failed = 1;
    segment
}

/// A segment of lines that were never run.
#[must_use]
pub fn unrun(lease: &Lease, seq: u64, lines: std::ops::Range<u32>) -> Segment {
    let count = u64::from(lines.end - lines.start);
    Segment {
        epoch: lease.epoch,
        seq,
        output: None,
        error: Some(extent(segment_key(lease, seq, Part::Error), count * 7)),
        index: None,
        lines: lines.collect(),
        tally: Tally {
            completed: 0,
            failed: 0,
            unrun: count,
        },
        usage: Usage::default(),
    }
}

/// The blob of one part of a segment.
#[must_use]
pub fn segment_key(lease: &Lease, seq: u64, part: Part) -> BlobKey {
    BlobKey::segment(&lease.batch, lease.epoch, seq, part, 7 << 96)
}

/// The result files of [`batch`].
#[must_use]
pub fn sealing(n: u64) -> Sealing {
    let result = |id: u64, filename: &str| File {
        purpose: Purpose::BatchOutput,
        filename: filename.to_owned(),
        bytes: 0,
        ..file(id)
    };
    Sealing {
        output: result(1000 + n, "output.jsonl"),
        error: result(2000 + n, "error.jsonl"),
    }
}

/// A batch of two lines, both answered well, sealed at `n + 10`.
pub async fn completed(store: &dyn Store, n: u64) -> Lease {
    let lease = running(store, n, 2).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    store.seal(&lease, &sealing(n), at(n + 10)).await.unwrap();
    lease
}

/// Every extent of a content.
pub async fn extents(store: &dyn Store, content: &Content) -> Vec<PlacedExtent> {
    store.extents(content, 0, 1000).await.unwrap()
}

/// The garbage that is due, in order of name.
pub async fn garbage(store: &dyn Store, seconds: u64) -> Vec<BlobKey> {
    let mut blobs = store.garbage(1000, at(seconds)).await.unwrap();
    blobs.sort();
    blobs
}

/// That there is no such object.
pub fn is_missing<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
}

/// That a newer lease was given.
pub fn is_fenced<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(StoreError::Fenced)), "{answer:?}");
}

/// That the batch's state does not allow it.
pub fn is_illegal<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(StoreError::Illegal(_))), "{answer:?}");
}

/// That an upload does not allow it, for that reason.
pub fn is_refused<T: std::fmt::Debug>(answer: Result<T>, why: &UploadRefusal) {
    match answer {
        Err(StoreError::Refused(refusal)) => assert_eq!(refusal, *why),
        other => panic!("{other:?}"),
    }
}

/// That it would contradict what is recorded.
pub fn contradicts<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(
        matches!(answer, Err(StoreError::Contradicts(_))),
        "{answer:?}"
    );
}

/// That the database itself is damaged.
pub fn is_corrupt<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}
