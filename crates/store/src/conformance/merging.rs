//! Small segments become large ones, and no reader notices.

use overnight_core::batch::Lease;
use overnight_core::segment::{BlobKey, Extent, Part, ResultFile, Segment};

use super::Subject;
use super::fixture::{
    answered, at, batch_id, claim, contradicts, extent, extents, garbage, mixed, project, running,
    sealing, segment_key,
};
use crate::Store;
use crate::store::Content;

/// Five segments of one batch, of 2, 2, 2, 2 and 1 lines.
async fn five(store: &dyn Store) -> (Lease, Vec<Segment>) {
    let lease = running(store, 1, 9).await;
    let segments = vec![
        mixed(&lease, 0, 0..1),
        answered(&lease, 1, 2..4),
        mixed(&lease, 2, 4..5),
        mixed(&lease, 3, 6..7),
        answered(&lease, 4, 8..9),
    ];
    for segment in &segments {
        store.record(&lease, segment).await.unwrap();
    }
    (lease, segments)
}

/// What a concatenation of those segments would be, in blobs of another name.
fn merged(lease: &Lease, segments: &[Segment]) -> Segment {
    let mut merged = segments[0].clone();
    for segment in &segments[1..] {
        merged.lines.union_with(&segment.lines);
        merged.tally += segment.tally;
        merged.usage += segment.usage;
    }
    let joined = |part: Part, of: fn(&Segment) -> &Option<Extent>| {
        let lengths = segments.iter().filter_map(|segment| of(segment).as_ref());
        let length = lengths.map(|extent| extent.length).sum();
        let last = segments.last().map_or(0, |segment| segment.seq);
        let key = segment_key(lease, 100 * (merged.seq + 1) + last, part);
        (length > 0).then(|| extent(key, length))
    };
    let output = joined(Part::Output, |segment| &segment.output);
    let error = joined(Part::Error, |segment| &segment.error);
    let index = joined(Part::Index, |segment| &segment.index);
    Segment {
        output,
        error,
        index,
        ..merged
    }
}

/// Behind a merge every byte lies where it lay, during the run and after the seal.
pub async fn merging_moves_no_offset(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let before = store.batch(&project(), &batch_id(1)).await.unwrap();
    let middle = merged(&lease, &segments[1..4]);
    for _ in 0..2 {
        store
            .merge(&batch_id(1), (1, 3), &middle, at(20))
            .await
            .unwrap();
    }
    let expected = [segments[0].clone(), middle.clone(), segments[4].clone()];
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        expected
    );
    assert_eq!(store.batch(&project(), &batch_id(1)).await.unwrap(), before);
    let places = |found: &[overnight_core::segment::PlacedExtent]| {
        found
            .iter()
            .map(|placed| (placed.at, placed.extent.length))
            .collect::<Vec<_>>()
    };
    let output = Content::Results(batch_id(1), ResultFile::Output);
    let error = Content::Results(batch_id(1), ResultFile::Error);
    assert_eq!(
        places(&extents(store, &output).await),
        [(0, 10), (10, 40), (50, 10)]
    );
    assert_eq!(places(&extents(store, &error).await), [(0, 7), (7, 14)]);

    // A merge of what was merged, and of a batch that has ended.
    let sealed = store.seal(&lease, &sealing(1), at(30)).await.unwrap();
    let whole = merged(&lease, &expected);
    store
        .merge(&batch_id(1), (1, 4), &whole, at(40))
        .await
        .unwrap();
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        std::slice::from_ref(&whole)
    );
    let file = sealed.state.results().unwrap().output_file.clone().unwrap();
    let found = extents(store, &Content::File(file)).await;
    assert_eq!(places(&found), [(0, 60)]);
    assert_eq!(Some(&found[0].extent), whole.output.as_ref());
}

/// A commit whose answer was lost may be repeated, also when a merge came in between.
pub async fn a_merged_segment_still_counts_as_recorded(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let all = merged(&lease, &segments);
    store
        .merge(&batch_id(1), (1, 4), &all, at(20))
        .await
        .unwrap();
    for segment in &segments {
        store.record(&lease, segment).await.unwrap();
    }
    assert_eq!(store.segments(&batch_id(1), None, 9).await.unwrap(), [all]);
    let batch = store.batch(&project(), &batch_id(1)).await.unwrap();
    assert_eq!(batch.tally.ended(), 9);
    contradicts(store.record(&lease, &answered(&lease, 5, 5..7)).await);
}

