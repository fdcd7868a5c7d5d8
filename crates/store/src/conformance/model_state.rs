//! The model: what a store would be if nothing could be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use overnight_core::batch::{Batch, Event, Lease, Results, State};
use overnight_core::file::File;
use overnight_core::id::WorkerId;
use overnight_core::segment::{BlobKey, LineSet, ResultFile, Segment};
use overnight_core::time::Timestamp;

use super::fixture::sealing;
use super::model_uploads::ModelUploads;
use crate::store::{Held, Result, StoreError};

/// What a verb answered, as far as its caller decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    NotFound,
    Fenced,
    Illegal,
    Corrupt,
}

pub(super) fn answer<T>(result: &Result<T>) -> Answer {
    match result {
        Ok(_) => Answer::Done,
        Err(StoreError::NotFound) => Answer::NotFound,
        Err(StoreError::Fenced) => Answer::Fenced,
        Err(StoreError::Illegal(_) | StoreError::Refused(_)) => Answer::Illegal,
        Err(StoreError::Contradicts(_) | StoreError::Corrupt(_) | StoreError::Unavailable(_)) => {
            Answer::Corrupt
        }
    }
}

pub(super) struct ModelFile {
    pub(super) file: File,
    pub(super) blobs: Vec<BlobKey>,
    pub(super) deleted_at: Option<Timestamp>,
    /// Whether nobody reads the bytes any more, nor ever will.
    forgotten: bool,
}

impl ModelFile {
    pub(super) fn new(file: File, blobs: Vec<BlobKey>) -> Self {
        Self {
            file,
            blobs,
            deleted_at: None,
            forgotten: false,
        }
    }
}

#[derive(Clone)]
pub(super) struct ModelBatch {
    pub(super) batch: Batch,
    pub(super) epoch: u64,
    pub(super) holder: Option<WorkerId>,
    pub(super) segments: Vec<Segment>,
}

