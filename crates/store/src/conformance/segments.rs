//! Segments: recorded once, counted, read back.

use overnight_core::batch::Tally;
use overnight_core::segment::{ResultFile, Segment};
use overnight_core::usage::Usage;

use super::Subject;
use super::fixture::{
    answered, batch_id, claim, contradicts, extents, mixed, project, running, unrun,
};
use crate::store::Content;

/// A segment is read back as it was given. Recording it again, as after a lost answer, counts
/// nothing twice.
pub async fn a_recorded_segment_counts_once(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 10).await;
    let segment = mixed(&lease, 0, 0..3);
    for _ in 0..2 {
        store.record(&lease, &segment).await.unwrap();
    }
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        std::slice::from_ref(&segment)
    );
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(batch.tally, segment.tally);
    assert_eq!(batch.usage, segment.usage);
    assert_eq!(batch.revision, 1, "counts do not move the revision");
}

/// Over releases and epochs, a batch counts what its segments sum up to.
pub async fn counts_are_the_sums_of_the_segments(subject: Subject) {
    let store = &*subject.store;
    let first = running(store, 1, 20).await;
    store.record(&first, &mixed(&first, 0, 0..3)).await.unwrap();
    store
        .record(&first, &answered(&first, 1, 4..9))
        .await
        .unwrap();
    store.release(&first).await.unwrap();
    let second = claim(store, "w2", 1).await;
    store
        .record(&second, &unrun(&second, 0, 9..11))
        .await
        .unwrap();

    let (mut tally, mut usage) = (Tally::default(), Usage::default());
    for segment in store.segments(&batch_id(1), None, 9).await.unwrap() {
        tally += segment.tally;
        usage += segment.usage;
    }
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!((batch.tally, batch.usage), (tally, usage));
    assert_eq!(
        tally,
        Tally {
            completed: 8,
            failed: 1,
            unrun: 2
        }
    );
}

/// Segments come in their order, so that offsets never move; gaps are fine.
pub async fn a_segment_behind_its_time_is_refused(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 10).await;
    store
        .record(&lease, &answered(&lease, 4, 0..1))
        .await
        .unwrap();
    contradicts(store.record(&lease, &answered(&lease, 3, 1..2)).await);
    store
        .record(&lease, &answered(&lease, 7, 1..2))
        .await
        .unwrap();
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap().len(),
        2
    );
}

/// A batch never counts more lines than it has; what would is not recorded at all.
pub async fn more_lines_than_there_are_are_refused(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 3).await;
    store
        .record(&lease, &answered(&lease, 0, 0..2))
        .await
        .unwrap();
    contradicts(store.record(&lease, &answered(&lease, 1, 1..3)).await);
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap().len(),
        1
    );
    store
        .record(&lease, &answered(&lease, 1, 2..3))
        .await
        .unwrap();
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(batch.tally.completed, 3);
}

/// What a segment counts are its lines.
pub async fn a_tally_that_is_not_that_of_its_lines_is_refused(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 10).await;
    let mut segment = answered(&lease, 0, 0..2);
    segment.tally.failed = 1;
    contradicts(store.record(&lease, &segment).await);
    assert_eq!(store.segments(&batch_id(1), None, 9).await.unwrap(), []);
}

/// Pages go on behind the last segment, over epochs.
pub async fn segments_are_read_page_by_page(subject: Subject) {
    let store = &*subject.store;
    let first = running(store, 1, 20).await;
    let mut expected = Vec::new();
    for seq in 0..3 {
        expected.push(answered(&first, seq.into(), seq..seq + 1));
        store
            .record(&first, expected.last().unwrap())
            .await
            .unwrap();
    }
    store.release(&first).await.unwrap();
    let second = claim(store, "w1", 1).await;
    for seq in 0..2 {
        expected.push(answered(&second, seq.into(), 10 + seq..11 + seq));
        store
            .record(&second, expected.last().unwrap())
            .await
            .unwrap();
    }
    let mut found: Vec<Segment> = Vec::new();
    for length in [2, 2, 1, 0] {
        let after = found.last().map(|segment| (segment.epoch, segment.seq));
        let page = store.segments(&batch_id(1), after, 2).await.unwrap();
        assert_eq!(page.len(), length);
        found.extend(page);
    }
    assert_eq!(found, expected);
    assert_eq!(store.segments(&batch_id(9), None, 9).await.unwrap(), []);
}

/// Each result file is its segments' extents in order, found by any byte.
pub async fn result_extents_lie_one_behind_the_other(subject: Subject) {
    let store = &*subject.store;
    let first = running(store, 1, 20).await;
    store.record(&first, &mixed(&first, 0, 0..2)).await.unwrap();
    store.record(&first, &unrun(&first, 1, 5..7)).await.unwrap();
    store.release(&first).await.unwrap();
    let second = claim(store, "w1", 1).await;
    store
        .record(&second, &mixed(&second, 0, 10..13))
        .await
        .unwrap();

    let output = Content::Results(batch_id(1), ResultFile::Output);
    let error = Content::Results(batch_id(1), ResultFile::Error);
    let ranges = |found: Vec<overnight_core::segment::PlacedExtent>| {
        found
            .iter()
            .map(|placed| (placed.at, placed.extent.length))
            .collect::<Vec<_>>()
    };
    assert_eq!(ranges(extents(store, &output).await), [(0, 20), (20, 30)]);
    assert_eq!(
        ranges(extents(store, &error).await),
        [(0, 7), (7, 14), (21, 7)]
    );
    for (from, limit, expected) in [
        (6, 9, vec![(0, 7), (7, 14), (21, 7)]),
        (7, 1, vec![(7, 14)]),
        (20, 9, vec![(7, 14), (21, 7)]),
        (21, 9, vec![(21, 7)]),
        (28, 9, vec![]),
    ] {
        let found = store.extents(&error, from, limit).await.unwrap();
        assert_eq!(ranges(found), expected, "from byte {from}, at most {limit}");
    }
    let nothing = Content::Results(batch_id(9), ResultFile::Output);
    assert_eq!(store.extents(&nothing, 0, 9).await.unwrap(), []);
    // Time goes on while a batch is read: what was read stays where it was.
    store
        .record(&second, &answered(&second, 1, 15..16))
        .await
        .unwrap();
    assert_eq!(
        ranges(store.extents(&output, 20, 9).await.unwrap()),
        [(20, 30), (50, 10)]
    );
}