/// A merge that lost a race, or would lose a byte or a line, does not happen.
pub async fn merging_what_is_not_the_same_changes_nothing(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let right = merged(&lease, &segments[1..4]);
    let mut short = right.clone();
    short.output = short.output.map(|whole| Extent {
        length: whole.length - 1,
        ..whole
    });
    let mut other_lines = right.clone();
    other_lines.lines = (20..25).collect();
    let mut miscounted = right.clone();
    miscounted.tally.completed -= 1;
    let mut cheaper = right.clone();
    cheaper.usage.total_tokens -= 1;
    let without_errors = Segment {
        error: None,
        ..right.clone()
    };
    for wrong in [short, other_lines, miscounted, cheaper, without_errors] {
        store
            .merge(&batch_id(1), (1, 3), &wrong, at(20))
            .await
            .unwrap();
    }
    for last in [(1, 2), (1, 4), (1, 9), (2, 0)] {
        store
            .merge(&batch_id(1), last, &right, at(20))
            .await
            .unwrap();
    }
    store
        .merge(&batch_id(9), (1, 3), &right, at(20))
        .await
        .unwrap();
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        segments
    );
    assert_eq!(garbage(store, 9000).await, []);
}

/// A reader whose place was merged with what comes behind it misses no line of that.
pub async fn reading_goes_on_behind_a_merged_segment(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let middle = merged(&lease, &segments[1..4]);
    store
        .merge(&batch_id(1), (1, 3), &middle, at(20))
        .await
        .unwrap();
    let last = segments[4].clone();
    for (after, expected) in [
        ((1, 0), vec![middle.clone(), last.clone()]),
        ((1, 2), vec![middle, last.clone()]),
        ((1, 3), vec![last]),
        ((1, 4), vec![]),
    ] {
        let found = store.segments(&batch_id(1), Some(after), 9).await.unwrap();
        assert_eq!(found, expected, "behind {after:?}");
    }
}

/// Whoever has begun to read the small blobs has ten minutes to finish.
pub async fn replaced_blobs_are_kept_ten_minutes_for_downloads(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let pair = merged(&lease, &segments[..2]);
    store
        .merge(&batch_id(1), (1, 1), &pair, at(20))
        .await
        .unwrap();
    assert_eq!(garbage(store, 619).await, []);
    let mut replaced: Vec<_> = segments[..2]
        .iter()
        .flat_map(Segment::blobs)
        .cloned()
        .collect();
    replaced.sort();
    assert_eq!(garbage(store, 620).await, replaced);
}

/// Segments that lie in one blob are joined without copying; the blob is no garbage while any
/// segment names it.
pub async fn segments_of_one_blob_are_merged_in_place(subject: Subject) {
    let store = &*subject.store;
    let lease = running(store, 1, 9).await;
    let appended = |seq: u32, length: u64, offset: u64| {
        let mut segment = answered(&lease, seq.into(), seq..seq + 1);
        let whole = extent("results".into(), length);
        segment.output = Some(Extent { offset, ..whole });
        segment.index = None;
        segment
    };
    let segments = [appended(0, 10, 0), appended(1, 10, 10), appended(2, 10, 20)];
    for segment in &segments {
        store.record(&lease, segment).await.unwrap();
    }
    let mut pair = appended(0, 20, 0);
    pair.lines.insert(1);
    pair.tally += segments[1].tally;
    pair.usage += segments[1].usage;
    store
        .merge(&batch_id(1), (1, 1), &pair, at(20))
        .await
        .unwrap();
    assert_eq!(
        store.segments(&batch_id(1), None, 9).await.unwrap(),
        [pair, segments[2].clone()]
    );
    assert_eq!(garbage(store, 9000).await, []);
}

/// What a worker that lost its batch merged may be swept at any moment, so nothing names it later.
pub async fn a_merge_under_an_older_epoch_changes_nothing(subject: Subject) {
    let store = &*subject.store;
    let (lease, segments) = five(store).await;
    let middle = merged(&lease, &segments[1..4]);
    store.release(&lease).await.unwrap();
    let new = claim(store, "w2", 1).await;
    let blobs: Vec<BlobKey> = middle.blobs().cloned().collect();
    assert_eq!(store.unnamed(&blobs).await.unwrap(), blobs);
    store
        .merge(&batch_id(1), (1, 3), &middle, at(20))
        .await
        .unwrap();
    let found = store.segments(&batch_id(1), None, 9).await.unwrap();
    assert_eq!(found, segments);

    let again = merged(&new, &segments[1..4]);
    store
        .merge(&batch_id(1), (1, 3), &again, at(20))
        .await
        .unwrap();
    let found = store.segments(&batch_id(1), None, 9).await.unwrap();
    assert_eq!(found.len(), 3);
}