impl ModelBatch {
    pub(super) fn new(batch: Batch) -> Self {
        Self {
            batch,
            epoch: 0,
            holder: None,
            segments: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.batch.state.status().is_terminal()
    }

    pub(super) fn fence(&self, lease: &Lease) -> std::result::Result<(), Answer> {
        let held = !self.is_open() || self.holder.as_ref() == Some(&lease.worker);
        if self.epoch == lease.epoch && held {
            Ok(())
        } else {
            Err(Answer::Fenced)
        }
    }

    pub(super) fn apply(&mut self, event: Event, now: Timestamp) -> Answer {
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

    pub(super) fn holds(&self, lease: &Lease) -> bool {
        self.epoch == lease.epoch && self.holder.as_ref() == Some(&lease.worker)
    }

    pub(super) fn release(&mut self, lease: &Lease) -> Answer {
        if self.epoch != lease.epoch {
            return Answer::Fenced;
        }
        self.holder = None;
        Answer::Done
    }

    pub(super) fn advance(&mut self, lease: &Lease, event: Event, now: Timestamp) -> Answer {
        if let Err(fenced) = self.fence(lease) {
            return fenced;
        }
        let repeated = match &event {
            Event::Validated(plan) => self.batch.plan.as_ref() == Some(plan),
            Event::Drained if self.batch.state == State::InProgress && self.missing() > 0 => {
                return Answer::Corrupt;
            }
            Event::Rejected(_)
            | Event::CancelRequested
            | Event::DeadlinePassed
            | Event::Drained
            | Event::Sealed(_) => false,
        };
        if repeated {
            Answer::Done
        } else {
            self.apply(event, now)
        }
    }

    /// How many lines have no outcome yet.
    pub(super) fn missing(&self) -> u32 {
        let missing = self.batch.total() - self.batch.tally.ended();
        u32::try_from(missing).unwrap_or(u32::MAX)
    }

    fn record(&mut self, lease: &Lease, segment: &Segment) -> Answer {
        if self.epoch != lease.epoch {
            return Answer::Fenced;
        }
        let key = |segment: &Segment| (segment.epoch, segment.seq);
        if self.segments.iter().any(|known| key(known) == key(segment)) {
            return Answer::Done;
        }
        if self
            .segments
            .last()
            .is_some_and(|last| key(last) > key(segment))
        {
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

    pub(super) fn is_conserved(&self) -> bool {
        let mut lines = LineSet::new();
        for segment in &self.segments {
            lines.union_with(&segment.lines);
        }
        let recorded: u64 = self
            .segments
            .iter()
            .map(|segment| segment.lines.len())
            .sum();
        [lines.len(), recorded]
            .iter()
            .all(|count| *count == self.batch.total())
    }

    pub(super) fn bytes(&self, part: ResultFile) -> u64 {
        let extents = self
            .segments
            .iter()
            .filter_map(|segment| segment.extent(part));
        extents.map(|extent| extent.length).sum()
    }

    pub(super) fn blobs(&self, part: ResultFile) -> Vec<BlobKey> {
        let extents = self
            .segments
            .iter()
            .filter_map(|segment| segment.extent(part));
        extents.map(|extent| extent.blob.clone()).collect()
    }
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) files: BTreeMap<u64, ModelFile>,
    pub(super) batches: BTreeMap<u64, ModelBatch>,
    pub(super) forgotten: BTreeSet<u64>,
    pub(super) leases: Vec<(u64, Lease)>,
    pub(super) blobs: BTreeSet<BlobKey>,
    pub(super) uploads: ModelUploads,
}

impl Model {
    /// Lets go of the bytes of files that were deleted ten minutes ago and are no open batch's input.
    pub(super) fn forget_files(&mut self, now: Timestamp) {
        for file in self.files.values_mut() {
            let input =
                |batch: &ModelBatch| batch.is_open() && batch.batch.spec.input_file == file.file.id;
            file.forgotten |= file.deleted_at.is_some_and(|deleted| {
                now >= deleted.plus(Duration::from_mins(10)) && !self.batches.values().any(input)
            });
        }
    }

    /// The blobs that somebody may read.
    pub(super) fn live(&self) -> BTreeSet<BlobKey> {
        let mut live: BTreeSet<BlobKey> = self.uploads.live().collect();
        for file in self.files.values().filter(|file| !file.forgotten) {
            live.extend(file.blobs.iter().cloned());
        }
        for batch in self.batches.values() {
            if batch.is_open() {
                live.extend(batch.segments.iter().flat_map(Segment::blobs).cloned());
                live.extend(
                    batch
                        .batch
                        .plan
                        .iter()
                        .map(|plan| plan.entries.blob.clone()),
                );
            }
            let index = batch
                .segments
                .iter()
                .filter_map(|segment| segment.index.as_ref());
            live.extend(index.map(|extent| extent.blob.clone()));
        }
        live
    }

    pub(super) fn visible(&self, n: u64, now: Timestamp) -> Option<&File> {
        let file = self
            .files
            .get(&n)
            .filter(|file| file.deleted_at.is_none())?;
        let expired = file.file.expires_at.is_some_and(|expiry| expiry <= now);
        (!expired).then_some(&file.file)
    }

    pub(super) fn delete(&mut self, n: u64, now: Timestamp) -> Answer {
        if self.visible(n, now).is_none() {
            return Answer::NotFound;
        }
        if let Some(file) = self.files.get_mut(&n) {
            file.deleted_at = Some(now);
        }
        Answer::Done
    }

    pub(super) fn claim(&mut self, by: &WorkerId, limit: usize) -> Vec<(u64, Lease)> {
        let mut free: Vec<_> = self
            .batches
            .iter_mut()
            .filter(|(_, batch)| batch.is_open() && batch.holder.is_none())
            .collect();
        free.sort_by_key(|(_, batch)| (batch.batch.expires_at, batch.batch.id.clone()));
        let claimed = free.into_iter().take(limit).map(|(n, batch)| {
            batch.epoch += 1;
            batch.holder = Some(by.clone());
            let lease = Lease {
                batch: batch.batch.id.clone(),
                worker: by.clone(),
                epoch: batch.epoch,
            };
            (*n, lease)
        });
        claimed.collect()
    }

    pub(super) fn held(&self, by: &WorkerId) -> Vec<Held> {
        let held = self
            .batches
            .values()
            .filter(|batch| batch.holder.as_ref() == Some(by));
        held.map(|batch| Held {
            batch: batch.batch.id.clone(),
            epoch: batch.epoch,
            status: batch.batch.state.status(),
            is_paused: batch.batch.paused_at.is_some(),
        })
        .collect()
    }

    pub(super) fn let_go_of_everything(&mut self) {
        for batch in self.batches.values_mut() {
            batch.holder = None;
        }
    }

    /// Deletes what is past its expiry, and answers how many files that were.
    pub(super) fn expire(&mut self, now: Timestamp) -> u64 {
        let expired = self.files.values_mut().filter(|file| {
            let past = file.file.expires_at.is_some_and(|expiry| expiry <= now);
            past && file.deleted_at.is_none()
        });
        expired.map(|file| file.deleted_at = Some(now)).count() as u64
    }

    pub(super) fn record(&mut self, n: u64, lease: &Lease, segment: &Segment) -> Answer {
        let batch = self.batches.get_mut(&n);
        batch.map_or(Answer::NotFound, |batch| batch.record(lease, segment))
    }

    /// Both, or nothing.
    pub(super) fn record_last(
        &mut self,
        n: u64,
        lease: &Lease,
        segment: &Segment,
        now: Timestamp,
    ) -> Answer {
        let before = self.batches.get(&n).cloned();
        let mut told = self.record(n, lease, segment);
        if told == Answer::Done {
            told = self.seal(n, lease, now);
        }
        if told != Answer::Done {
            self.batches.extend(before.map(|before| (n, before)));
        }
        told
    }

    pub(super) fn seal(&mut self, n: u64, lease: &Lease, now: Timestamp) -> Answer {
        let Some(model) = self.batches.get_mut(&n) else {
            return Answer::NotFound;
        };
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
        let made = [
            (ResultFile::Output, 1000 + n, given.output),
            (ResultFile::Error, 2000 + n, given.error),
        ]
        .map(|(part, id, file)| {
            let (bytes, blobs) = (model.bytes(part), model.blobs(part));
            (bytes > 0).then(|| (id, ModelFile::new(File { bytes, ..file }, blobs)))
        });
        let [output_file, error_file] = made
            .each_ref()
            .map(|made| made.as_ref().map(|(_, made)| made.file.id.clone()));
        let sealed = model.apply(
            Event::Sealed(Results {
                output_file,
                error_file,
            }),
            now,
        );
        if sealed == Answer::Done {
            self.files.extend(made.into_iter().flatten());
        }
        sealed
    }

    /// Forgets what ended before that time and has no result file left.
    pub(super) fn forget(&mut self, now: Timestamp) -> u64 {
        let kept = |n: u64| {
            let files = [1000 + n, 2000 + n].map(|id| self.files.get(&id));
            files.into_iter().flatten().any(|file| !file.forgotten)
        };
        let ended = |batch: &ModelBatch| {
            let history = &batch.batch.history;
            [
                history.completed_at,
                history.failed_at,
                history.expired_at,
                history.cancelled_at,
            ]
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
