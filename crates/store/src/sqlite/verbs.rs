//! The trait's verbs: each a function of a connection, and the choice between writing and reading.

use std::time::Duration;

use async_trait::async_trait;
use overnight_core::batch::{Batch, Event, Lease, Plan, Status};
use overnight_core::file::File;
use overnight_core::id::{BatchId, FileId, ProjectId, UploadId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart};

use super::{
    Sqlite, batches, files, garbage, once, quarantine, running, seal, segments, steering, uploads,
};
use crate::status::{BatchProgress, UpstreamStatus};
use crate::store::{
    BatchQuery, Claim, Completion, Content, FileQuery, FirstAnswer, Held, Input, NewObject,
    Outlook, Overview, Page, Quarantined, Reach, Result, Sealing, Store,
};

#[async_trait]
impl Store for Sqlite {
    async fn announce(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        let blob = blob.clone();
        self.write(move |db| files::announce(db, &blob, at)).await
    }

    async fn abandon(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        let blob = blob.clone();
        self.write(move |db| files::abandon(db, &blob, at)).await
    }

    async fn insert_file(&self, file: &File, content: &[Extent]) -> Result<()> {
        let file = file.clone();
        let content = content.to_vec();
        self.write(move |db| files::insert(db, &file, &content))
            .await
    }

    async fn file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<File> {
        let project = project.clone();
        let id = id.clone();
        self.look_up(move |db| files::file(db, &project, &id, at))
            .await
    }

    async fn files(
        &self,
        project: &ProjectId,
        query: &FileQuery,
        at: Timestamp,
    ) -> Result<Page<File>> {
        let project = project.clone();
        let query = query.clone();
        self.read(move |db| files::list(db, &project, &query, at))
            .await
    }

    async fn delete_file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<()> {
        let project = project.clone();
        let id = id.clone();
        self.write(move |db| files::delete(db, &project, &id, at))
            .await
    }

    async fn extents(
        &self,
        content: &Content,
        from: u64,
        limit: usize,
    ) -> Result<Vec<PlacedExtent>> {
        let content = content.clone();
        self.read(move |db| files::extents(db, &content, from, limit))
            .await
    }

    async fn insert_upload(&self, upload: &Upload) -> Result<()> {
        let upload = upload.clone();
        self.write(move |db| uploads::insert(db, &upload)).await
    }

    async fn upload(&self, project: &ProjectId, id: &UploadId) -> Result<Upload> {
        let project = project.clone();
        let id = id.clone();
        self.look_up(move |db| uploads::upload(db, &project, &id))
            .await
    }

    async fn insert_part(&self, project: &ProjectId, part: &UploadPart) -> Result<()> {
        let project = project.clone();
        let part = part.clone();
        self.write(move |db| uploads::insert_part(db, &project, &part))
            .await
    }

    async fn parts(&self, project: &ProjectId, id: &UploadId) -> Result<Vec<UploadPart>> {
        let project = project.clone();
        let id = id.clone();
        self.read(move |db| uploads::parts(db, &project, &id)).await
    }

