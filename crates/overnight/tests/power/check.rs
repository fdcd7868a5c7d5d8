//! What must be true after a power failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use overnight_core::batch::{Batch, Status};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::{BlobKey, ResultFile};
use overnight_core::time::Timestamp;
use overnight_store::blobs::ExtentReader;
use overnight_store::store::{Content, FileQuery, Order};
use overnight_store::{Store as _, StoreError};
use serde_json::Value;

use crate::recover::{PAGE, Recovered, in_runtime};
use crate::scene::{Fact, Told};

/// So long after its end the last bytes of a batch that nobody needs are deleted.
const AFTERLIFE: Duration = Duration::from_mins(11);

/// Starts on what the power left, and holds it against what the client had been told by so many
/// answers.
///
/// # Panics
///
/// When something is not as it must be.
pub(crate) fn check(folder: &Path, journal: &[Told], answers: usize, now: Timestamp) {
    let facts = Facts::known(journal, answers);
    in_runtime(async {
        let life = Recovered::start(folder, now).await;
        facts.hold(&life).await;
        life.run_to_the_end().await;
        facts.hold(&life).await;
        every_line_ended_once(&life).await;
    });
    in_runtime(async {
        let life = Recovered::start(folder, now.plus(AFTERLIFE)).await;
        life.sweep().await;
        facts.hold(&life).await;
        nothing_is_left_over(&life).await;
        life.store.verify().await.unwrap();
    });
}

/// What a client knows at a moment.
struct Facts<'a> {
    files: BTreeMap<&'a str, &'a [u8]>,
    deleted: BTreeSet<&'a str>,
    batches: BTreeMap<&'a str, (&'a str, [u64; 2])>,
}

impl<'a> Facts<'a> {
    fn known(journal: &'a [Told], answers: usize) -> Self {
        let mut facts = Self {
            files: BTreeMap::new(),
            deleted: BTreeSet::new(),
            batches: BTreeMap::new(),
        };
        for (at, fact) in journal {
            match fact {
                Fact::File(id, bytes) if *at <= answers => {
                    facts.files.insert(id, bytes);
                }
                Fact::Deleted(id) if *at <= answers + 1 => {
                    // The next answer may have been about to be given.
                    facts.files.remove(id.as_str());
                    if *at <= answers {
                        facts.deleted.insert(id);
                    }
                }
                Fact::Batch(id, status, counts) if *at <= answers => {
                    facts.batches.insert(id, (status, *counts));
                }
                Fact::File(..) | Fact::Deleted(..) | Fact::Batch(..) => {}
            }
        }
        facts
    }

    /// Everything that was answered is so.
    async fn hold(&self, life: &Recovered) {
        let project = ProjectId::default_project();
        for (id, bytes) in &self.files {
            let id = FileId::from(*id);
            let file = life.store.file(&project, &id, life.clock.now()).await;
            let file = file.unwrap_or_else(|error| panic!("{id} is lost: {error:?}"));
            assert_eq!(file.bytes, bytes.len() as u64);
            let there = read(life, Content::File(id.clone())).await;
            assert!(there == *bytes, "{id} has other bytes");
        }
        for id in &self.deleted {
            let id = FileId::from(*id);
            let file = life.store.file(&project, &id, life.clock.now()).await;
            assert!(matches!(file, Err(StoreError::NotFound)), "{id} is back");
        }
        for (id, (status, [completed, failed])) in &self.batches {
            let batch = life.store.batch(&project, &BatchId::from(*id)).await;
            let batch = batch.unwrap_or_else(|error| panic!("{id} is lost: {error:?}"));
            let (now, tally) = (batch.state.status(), batch.tally);
            assert!(follows(status, now), "{id} was {status} and is {now}");
            assert!(
                tally.completed >= *completed && tally.failed >= *failed,
                "{id} had {completed} and {failed} lines, and has {tally:?}"
            );
        }
    }
}

/// Whether a batch that had a status may have another later.
fn follows(before: &str, now: Status) -> bool {
    match before {
        "completed" | "cancelled" => now.as_str() == before,
        "cancelling" => matches!(now, Status::Cancelling | Status::Cancelled),
        "finalizing" => matches!(now, Status::Finalizing | Status::Completed),
        "in_progress" => now != Status::Validating && now != Status::Failed,
        "validating" => now != Status::Failed,
        _ => panic!("no batch of the scene is {before}"),
    }
}

async fn batches(life: &Recovered) -> Vec<Batch> {
    let project = ProjectId::default_project();
    let page = life.store.batches(&project, None, PAGE).await.unwrap();
    assert!(!page.has_more);
    page.items
}

/// The lines of each batch are in its files, each once, and are as many as it says.
async fn every_line_ended_once(life: &Recovered) {
    for batch in batches(life).await {
        let ids = [ResultFile::Output, ResultFile::Error].map(|file| {
            let content = Content::Results(batch.id.clone(), file);
            async { custom_ids(&read(life, content).await) }
        });
        let [output, error] = ids;
        let (output, error) = (output.await, error.await);
        let tally = batch.tally;
        assert_eq!(output.len() as u64, tally.completed, "{batch:?}");
        assert_eq!(error.len() as u64, tally.failed + tally.unrun, "{batch:?}");
        let total = batch.plan.as_ref().map_or(0, |plan| plan.total);
        let ended: BTreeSet<&String> = output.iter().chain(&error).collect();
        assert_eq!(ended.len(), output.len() + error.len(), "a line is twice");
        assert_eq!(ended.len() as u64, total, "{batch:?}");
        let wanted = (0..total).map(|number| format!("line-{number}"));
        assert!(wanted.into_iter().all(|id| ended.contains(&id)));
        assert_ne!(batch.state.status(), Status::Failed, "{batch:?}");
    }
}

fn custom_ids(lines: &[u8]) -> Vec<String> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    let ids = lines.map(|line| {
        assert!(line.ends_with(b"\n"), "a torn line");
        let line: Value = serde_json::from_slice(line).unwrap();
        line["custom_id"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

/// The blobs that are there are those that rows name.
async fn nothing_is_left_over(life: &Recovered) {
    let project = ProjectId::default_project();
    let mut named = BTreeSet::new();
    for batch in batches(life).await {
        for segment in life.store.segments(&batch.id, None, PAGE).await.unwrap() {
            let parts = [&segment.output, &segment.error];
            for extent in parts.into_iter().flatten() {
                life.blobs.verify(extent).await.unwrap();
            }
            named.extend(segment.blobs().cloned());
        }
    }
    let query = FileQuery {
        purpose: None,
        after: None,
        limit: PAGE,
        order: Order::Ascending,
    };
    let files = life.store.files(&project, &query, life.clock.now()).await;
    for file in files.unwrap().items {
        let extents = life.store.extents(&Content::File(file.id), 0, PAGE).await;
        named.extend(
            extents
                .unwrap()
                .into_iter()
                .map(|placed| placed.extent.blob),
        );
    }
    for folder in ["files", "plans", "segments"] {
        let there: Vec<BlobKey> = life.blobs.list(folder).try_collect().await.unwrap();
        let orphans: Vec<&BlobKey> = there.iter().filter(|key| !named.contains(key)).collect();
        assert!(orphans.is_empty(), "no row names {orphans:?}");
    }
}

async fn read(life: &Recovered, content: Content) -> Vec<u8> {
    let extents = match life.store.extents(&content, 0, PAGE).await {
        Ok(extents) => extents,
        Err(StoreError::NotFound) => return Vec::new(),
        Err(error) => panic!("{content:?}: {error:?}"),
    };
    let mut reader = ExtentReader::new(life.blobs.clone(), extents, 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}
