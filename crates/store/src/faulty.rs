//! Seams that fail on purpose, for tests of crashes: a store here, blobs by `Blobs::with_faults`.
//!
//! A call goes wrong before its verb, after it, or by never being answered. Several may stand before one
//! store, as so many processes before a database ([`Leases`]).

mod fault;
mod leases;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use overnight_core::batch::{Batch, Event, Lease, Plan as LinePlan, Status};
use overnight_core::file::File;
use overnight_core::id::{BatchId, FileId, ProjectId, UploadId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart};

pub(crate) use self::fault::carry_out;
pub use self::fault::{Call, End, Fault, Plan};
use self::leases::Leased;
pub use self::leases::Leases;
use crate::status::{BatchProgress, UpstreamStatus};
use crate::store::{
    BatchQuery, Claim, Completion, Content, FileQuery, FirstAnswer, Held, Input, NewObject,
    Outlook, Overview, Page, Quarantined, Reach, Result, Sealing, Store, StoreError,
};

/// Passes every verb on to a store, unless a plan says that it goes wrong.
pub struct Faulty<S> {
    store: S,
    plan: Box<dyn Plan>,
    calls: AtomicU64,
    /// Leases that the store itself does not have.
    leases: Option<Arc<Leases>>,
}

impl<S: Store> Faulty<S> {
    /// Asks the plan about each call; a closure is asked by the verb's name and the number of calls
    /// before it.
    pub fn new(store: S, plan: impl Plan) -> Self {
        Self {
            store,
            plan: Box::new(plan),
            calls: AtomicU64::new(0),
            leases: None,
        }
    }

    /// Lets claims be good for as long as these leases are. The store is one that knows of none, and
    /// answers on the spot.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<Leases>) -> Self {
        self.leases = Some(leases);
        self
    }

    /// How many verbs were called so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn leased(&self) -> Leased<'_, S> {
        Leased {
            store: &self.store,
            leases: self.leases.as_deref(),
        }
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        pass_on: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.call_about(verb, None, pass_on).await
    }

    async fn call_about<T>(
        &self,
        verb: &'static str,
        segment: Option<(&Lease, &Segment)>,
        pass_on: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let call = Call {
            verb,
            number: self.calls.fetch_add(1, Ordering::Relaxed),
            blob: None,
            segment,
        };
        let error = || StoreError::Unavailable("it was made to fail".into());
        let fault = self.plan.fault(&call);
        carry_out(fault, &*self.plan, &call, (error, pass_on)).await
    }
}

