//! The rules for blobs, wherever they are kept.

use bytes::Bytes;
use futures_util::TryStreamExt;
use overnight_core::segment::{BlobKey, Extent, placed};
use xxhash_rust::xxh3::xxh3_64;

use crate::blobs::{BlobError, Blobs, ExtentReader, PIECE_BYTES};

fn key(name: &str) -> BlobKey {
    format!("segments/batch_1/2/{name}").into()
}

/// So many bytes in which every place is told from its neighbours.
fn bytes(length: usize) -> Bytes {
    (0..length)
        .map(|place| u8::try_from(place * 7 % 251).unwrap_or_default())
        .collect()
}

async fn keys(blobs: &Blobs, prefix: &str) -> Vec<BlobKey> {
    let mut keys: Vec<BlobKey> = blobs.list(prefix).try_collect().await.unwrap();
    keys.sort();
    keys
}

fn is_missing<T: std::fmt::Debug>(answer: Result<T, BlobError>) {
    assert!(matches!(answer, Err(BlobError::NotFound(_))), "{answer:?}");
}

fn is_corrupt<T: std::fmt::Debug>(answer: Result<T, BlobError>) {
    assert!(matches!(answer, Err(BlobError::Corrupt(_))), "{answer:?}");
}

/// The parts of a blob are joined; the answered extent spans it and its checksum holds.
pub async fn a_blob_is_read_back(blobs: Blobs) {
    let parts = vec![
        Bytes::from_static(b"one "),
        Bytes::new(),
        Bytes::from_static(b"two"),
    ];
    let extent = blobs.put(&key("a"), parts).await.unwrap();
    let checksum = xxh3_64(b"one two");
    assert_eq!(
        extent,
        Extent {
            blob: key("a"),
            offset: 0,
            length: 7,
            checksum
        }
    );
    assert_eq!(blobs.read_extent(&extent).await.unwrap(), "one two");
    assert_eq!(blobs.length(&key("a")).await.unwrap(), 7);
    blobs.verify(&extent).await.unwrap();
}

/// Any range is read; an empty one needs no blob.
pub async fn a_range_is_read(blobs: Blobs) {
    blobs.put(&key("a"), vec![bytes(1000)]).await.unwrap();
    for range in [0..1_usize, 0..1000, 10..20, 999..1000] {
        let read = blobs
            .read(&key("a"), range.start as u64..range.end as u64)
            .await
            .unwrap();
        assert_eq!(read, bytes(1000).slice(range));
    }
    assert_eq!(blobs.read(&key("a"), 5..5).await.unwrap(), "");
}

/// A missing blob is told from one that cannot be reached.
pub async fn a_missing_blob_is_not_found(blobs: Blobs) {
    is_missing(blobs.read(&key("a"), 0..1).await);
    is_missing(blobs.length(&key("a")).await);
    is_missing(blobs.append(&key("a"), &[]).await);
    is_missing(blobs.truncate(&key("a"), 0).await);
}

/// A blob that is shorter than its row says is damaged, wherever the range begins.
pub async fn a_range_behind_the_end_is_corrupt(blobs: Blobs) {
    blobs.put(&key("a"), vec![bytes(10)]).await.unwrap();
    for range in [5..11, 10..11, 50..60] {
        is_corrupt(blobs.read(&key("a"), range).await);
    }
}

/// A blob may have no bytes.
pub async fn an_empty_blob_is_a_blob(blobs: Blobs) {
    let put = blobs.put(&key("a"), Vec::new()).await.unwrap();
    let uploaded = blobs.upload(&key("b")).finish().await.unwrap();
    for extent in [put, uploaded] {
        assert_eq!(extent.length, 0);
        assert_eq!(blobs.length(&extent.blob).await.unwrap(), 0);
        blobs.verify(&extent).await.unwrap();
    }
}

/// A put whose answer was lost may be repeated.
pub async fn a_blob_is_put_again(blobs: Blobs) {
    let first = blobs.put(&key("a"), vec![bytes(10)]).await.unwrap();
    let again = blobs.put(&key("a"), vec![bytes(10)]).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(keys(&blobs, "segments").await, [key("a")]);
}

