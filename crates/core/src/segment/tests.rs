//! Keys, extents and sets of lines.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::*;

fn extent(blob: &str, length: u64) -> Extent {
    Extent {
        blob: blob.into(),
        offset: 3,
        length,
        checksum: 7,
    }
}

#[test]
fn keys_name_their_batch_epoch_and_place() {
    let random = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
    let batch = BatchId::from("batch_1");
    let upload = BlobKey::upload(random);
    assert_eq!(upload.as_str(), "files/0123456789abcdef0123456789abcdef");
    let plan = BlobKey::plan(&batch, 4, random);
    assert_eq!(plan.to_string(), "plans/batch_1-4-01234567");
    for (part, word) in [
        (Part::Output, "output"),
        (Part::Error, "error"),
        (Part::Index, "index"),
    ] {
        let segment = BlobKey::segment(&batch, 4, 25, part, random);
        let expected = format!("segments/batch_1-4-0000000025-{word}-01234567");
        assert_eq!(segment.as_str(), expected);
        assert_eq!(format!("{segment:?}"), format!("{expected:?}"));
    }
}

#[test]
fn extents_are_placed_one_after_another() {
    let extents = [extent("a", 10), extent("b", 5), extent("c", 1)];
    let placed = placed(&extents);
    let at: Vec<u64> = placed.iter().map(|placed| placed.at).collect();
    assert_eq!(at, [0, 10, 15]);
    let same = placed.into_iter().map(|placed| placed.extent);
    assert!(same.eq(extents));
}

#[test]
fn a_segment_tells_its_extents_and_names_its_blobs() {
    assert_eq!(ResultFile::Output.as_str(), "output");
    assert_eq!(ResultFile::Error.as_str(), "error");
    let segment = Segment {
        epoch: 1,
        seq: 0,
        output: Some(extent("o", 10)),
        error: None,
        index: Some(extent("i", 1)),
        lines: LineSet::new(),
        tally: Tally::default(),
        usage: Usage::default(),
    };
    assert_eq!(segment.extent(ResultFile::Output), Some(&extent("o", 10)));
    assert_eq!(segment.extent(ResultFile::Error), None);
    let blobs: Vec<&str> = segment.blobs().map(BlobKey::as_str).collect();
    assert_eq!(blobs, ["o", "i"]);
}

#[test]
fn a_set_of_lines_is_a_set() {
    let mut lines = LineSet::new();
    assert!(lines.is_empty());
    assert!(lines.insert(7));
    assert!(!lines.insert(7), "it was there already");
    assert!(lines.insert(3));
    assert!(!lines.is_empty());
    assert!(lines.contains(7) && !lines.contains(8));
    let other: LineSet = [8, 3].into_iter().collect();
    assert_eq!((other.first(), other.last()), (Some(3), Some(8)));
    assert_eq!(
        (LineSet::new().first(), LineSet::new().last()),
        (None, None)
    );
    assert!(!lines.is_disjoint(&other));
    lines.union_with(&other);
    assert!(lines.iter().eq([3, 7, 8]));
    assert_eq!(lines.len(), 3);
}

fn lines() -> impl Strategy<Value = LineSet> {
    let run = (0_u32..200_000, 1_u32..5_000).prop_map(|(first, count)| first..first + count);
    let runs = prop::collection::vec(run, 0..4);
    let single = prop::collection::vec(any::<u32>(), 0..30);
    (runs, single).prop_map(|(runs, single)| {
        let mut lines: LineSet = runs.into_iter().flatten().chain(single).collect();
        lines.0.optimize();
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(31),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_set_is_read_back_and_a_damaged_one_is_a_set_or_none(
        lines in lines(),
        edits in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
        other in lines(),
    ) {
        let mut bytes = lines.to_bytes();
        prop_assert_eq!(LineSet::from_bytes(&bytes), Some(lines));
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cut = &bytes[..cut.index(bytes.len())];
        for damaged in [bytes.as_slice(), cut] {
            if let Some(read) = LineSet::from_bytes(damaged) {
                // What is asked of recorded sets has an answer.
                let shared = read.0.intersection_len(&other.0);
                prop_assert_eq!(read.is_disjoint(&other), shared == 0);
                prop_assert!(read.len() >= shared);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_a_set_or_none(
        head in prop::sample::select(vec![&b""[..], b"\x3a\x30\0\0", b"\x3b\x30\0\0", b"\x3b\x30\x01\0\x03"]),
        bytes in prop::collection::vec(prop_oneof![2 => 0_u8..3, 1 => any::<u8>()], 0..60),
    ) {
        if let Some(read) = LineSet::from_bytes(&[head, bytes.as_slice()].concat()) {
            let again = LineSet::from_bytes(&read.to_bytes());
            prop_assert_eq!(again.map(|again| again.len()), Some(read.len()));
        }
    }
}