impl<S> std::fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn announce(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.call("announce", self.store.announce(blob, at)).await
    }

    async fn abandon(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.call("abandon", self.store.abandon(blob, at)).await
    }

    async fn insert_file(&self, file: &File, content: &[Extent]) -> Result<()> {
        self.call("insert_file", self.store.insert_file(file, content))
            .await
    }

    async fn file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<File> {
        self.call("file", self.store.file(project, id, at)).await
    }

    async fn files(
        &self,
        project: &ProjectId,
        query: &FileQuery,
        at: Timestamp,
    ) -> Result<Page<File>> {
        self.call("files", self.store.files(project, query, at))
            .await
    }

    async fn delete_file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<()> {
        self.call("delete_file", self.store.delete_file(project, id, at))
            .await
    }

    async fn extents(
        &self,
        content: &Content,
        from: u64,
        limit: usize,
    ) -> Result<Vec<PlacedExtent>> {
        self.call("extents", self.store.extents(content, from, limit))
            .await
    }

    async fn insert_upload(&self, upload: &Upload) -> Result<()> {
        self.call("insert_upload", self.store.insert_upload(upload))
            .await
    }

    async fn upload(&self, project: &ProjectId, id: &UploadId) -> Result<Upload> {
        self.call("upload", self.store.upload(project, id)).await
    }

    async fn insert_part(&self, project: &ProjectId, part: &UploadPart) -> Result<()> {
        self.call("insert_part", self.store.insert_part(project, part))
            .await
    }

    async fn parts(&self, project: &ProjectId, id: &UploadId) -> Result<Vec<UploadPart>> {
        self.call("parts", self.store.parts(project, id)).await
    }

    async fn complete_upload(
        &self,
        project: &ProjectId,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<Upload> {
        let completed = self.store.complete_upload(project, completion, at);
        self.call("complete_upload", completed).await
    }

    async fn cancel_upload(
        &self,
        project: &ProjectId,
        id: &UploadId,
        at: Timestamp,
    ) -> Result<Upload> {
        let cancelled = self.store.cancel_upload(project, id, at);
        self.call("cancel_upload", cancelled).await
    }

    async fn insert_once(
        &self,
        object: NewObject<'_>,
        answer: &FirstAnswer,
    ) -> Result<FirstAnswer> {
        self.call("insert_once", self.store.insert_once(object, answer))
            .await
    }

    async fn first_answer(
        &self,
        project: &ProjectId,
        key: &str,
        at: Timestamp,
    ) -> Result<Option<FirstAnswer>> {
        self.call("first_answer", self.store.first_answer(project, key, at))
            .await
    }

    async fn insert_batch(&self, batch: &Batch) -> Result<()> {
        self.call("insert_batch", self.store.insert_batch(batch))
            .await
    }

    async fn batch(&self, project: &ProjectId, id: &BatchId) -> Result<Batch> {
        self.call("batch", self.store.batch(project, id)).await
    }

    async fn batches(
        &self,
        project: &ProjectId,
        after: Option<&BatchId>,
        limit: usize,
    ) -> Result<Page<Batch>> {
        self.call("batches", self.store.batches(project, after, limit))
            .await
    }

    async fn find_batches(&self, project: &ProjectId, query: &BatchQuery) -> Result<Page<Batch>> {
        self.call("find_batches", self.store.find_batches(project, query))
            .await
    }

    async fn set_paused(
        &self,
        project: &ProjectId,
        id: &BatchId,
        paused: bool,
        at: Timestamp,
    ) -> Result<Batch> {
        let set = self.store.set_paused(project, id, paused, at);
        self.call("set_paused", set).await
    }

    async fn delete_batch(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<()> {
        self.call("delete_batch", self.store.delete_batch(project, id, at))
            .await
    }

    async fn cancel(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<Batch> {
        self.call("cancel", self.store.cancel(project, id, at))
            .await
    }

    fn lease_time(&self) -> Option<Duration> {
        match &self.leases {
            Some(leases) => Some(leases.time()),
            None => self.store.lease_time(),
        }
    }

    async fn claim(&self, worker: &WorkerId, limit: usize, at: Timestamp) -> Result<Vec<Claim>> {
        self.call("claim", self.leased().claim(worker, limit, at))
            .await
    }

    async fn renew(&self, worker: &WorkerId, at: Timestamp) -> Result<Vec<Held>> {
        self.call("renew", self.leased().renew(worker, at)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.call("release", self.leased().release(lease)).await
    }

    async fn outlook(&self, worker: &WorkerId) -> Result<Outlook> {
        self.call("outlook", self.leased().outlook(worker)).await
    }

    async fn say_reach(&self, worker: &WorkerId, reach: Reach) -> Result<()> {
        self.call("say_reach", self.leased().say_reach(worker, reach))
            .await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.call("leave", self.leased().leave(worker)).await
    }

    async fn input(&self, batch: &BatchId, at: Timestamp) -> Result<Input> {
        self.call("input", self.store.input(batch, at)).await
    }

    async fn advance(&self, lease: &Lease, event: Event, at: Timestamp) -> Result<Batch> {
        self.call("advance", self.store.advance(lease, event, at))
            .await
    }

    async fn record(&self, lease: &Lease, segment: &Segment) -> Result<()> {
        let pass_on = async {
            match self.plan.recorded(lease, segment) {
                Some(kept) => self.store.record(lease, &kept).await,
                None => Ok(()),
            }
        };
        self.call_about("record", Some((lease, segment)), pass_on)
            .await
    }

    async fn segments(
        &self,
        batch: &BatchId,
        after: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<Vec<Segment>> {
        self.call("segments", self.store.segments(batch, after, limit))
            .await
    }

    async fn merge(
        &self,
        batch: &BatchId,
        last: (u64, u64),
        merged: &Segment,
        at: Timestamp,
    ) -> Result<()> {
        self.call("merge", self.store.merge(batch, last, merged, at))
            .await
    }

    async fn seal(&self, lease: &Lease, sealing: &Sealing, at: Timestamp) -> Result<Batch> {
        self.call("seal", self.store.seal(lease, sealing, at)).await
    }

    async fn record_last(
        &self,
        lease: &Lease,
        segment: &Segment,
        sealing: &Sealing,
        at: Timestamp,
    ) -> Result<Batch> {
        let pass_on = async {
            match self.plan.recorded(lease, segment) {
                Some(kept) => self.store.record_last(lease, &kept, sealing, at).await,
                None => self.store.seal(lease, sealing, at).await,
            }
        };
        self.call_about("record_last", Some((lease, segment)), pass_on)
            .await
    }

    async fn quarantine(
        &self,
        extent: &Extent,
        why: &str,
        at: Timestamp,
    ) -> Result<Option<Quarantined>> {
        self.call("quarantine", self.store.quarantine(extent, why, at))
            .await
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>> {
        self.call("quarantined", self.store.quarantined(limit))
            .await
    }

    async fn reinstate(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.call("reinstate", self.store.reinstate(blob, at)).await
    }

    async fn replan(&self, lease: &Lease, plan: &LinePlan, at: Timestamp) -> Result<Batch> {
        self.call("replan", self.store.replan(lease, plan, at))
            .await
    }

    async fn save_progress(&self, progress: &[BatchProgress]) -> Result<()> {
        self.call("save_progress", self.store.save_progress(progress))
            .await
    }

    async fn progress(&self, project: &ProjectId, id: &BatchId) -> Result<Option<BatchProgress>> {
        self.call("progress", self.store.progress(project, id))
            .await
    }

    async fn overview(&self, project: &ProjectId) -> Result<Overview> {
        self.call("overview", self.store.overview(project)).await
    }

    async fn save_upstreams(&self, worker: &WorkerId, upstreams: &[UpstreamStatus]) -> Result<()> {
        self.call(
            "save_upstreams",
            self.store.save_upstreams(worker, upstreams),
        )
        .await
    }

    async fn upstreams(&self) -> Result<Vec<UpstreamStatus>> {
        self.call("upstreams", self.store.upstreams()).await
    }

    async fn count_batches(&self, statuses: &[Status]) -> Result<Vec<(Status, u64)>> {
        self.call("count_batches", self.store.count_batches(statuses))
            .await
    }

    async fn expire_files(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.call("expire_files", self.store.expire_files(limit, at))
            .await
    }

    async fn expire_uploads(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.call("expire_uploads", self.store.expire_uploads(limit, at))
            .await
    }

    async fn forget_answers(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.call("forget_answers", self.store.forget_answers(limit, at))
            .await
    }

    async fn forget_batches(
        &self,
        retention: Duration,
        limit: usize,
        at: Timestamp,
    ) -> Result<u64> {
        self.call(
            "forget_batches",
            self.store.forget_batches(retention, limit, at),
        )
        .await
    }

    async fn garbage(&self, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>> {
        self.call("garbage", self.store.garbage(limit, at)).await
    }

    async fn forget_garbage(&self, blobs: &[BlobKey]) -> Result<()> {
        self.call("forget_garbage", self.store.forget_garbage(blobs))
            .await
    }

    async fn unnamed(&self, blobs: &[BlobKey]) -> Result<Vec<BlobKey>> {
        let answer = self.call("unnamed", self.store.unnamed(blobs)).await?;
        Ok(self.plan.unnamed(blobs, answer))
    }

    async fn newest(&self) -> Result<Option<Timestamp>> {
        self.call("newest", self.store.newest()).await
    }

    async fn ping(&self) -> Result<()> {
        self.call("ping", self.store.ping()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sqlite;
    use crate::blocking::Blocking;
    use crate::conformance::block_on;
    use crate::conformance::fixture::{at, batch, batch_id, project};

    fn faulty(plan: impl Fn(&'static str, u64) -> Fault + Send + Sync + 'static) -> Faulty<Sqlite> {
        Faulty::new(Sqlite::memory(Blocking::Inline).unwrap(), plan)
    }

    #[test]
    fn a_fault_hits_the_verb_and_the_call_that_were_planned() {
        let store = faulty(|verb, call| match (verb, call) {
            ("insert_batch", 0) => Fault::Fail,
            ("insert_batch", 2) => Fault::DoThenFail,
            _ => Fault::None,
        });
        block_on(async {
            for (there, fails) in [(false, true), (true, true)] {
                let inserted = store.insert_batch(&batch(1)).await;
                assert_eq!(inserted.is_err(), fails);
                let found = store.batch(&project(), &batch_id(1)).await;
                assert_eq!(found.is_ok(), there);
            }
            store.insert_batch(&batch(1)).await.unwrap();
            assert_eq!(store.calls(), 5);
        });
    }

    #[test]
    fn a_verb_that_hangs_does_not_happen() {
        let store = faulty(|verb, _| {
            if verb == "insert_batch" {
                Fault::Hang
            } else {
                Fault::None
            }
        });
        block_on(async {
            let given = batch(1);
            let hung = store.insert_batch(&given);
            let waited = tokio::time::timeout(Duration::from_millis(1), hung).await;
            assert!(waited.is_err());
            assert_eq!(store.newest().await.unwrap(), None);
            assert!(store.cancel(&project(), &batch_id(1), at(1)).await.is_err());
        });
    }
}
