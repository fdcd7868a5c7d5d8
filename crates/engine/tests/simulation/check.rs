//! What must be true when a story is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use overnight_core::batch::{Batch, Status};
use overnight_core::id::ProjectId;
use overnight_core::segment::{BlobKey, ResultFile};
use overnight_store::store::Content;
use overnight_store::{Sqlite, Store, StoreError};
use serde_json::Value;

use crate::ground::{Results, check_indexes};
use crate::life::{in_runtime, live_in_peace};
use crate::story::{BatchStory, Kind};
use crate::world::{APPENDED, World};

/// So long after its end the last bytes of a batch that nobody needs may be deleted, clocks being
/// right.
pub(crate) const AFTERLIFE: Duration = Duration::from_mins(11);

/// Holds what is left against what was asked for.
pub(crate) fn check(world: &Arc<World>) {
    no_violation(world);
    // A life in which nothing happens but a sweep.
    live_in_peace(world);
    in_runtime(async {
        let store = world.open();
        let mut named = BTreeSet::new();
        for (index, story) in world.story.batches.iter().enumerate() {
            let project = ProjectId::default_project();
            let batch = store.batch(&project, &story.id).await.unwrap();
            check_status(world, index, story, &batch);
            check_lines(world, &store, index, &batch).await;
            named.extend(blobs_of(world, &store, story).await);
        }
        if world.story.appends {
            check_appended(world, &store).await;
            named.retain(|key| APPENDED.iter().all(|(file, _)| key.as_str() != *file));
        }
        let staged = world.blobs().sweep_staging().await.unwrap();
        assert_eq!(staged, 0, "unfinished writes are left");
        let damaged = store.quarantined(10).await.unwrap();
        assert!(damaged.is_empty(), "nothing was damaged: {damaged:?}");
        let mut there = BTreeSet::new();
        for folder in ["files", "plans", "segments"] {
            let listed: Vec<BlobKey> = world.blobs().list(folder).try_collect().await.unwrap();
            there.extend(listed);
        }
        let orphans: Vec<&BlobKey> = there.difference(&named).collect();
        assert!(orphans.is_empty(), "no row names {orphans:?}");
        let lost: Vec<&BlobKey> = named.difference(&there).collect();
        assert!(lost.is_empty(), "rows name {lost:?}, and they are gone");
    });
    no_violation(world);
}

/// What was seen to be wrong while it happened.
fn no_violation(world: &World) {
    let violations = std::mem::take(&mut world.state().violations);
    assert!(violations.is_empty(), "{violations:#?}");
}

fn check_status(world: &World, index: usize, story: &BatchStory, batch: &Batch) {
    let status = batch.state.status();
    let (cancelled, deleted) = {
        let fate = &world.state().batches[index];
        (fate.cancelled, fate.deleted)
    };
    let is_possible = match status {
        Status::Completed => !story.broken && batch.tally.unrun == 0,
        Status::Failed => story.broken || deleted,
        Status::Cancelled => cancelled,
        Status::Expired => story.window.is_some(),
        Status::Validating | Status::InProgress | Status::Finalizing | Status::Cancelling => false,
    };
    assert!(is_possible, "batch {index} is {status}: {batch:?}");
}

async fn check_lines(world: &World, store: &Sqlite, index: usize, batch: &Batch) {
    let story = &world.story.batches[index];
    let lines = if batch.plan.is_some() {
        story.lines.as_slice()
    } else {
        &[]
    };
    let names: Vec<String> = (1..=lines.len())
        .map(|line| format!("b{index}-{line}"))
        .collect();
    let results = Results::read(store, &world.blobs(), &batch.id).await;
    results.agree_with(batch, &names);
    check_indexes(store, &world.blobs(), &batch.id, &names).await;
    let doubts = world.state().doubts.clone();
    for ((line, name), number) in lines.iter().zip(&names).zip(1..) {
        if let Some(result) = results.output.get(name) {
            let body = &result["response"]["body"];
            assert_eq!(body["answer_of"], name.as_str(), "another line's answer");
            assert!(
                matches!(line.kind, Kind::Good | Kind::Long),
                "{name} was not answered well: {line:?}"
            );
        } else {
            let doubts = doubts.get(&(index, number)).copied().unwrap_or(0);
            check_error(batch, line.kind, doubts, &results.error[name]);
        }
    }
}

/// A line has an error for a reason.
fn check_error(batch: &Batch, kind: Kind, doubts: u32, result: &Value) {
    let unrun = match result["error"]["code"].as_str() {
        Some("batch_cancelled") => Some(Status::Cancelled),
        Some("batch_expired") => Some(Status::Expired),
        Some(_) | None => None,
    };
    let status = result["response"]["status_code"].as_u64();
    let is_possible = match (unrun, kind) {
        (Some(ending), _) => batch.state.status() == ending,
        (None, Kind::Refused) if status == Some(400) => true,
        // One failure alone, or what was never its own, ends no line.
        (None, Kind::Good | Kind::Long | Kind::Refused | Kind::Poison) => doubts >= 2,
    };
    assert!(is_possible, "{kind:?} after {doubts} failures: {result}");
}

/// The files that results were appended to hold what is recorded, and nothing else.
async fn check_appended(world: &World, store: &Sqlite) {
    let id = &world.story.batches[0].id;
    let segments = store.segments(id, None, 100_000).await.unwrap();
    for ((_, name), file) in APPENDED.iter().zip([ResultFile::Output, ResultFile::Error]) {
        let extents = segments.iter().filter_map(|segment| segment.extent(file));
        let recorded: u64 = extents.map(|extent| extent.length).sum();
        let length = std::fs::metadata(world.folder().join(name)).unwrap().len();
        assert_eq!(length, recorded, "the length of {name}");
    }
}

/// The blobs that the rows of a batch and of its input name.
async fn blobs_of(world: &World, store: &Sqlite, story: &BatchStory) -> Vec<BlobKey> {
    let mut blobs = Vec::new();
    let input = Content::File(story.file.clone());
    match store.extents(&input, 0, 100).await {
        Ok(extents) => blobs.extend(extents.into_iter().map(|placed| placed.extent.blob)),
        Err(StoreError::NotFound) => {}
        Err(error) => panic!("the input was not found: {error:?}"),
    }
    for segment in store.segments(&story.id, None, 100_000).await.unwrap() {
        let parts = [&segment.output, &segment.error, &segment.index];
        for extent in parts.into_iter().flatten() {
            world.blobs().verify(extent).await.unwrap();
        }
        blobs.extend(segment.blobs().cloned());
    }
    blobs
}
