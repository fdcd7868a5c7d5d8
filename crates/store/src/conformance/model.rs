//! A store in forty maps' worth of memory: simple enough to be right, and asked the same questions.
//!
//! Random verbs go to the store and to the model. Both must answer alike, every batch and file must
//! look alike behind each verb, no blob that anybody may read is ever garbage, and when everything
//! has been deleted every blob is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use overnight_core::batch::{Batch, Event, Lease, Results, State};
use overnight_core::file::File;
use overnight_core::id::WorkerId;
use overnight_core::segment::{BlobKey, LineSet, ResultFile, Segment};
use overnight_core::time::Timestamp;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::fixture::{
    answered, at, batch, batch_id, extent, file, file_id, plan, project, sealing, stranger, unrun,
    upload, worker,
};
use super::model_steps::{Step, steps};
use super::{Driver, block_on};
use crate::store::{Result, Store, StoreError};

/// How many sequences are tried.
const CASES: u32 = 48;

/// How much time passes with each step: some steps are within ten minutes of each other.
const STEP_SECONDS: u64 = 100;

/// The sequences are the same in every run, so a failure is found again.
pub fn random_verbs_do_what_a_simple_model_does<D: Driver>(make: impl Fn() -> D) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let tried = TestRunner::new_with_rng(config, rng).run(&steps(), |steps| {
        let driver = make();
        block_on(async {
            let store = driver.open().await;
            let mut trial = Trial { store: &*store, model: Model::default(), seconds: 0 };
            for step in steps {
                trial.step(step).await;
            }
            trial.end_everything().await;
        });
        Ok(())
    });
    if let Err(failure) = tried {
        std::panic::panic_any(failure.to_string());
    }
}

/// What a verb answered, as far as its caller decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    NotFound,
    Fenced,
    Illegal,
    Corrupt,
}

fn answer<T>(result: &Result<T>) -> Answer {
    match result {
        Ok(_) => Answer::Done,
        Err(StoreError::NotFound) => Answer::NotFound,
        Err(StoreError::Fenced) => Answer::Fenced,
        Err(StoreError::Illegal(_)) => Answer::Illegal,
        Err(StoreError::Corrupt(_) | StoreError::Unavailable(_)) => Answer::Corrupt,
    }
}

#[derive(Clone)]
struct ModelFile {
    file: File,
    blobs: Vec<BlobKey>,
    deleted_at: Option<Timestamp>,
}

#[derive(Clone)]
struct ModelBatch {
    batch: Batch,
    epoch: u64,
    holder: Option<WorkerId>,
    segments: Vec<Segment>,
}

impl ModelBatch {
    fn is_open(&self) -> bool {
        !self.batch.state.status().is_terminal()
    }

    fn fence(&self, lease: &Lease) -> std::result::Result<(), Answer> {
        let held = !self.is_open() || self.holder.as_ref() == Some(&lease.worker);
        if self.epoch == lease.epoch && held { Ok(()) } else { Err(Answer::Fenced) }
    }

    fn apply(&mut self, event: Event, now: Timestamp) -> Answer {
        match self.batch.apply(event, now) {
            Ok(_) => {
                if !self.is_open() {
                    self.holder = None;
                }
                Answer::Done
            }
            Err(_) => Answer::Illegal,
        }
    }

    fn record(&mut self, lease: &Lease, segment: &Segment) -> Answer {
        if self.epoch != lease.epoch {
            return Answer::Fenced;
        }
        let key = |segment: &Segment| (segment.epoch, segment.seq);
        if self.segments.iter().any(|known| key(known) == key(segment)) {
            return Answer::Done;
        }
        if self.segments.last().is_some_and(|last| key(last) > key(segment)) {
            return Answer::Corrupt;
        }
        if self.holder.as_ref() != Some(&lease.worker) {
            return Answer::Fenced;
        }
        let mut tally = self.batch.tally;
        tally += segment.tally;
        if tally.ended() > self.batch.total() {
            return Answer::Corrupt;
        }
        self.batch.tally = tally;
        self.batch.usage += segment.usage;
        self.segments.push(segment.clone());
        Answer::Done
    }

    fn is_conserved(&self) -> bool {
        let mut lines = LineSet::new();
        for segment in &self.segments {
            lines.union_with(&segment.lines);
        }
        let recorded: u64 = self.segments.iter().map(|segment| segment.lines.len()).sum();
        [lines.len(), recorded].iter().all(|count| *count == self.batch.total())
    }

    fn blobs(&self, part: ResultFile) -> Vec<BlobKey> {
        let extents = self.segments.iter().filter_map(|segment| segment.extent(part));
        extents.map(|extent| extent.blob.clone()).collect()
    }
}

#[derive(Default)]
struct Model {
    files: BTreeMap<u64, ModelFile>,
    batches: BTreeMap<u64, ModelBatch>,
    forgotten: BTreeSet<u64>,
    leases: Vec<(u64, Lease)>,
    blobs: BTreeSet<BlobKey>,
}