    async fn complete_upload(
        &self,
        project: &ProjectId,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<Upload> {
        let project = project.clone();
        let completion = completion.clone();
        self.write(move |db| uploads::complete(db, &project, completion, at))
            .await
    }

    async fn cancel_upload(
        &self,
        project: &ProjectId,
        id: &UploadId,
        at: Timestamp,
    ) -> Result<Upload> {
        let project = project.clone();
        let id = id.clone();
        self.write(move |db| uploads::cancel(db, &project, &id, at))
            .await
    }

    async fn insert_once(
        &self,
        object: NewObject<'_>,
        answer: &FirstAnswer,
    ) -> Result<FirstAnswer> {
        let answer = answer.clone();
        match object {
            NewObject::Batch(batch) => {
                let batch = batch.clone();
                self.write(move |db| once::insert(db, &answer, |db| batches::insert(db, &batch)))
                    .await
            }
            NewObject::Upload(upload) => {
                let upload = upload.clone();
                self.write(move |db| once::insert(db, &answer, |db| uploads::insert(db, &upload)))
                    .await
            }
        }
    }

    async fn first_answer(
        &self,
        project: &ProjectId,
        key: &str,
        at: Timestamp,
    ) -> Result<Option<FirstAnswer>> {
        let project = project.clone();
        let key = key.to_owned();
        self.look_up(move |db| once::first_answer(db, &project, &key, at))
            .await
    }

    async fn insert_batch(&self, batch: &Batch) -> Result<()> {
        let batch = batch.clone();
        self.write(move |db| batches::insert(db, &batch)).await
    }

    async fn batch(&self, project: &ProjectId, id: &BatchId) -> Result<Batch> {
        let project = project.clone();
        let id = id.clone();
        self.look_up(move |db| batches::batch(db, &project, &id))
            .await
    }

    async fn batches(
        &self,
        project: &ProjectId,
        after: Option<&BatchId>,
        limit: usize,
    ) -> Result<Page<Batch>> {
        let project = project.clone();
        let after = after.cloned();
        self.read(move |db| batches::list(db, &project, after.as_ref(), limit))
            .await
    }

    async fn find_batches(&self, project: &ProjectId, query: &BatchQuery) -> Result<Page<Batch>> {
        let project = project.clone();
        let query = query.clone();
        self.read(move |db| steering::find(db, &project, &query))
            .await
    }

    async fn set_paused(
        &self,
        project: &ProjectId,
        id: &BatchId,
        paused: bool,
        at: Timestamp,
    ) -> Result<Batch> {
        let project = project.clone();
        let id = id.clone();
        self.write(move |db| steering::set_paused(db, &project, &id, (paused, at)))
            .await
    }

    async fn delete_batch(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<()> {
        let project = project.clone();
        let id = id.clone();
        self.write(move |db| steering::delete(db, &project, &id, at))
            .await
    }

    async fn cancel(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<Batch> {
        let project = project.clone();
        let id = id.clone();
        self.write(move |db| batches::cancel(db, &project, &id, at))
            .await
    }

    fn lease_time(&self) -> Option<Duration> {
        None
    }

    async fn claim(&self, worker: &WorkerId, limit: usize, _at: Timestamp) -> Result<Vec<Claim>> {
        let worker = worker.clone();
        // After a power failure nobody holds anything, whether the claim was kept or not; what is recorded
        // under it keeps it too.
        self.note(move |db| batches::claim(db, &worker, limit))
            .await
    }

    async fn renew(&self, worker: &WorkerId, _at: Timestamp) -> Result<Vec<Held>> {
        let worker = worker.clone();
        self.read(move |db| batches::held(db, &worker)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.write(move |db| batches::release(db, &lease)).await
    }

    /// One process at a time opens the database, so there is no other worker.
    async fn outlook(&self, _worker: &WorkerId) -> Result<Outlook> {
        Ok(Outlook::ALONE)
    }

    async fn say_reach(&self, _worker: &WorkerId, _reach: Reach) -> Result<()> {
        Ok(())
    }

    async fn leave(&self, _worker: &WorkerId) -> Result<()> {
        Ok(())
    }

    async fn input(&self, batch: &BatchId, at: Timestamp) -> Result<Input> {
        let batch = batch.clone();
        self.read(move |db| batches::input(db, &batch, at)).await
    }

    async fn advance(&self, lease: &Lease, event: Event, at: Timestamp) -> Result<Batch> {
        let lease = lease.clone();
        self.write(move |db| batches::advance(db, &lease, event, at))
            .await
    }

    async fn record(&self, lease: &Lease, segment: &Segment) -> Result<()> {
        let lease = lease.clone();
        let segment = segment.clone();
        self.write(move |db| segments::record(db, &lease, &segment))
            .await
    }

    async fn segments(
        &self,
        batch: &BatchId,
        after: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<Vec<Segment>> {
        let batch = batch.clone();
        self.read(move |db| segments::list(db, &batch, after, limit))
            .await
    }

    async fn merge(
        &self,
        batch: &BatchId,
        last: (u64, u64),
        merged: &Segment,
        at: Timestamp,
    ) -> Result<()> {
        let batch = batch.clone();
        let merged = merged.clone();
        self.write(move |db| segments::merge(db, &batch, last, &merged, at))
            .await
    }

    async fn seal(&self, lease: &Lease, sealing: &Sealing, at: Timestamp) -> Result<Batch> {
        let lease = lease.clone();
        let sealing = sealing.clone();
        self.write(move |db| seal::seal(db, &lease, &sealing, at))
            .await
    }

    async fn record_last(
        &self,
        lease: &Lease,
        segment: &Segment,
        sealing: &Sealing,
        at: Timestamp,
    ) -> Result<Batch> {
        let lease = lease.clone();
        let segment = segment.clone();
        let sealing = sealing.clone();
        self.write(move |db| {
            segments::record(db, &lease, &segment)?;
            seal::seal(db, &lease, &sealing, at)
        })
        .await
    }

    async fn quarantine(
        &self,
        extent: &Extent,
        why: &str,
        at: Timestamp,
    ) -> Result<Option<Quarantined>> {
        let extent = extent.clone();
        let why = why.to_owned();
        self.write(move |db| quarantine::insert(db, extent, why, at))
            .await
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>> {
        self.read(move |db| quarantine::list(db, limit)).await
    }

    async fn reinstate(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        let blob = blob.clone();
        self.write(move |db| quarantine::reinstate(db, &blob, at))
            .await
    }

    async fn replan(&self, lease: &Lease, plan: &Plan, at: Timestamp) -> Result<Batch> {
        let lease = lease.clone();
        let plan = plan.clone();
        self.write(move |db| batches::replan(db, &lease, plan, at))
            .await
    }

    async fn save_progress(&self, progress: &[BatchProgress]) -> Result<()> {
        let progress = progress.to_vec();
        self.note(move |db| running::save_progress(db, &progress))
            .await
    }

    async fn progress(&self, project: &ProjectId, id: &BatchId) -> Result<Option<BatchProgress>> {
        let project = project.clone();
        let id = id.clone();
        self.look_up(move |db| running::progress(db, &project, &id))
            .await
    }

    async fn overview(&self, project: &ProjectId) -> Result<Overview> {
        let project = project.clone();
        self.read(move |db| steering::overview(db, &project)).await
    }

    async fn save_upstreams(&self, worker: &WorkerId, upstreams: &[UpstreamStatus]) -> Result<()> {
        let worker = worker.clone();
        let upstreams = upstreams.to_vec();
        self.note(move |db| running::save_upstreams(db, &worker, &upstreams))
            .await
    }

    async fn upstreams(&self) -> Result<Vec<UpstreamStatus>> {
        self.read(running::upstreams).await
    }

    async fn count_batches(&self, statuses: &[Status]) -> Result<Vec<(Status, u64)>> {
        let statuses = statuses.to_vec();
        self.read(move |db| batches::count(db, &statuses)).await
    }

    async fn expire_files(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.write(move |db| files::expire(db, limit, at)).await
    }

    async fn expire_uploads(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.write(move |db| uploads::expire(db, limit, at)).await
    }

    async fn forget_answers(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.write(move |db| once::forget(db, limit, at)).await
    }

    async fn forget_batches(
        &self,
        retention: Duration,
        limit: usize,
        at: Timestamp,
    ) -> Result<u64> {
        self.write(move |db| garbage::forget_batches(db, retention, limit, at))
            .await
    }

    async fn garbage(&self, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>> {
        self.write(move |db| garbage::due(db, limit, at)).await
    }

    async fn forget_garbage(&self, blobs: &[BlobKey]) -> Result<()> {
        let blobs = blobs.to_vec();
        self.write(move |db| garbage::forget(db, &blobs)).await
    }

    async fn unnamed(&self, blobs: &[BlobKey]) -> Result<Vec<BlobKey>> {
        let blobs = blobs.to_vec();
        self.read(move |db| garbage::unnamed(db, &blobs)).await
    }

    async fn newest(&self) -> Result<Option<Timestamp>> {
        self.read(running::newest).await
    }

    async fn ping(&self) -> Result<()> {
        self.damage.refuse()?;
        self.read(running::ping).await
    }
}