/// Without a promise to survive a power failure, a blob is a blob still.
pub async fn a_relaxed_blob_is_a_blob(blobs: Blobs) {
    let extent = blobs.put_relaxed(&key("a"), vec![bytes(10)]).await.unwrap();
    assert_eq!(blobs.read_extent(&extent).await.unwrap(), bytes(10));
}

/// However an upload is cut, short or over many hops, it becomes the blob of its bytes.
pub async fn an_upload_is_one_blob(blobs: Blobs) {
    let megabytes = bytes(3 * 1024 * 1024 + 17);
    for (name, whole, step) in [
        ("short", bytes(1000), 7),
        ("long", megabytes.clone(), 100_000),
        ("in-large-steps", megabytes.clone(), 2 * 1024 * 1024),
        (
            "in-whole-hops",
            megabytes.slice(..2 * 1024 * 1024),
            1024 * 1024,
        ),
    ] {
        let mut writer = blobs.upload(&key(name));
        for start in (0..whole.len()).step_by(step) {
            writer
                .write(whole.slice(start..whole.len().min(start + step)))
                .await
                .unwrap();
        }
        assert_eq!(writer.length(), whole.len() as u64);
        let extent = writer.finish().await.unwrap();
        assert_eq!(extent.length, whole.len() as u64);
        assert_eq!(extent.checksum, xxh3_64(&whole));
        assert_eq!(blobs.read_extent(&extent).await.unwrap(), whole);
    }
}

/// An upload that is aborted or dropped is not there, and never was.
pub async fn an_unfinished_upload_leaves_nothing(blobs: Blobs) {
    for length in [10, 2 * 1024 * 1024] {
        let mut aborted = blobs.upload(&key("a"));
        aborted.write(bytes(length)).await.unwrap();
        is_missing(blobs.length(&key("a")).await);
        aborted.abort().await.unwrap();
        let mut dropped = blobs.upload(&key("b"));
        dropped.write(bytes(length)).await.unwrap();
        drop(dropped);
        is_missing(blobs.length(&key("a")).await);
        is_missing(blobs.length(&key("b")).await);
    }
    assert_eq!(keys(&blobs, "segments").await, []);
}

/// Deleting a blob twice is fine, and its neighbours stay.
pub async fn a_deleted_blob_is_gone(blobs: Blobs) {
    for name in ["a", "b"] {
        blobs.put(&key(name), vec![bytes(10)]).await.unwrap();
    }
    for _ in 0..2 {
        blobs.delete(&key("a")).await.unwrap();
    }
    is_missing(blobs.read(&key("a"), 0..1).await);
    assert_eq!(keys(&blobs, "segments").await, [key("b")]);
}

/// A prefix is whole parts of a key; an unknown one has no blobs.
pub async fn blobs_are_listed_by_their_parts(blobs: Blobs) {
    let all = [
        "files/1",
        "plans/batch_1/1/a",
        "plans/batch_10/1/a",
        "segments/batch_1/1/a",
    ];
    for name in all {
        blobs.put(&name.into(), vec![bytes(1)]).await.unwrap();
    }
    assert_eq!(
        keys(&blobs, "plans").await,
        all[1..3]
            .iter()
            .map(|key| (*key).into())
            .collect::<Vec<BlobKey>>()
    );
    assert_eq!(keys(&blobs, "plans/batch_1").await, [BlobKey::from(all[1])]);
    assert_eq!(keys(&blobs, "nothing").await, []);
}

/// The checksum tells bytes that were not written so.
pub async fn altered_bytes_are_found(blobs: Blobs) {
    let mut extent = blobs.put(&key("a"), vec![bytes(600_000)]).await.unwrap();
    blobs.verify(&extent).await.unwrap();
    extent.checksum ^= 1;
    is_corrupt(blobs.verify(&extent).await);
    is_corrupt(blobs.read_extent(&extent).await);
}