impl Model {
    /// The blobs that somebody may read at that time.
    fn live(&self, now: Timestamp) -> BTreeSet<BlobKey> {
        let mut live = BTreeSet::new();
        for (n, file) in &self.files {
            let grace = Duration::from_mins(if *n >= 1000 { 10 } else { 0 });
            let read = self.batches.values().any(|batch| {
                batch.is_open() && batch.batch.spec.input_file == file.file.id
            });
            let kept = file.deleted_at.is_none_or(|deleted| now < deleted.plus(grace));
            if read || kept {
                live.extend(file.blobs.iter().cloned());
            }
        }
        for batch in self.batches.values() {
            if batch.is_open() {
                live.extend(batch.segments.iter().flat_map(Segment::blobs).cloned());
                live.extend(batch.batch.plan.iter().map(|plan| plan.entries.blob.clone()));
            }
            let index = batch.segments.iter().filter_map(|segment| segment.index.as_ref());
            live.extend(index.map(|extent| extent.blob.clone()));
        }
        live
    }

    fn visible(&self, n: u64, now: Timestamp) -> Option<&File> {
        let file = self.files.get(&n).filter(|file| file.deleted_at.is_none())?;
        let expired = file.file.expires_at.is_some_and(|expiry| expiry <= now);
        (!expired).then_some(&file.file)
    }

    fn delete(&mut self, n: u64, now: Timestamp) -> Answer {
        if self.visible(n, now).is_none() {
            return Answer::NotFound;
        }
        if let Some(file) = self.files.get_mut(&n) {
            file.deleted_at = Some(now);
        }
        Answer::Done
    }

    fn claim(&mut self, by: &WorkerId, limit: usize) -> Vec<(u64, Lease)> {
        let mut free: Vec<_> = self
            .batches
            .iter_mut()
            .filter(|(_, batch)| batch.is_open() && batch.holder.is_none())
            .collect();
        free.sort_by_key(|(_, batch)| (batch.batch.expires_at, batch.batch.id.clone()));
        let claimed = free.into_iter().take(limit).map(|(n, batch)| {
            batch.epoch += 1;
            batch.holder = Some(by.clone());
            let lease =
                Lease { batch: batch.batch.id.clone(), worker: by.clone(), epoch: batch.epoch };
            (*n, lease)
        });
        claimed.collect()
    }

    fn seal(&mut self, n: u64, lease: &Lease, now: Timestamp) -> Answer {
        let Some(model) = self.batches.get_mut(&n) else { return Answer::NotFound };
        if let Err(fenced) = model.fence(lease) {
            return fenced;
        }
        if !model.is_open() {
            return Answer::Done;
        }
        if !model.is_conserved() {
            return Answer::Corrupt;
        }
        if model.batch.state == State::InProgress {
            model.apply(Event::Drained, now);
        }
        let given = sealing(n);
        let (output, error) = (model.blobs(ResultFile::Output), model.blobs(ResultFile::Error));
        let results = Results {
            output_file: (!output.is_empty()).then(|| given.output.id.clone()),
            error_file: (!error.is_empty()).then(|| given.error.id.clone()),
        };
        let sealed = model.apply(Event::Sealed(results), now);
        if sealed == Answer::Done {
            for (id, file, blobs) in [(1000, given.output, output), (2000, given.error, error)] {
                if !blobs.is_empty() {
                    let bytes = if id == 1000 { 10 } else { 7 } * model.lines_of(&blobs);
                    let file = File { bytes, ..file };
                    self.files.insert(id + n, ModelFile { file, blobs, deleted_at: None });
                }
            }
        }
        sealed
    }

    /// Forgets what ended before that time and has no result file left.
    fn forget(&mut self, now: Timestamp, purged: Timestamp) -> u64 {
        let kept = |n: u64| {
            [1000 + n, 2000 + n].iter().any(|id| {
                let deleted = self.files.get(id).map(|file| file.deleted_at);
                deleted.is_some_and(|at| {
                    at.is_none_or(|at| purged < at.plus(Duration::from_mins(10)))
                })
            })
        };
        let ended = |batch: &ModelBatch| {
            let history = &batch.batch.history;
            [history.completed_at, history.failed_at, history.expired_at, history.cancelled_at]
                .into_iter()
                .flatten()
                .any(|ended| ended < now)
        };
        let forgotten: Vec<u64> = self
            .batches
            .iter()
            .filter(|(n, batch)| !batch.is_open() && ended(batch) && !kept(**n))
            .map(|(n, _)| *n)
            .collect();
        for n in &forgotten {
            self.batches.remove(n);
            self.forgotten.insert(*n);
        }
        forgotten.len() as u64
    }
}

impl ModelBatch {
    /// How many lines lie in those blobs.
    fn lines_of(&self, blobs: &[BlobKey]) -> u64 {
        let output = |segment: &Segment| segment.output.as_ref().map(|extent| extent.blob.clone());
        let of = |segment: &&Segment| {
            let error = segment.error.as_ref().map(|extent| extent.blob.clone());
            (output(segment).is_some_and(|blob| blobs.contains(&blob)), error)
        };
        self.segments
            .iter()
            .map(|segment| match of(&segment) {
                (true, _) => segment.tally.completed,
                (false, Some(error)) if blobs.contains(&error) => {
                    segment.tally.failed + segment.tally.unrun
                }
                (false, _) => 0,
            })
            .sum()
    }
}