/// Any range over many extents comes in pieces of a bounded size, whole and in order.
pub async fn a_reader_joins_extents_piece_by_piece(blobs: Blobs) {
    let lengths = [700_000, 0, 5, 300_000];
    let mut extents = Vec::new();
    let mut whole = Vec::new();
    for (place, length) in lengths.into_iter().enumerate() {
        let mut extent = blobs
            .put(&key(&place.to_string()), vec![bytes(length)])
            .await
            .unwrap();
        // All but the first byte, so that the extent is not the whole blob.
        let skipped = length.min(1);
        extent.offset = skipped as u64;
        extent.length -= skipped as u64;
        extent.checksum = xxh3_64(&bytes(length)[skipped..]);
        whole.extend_from_slice(&bytes(length)[skipped..]);
        extents.push(extent);
    }
    let length = whole.len();
    for (start, end) in [
        (0, length),
        (1, 2),
        (699_990, 700_010),
        (length - 1, length),
        (5, 5),
    ] {
        let range = start as u64..end as u64;
        let mut reader = ExtentReader::new(blobs.clone(), placed(&extents), range);
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(!piece.is_empty());
            assert!(piece.len() as u64 <= blobs.piece_bytes(PIECE_BYTES));
            read.extend_from_slice(&piece);
        }
        assert!(read == whole[start..end], "{start}..{end}");
    }
    let behind = length as u64..length as u64 + 10;
    let mut reader = ExtentReader::new(blobs, placed(&extents), behind);
    assert_eq!(reader.next().await.unwrap(), None);
}

/// The pieces before a missing blob are read, and then the reader says so, once.
pub async fn a_reader_tells_that_a_blob_is_missing(blobs: Blobs) {
    let there = blobs.put(&key("a"), vec![bytes(10)]).await.unwrap();
    let missing = Extent {
        blob: key("b"),
        ..there.clone()
    };
    let extents = placed(&[there.clone(), missing, there]);
    let mut reader = ExtentReader::new(blobs, extents, 0..30);
    assert_eq!(reader.next().await.unwrap(), Some(bytes(10)));
    is_missing(reader.next().await);
    assert_eq!(reader.next().await.unwrap(), None);
}

/// An extent that is read as a whole is compared with its checksum before its last piece is handed
/// on, and before the first when only a part of it is wanted; other extents go on.
pub async fn a_reader_finds_altered_bytes(blobs: Blobs) {
    let sound = blobs.put(&key("a"), vec![bytes(10)]).await.unwrap();
    let mut altered = blobs.put(&key("b"), vec![bytes(600_000)]).await.unwrap();
    altered.checksum ^= 1;
    let extents = placed(&[sound.clone(), altered.clone(), sound]);
    let mut reader = ExtentReader::new(blobs.clone(), extents.clone(), 0..u64::MAX);
    let mut read = 0;
    let found = loop {
        match reader.next().await {
            Ok(piece) => read += piece.unwrap().len(),
            Err(error) => break Err::<(), _>(error),
        }
    };
    is_corrupt(found);
    assert!((10..600_010).contains(&read), "{read} bytes were handed on");
    assert_eq!(reader.damaged(), Some(&altered));
    assert_eq!(reader.next().await.unwrap(), None);

    for (part, sound_bytes) in [
        (11..600_010, 0),
        (10..600_009, 0),
        (300_000..300_001, 0),
        (600_000..600_015, 0),
        (3..600_000, 7),
        (600_011..600_015, 4),
        (2..9, 7),
    ] {
        let length = part.end - part.start;
        let new = || ExtentReader::new(blobs.clone(), extents.clone(), part.clone());
        let (read, damaged) = read_on(new()).await;
        let found = (read < length).then_some(&altered);
        assert_eq!((read, damaged.as_ref()), (sound_bytes, found), "{part:?}");
        // Whoever compares what is in the part gets it as it is.
        let all = read_on(new().without_comparing_parts()).await;
        assert_eq!(all, (length, None), "{part:?}");
    }
}

/// How many bytes a reader hands on, and the extent that it finds damaged.
async fn read_on(mut reader: ExtentReader) -> (u64, Option<Extent>) {
    let mut read = 0;
    while let Ok(Some(piece)) = reader.next().await {
        read += piece.len() as u64;
    }
    (read, reader.damaged().cloned())
}
