//! The trait's verbs: each a function of a connection, and the choice between changing, reading one
//! state of the database, and a glance with one statement.

use std::time::Duration;

use async_trait::async_trait;
use overnight_core::batch::{Batch, Event, Lease, Plan, Status};
use overnight_core::file::File;
use overnight_core::id::{BatchId, FileId, ProjectId, UploadId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart};

use super::db::Mode;
use super::{
    Postgres, batches, claims, files, garbage, hints, once, quarantine, running, seal, segments,
    steering, uploads,
};
use crate::status::{BatchProgress, UpstreamStatus};
use crate::store::{
    BatchQuery, Claim, Completion, Content, FileQuery, FirstAnswer, Held, Input, NewObject,
    Outlook, Overview, Page, Quarantined, Reach, Result, Sealing, Store,
};

#[async_trait]
impl Store for Postgres {
    async fn announce(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.settle(|db| async move { files::announce(&db, blob, at).await })
            .await
    }

    async fn abandon(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.change(|db| async move { files::abandon(&db, blob, at).await })
            .await
    }

    async fn insert_file(&self, file: &File, content: &[Extent]) -> Result<()> {
        self.settle(|db| async move { files::insert(&db, file, content).await })
            .await
    }

    async fn file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<File> {
        self.glance(|db| async move { files::file(&db, project, id, at).await })
            .await
    }

    async fn files(
        &self,
        project: &ProjectId,
        query: &FileQuery,
        at: Timestamp,
    ) -> Result<Page<File>> {
        self.read(|db| async move { files::list(&db, project, query, at).await })
            .await
    }

    async fn delete_file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<()> {
        self.settle_deletion(|db| async move { files::delete(&db, project, id, at).await })
            .await
    }

    async fn extents(
        &self,
        content: &Content,
        from: u64,
        limit: usize,
    ) -> Result<Vec<PlacedExtent>> {
        self.read(|db| async move { files::extents(&db, content, from, limit).await })
            .await
    }

    async fn insert_upload(&self, upload: &Upload) -> Result<()> {
        self.settle(|db| async move { uploads::insert(&db, upload).await })
            .await
    }

    async fn upload(&self, project: &ProjectId, id: &UploadId) -> Result<Upload> {
        self.glance(|db| async move { uploads::upload(&db, project, id).await })
            .await
    }

    async fn insert_part(&self, project: &ProjectId, part: &UploadPart) -> Result<()> {
        self.settle(|db| async move { uploads::insert_part(&db, project, part).await })
            .await
    }

    async fn parts(&self, project: &ProjectId, id: &UploadId) -> Result<Vec<UploadPart>> {
        self.read(|db| async move { uploads::parts(&db, project, id).await })
            .await
    }

    async fn complete_upload(
        &self,
        project: &ProjectId,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<Upload> {
        self.settle(
            |db| async move { uploads::complete(&db, project, completion.clone(), at).await },
        )
        .await
    }

    async fn cancel_upload(
        &self,
        project: &ProjectId,
        id: &UploadId,
        at: Timestamp,
    ) -> Result<Upload> {
        self.settle(|db| async move { uploads::cancel(&db, project, id, at).await })
            .await
    }

    async fn insert_once(
        &self,
        object: NewObject<'_>,
        answer: &FirstAnswer,
    ) -> Result<FirstAnswer> {
        let channel = &self.settings.channel();
        self.settle(|db| async move {
            if let NewObject::Batch(_) = object {
                hints::notify_some(&db, channel).await?;
            }
            once::insert(&db, object, answer).await
        })
        .await
    }

    async fn first_answer(
        &self,
        project: &ProjectId,
        key: &str,
        at: Timestamp,
    ) -> Result<Option<FirstAnswer>> {
        self.glance(|db| async move { once::first_answer(&db, project, key, at).await })
            .await
    }

    async fn insert_batch(&self, batch: &Batch) -> Result<()> {
        let channel = &self.settings.channel();
        self.settle(|db| async move {
            hints::notify_some(&db, channel).await?;
            batches::insert(&db, batch).await
        })
        .await
    }

    async fn batch(&self, project: &ProjectId, id: &BatchId) -> Result<Batch> {
        self.glance(|db| async move { batches::batch(&db, project, id).await })
            .await
    }

    async fn batches(
        &self,
        project: &ProjectId,
        after: Option<&BatchId>,
        limit: usize,
    ) -> Result<Page<Batch>> {
        self.read(|db| async move { batches::list(&db, project, after, limit).await })
            .await
    }

    async fn find_batches(&self, project: &ProjectId, query: &BatchQuery) -> Result<Page<Batch>> {
        self.read(|db| async move { steering::find(&db, project, query).await })
            .await
    }

    async fn set_paused(
        &self,
        project: &ProjectId,
        id: &BatchId,
        paused: bool,
        at: Timestamp,
    ) -> Result<Batch> {
        let channel = &self.settings.channel();
        self.settle(|db| async move {
            let batch = steering::set_paused(&db, project, id, (paused, at)).await?;
            hints::notify_holder(&db, channel, id).await?;
            Ok(batch)
        })
        .await
    }

    async fn delete_batch(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<()> {
        self.settle_deletion(|db| async move { steering::delete(&db, project, id, at).await })
            .await
    }

    async fn cancel(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<Batch> {
        let channel = &self.settings.channel();
        self.settle(|db| async move {
            let batch = batches::cancel(&db, project, id, at).await?;
            hints::notify_holder(&db, channel, id).await?;
            Ok(batch)
        })
        .await
    }

    fn lease_time(&self) -> Option<Duration> {
        Some(self.settings.lease)
    }

    async fn claim(&self, worker: &WorkerId, limit: usize, _at: Timestamp) -> Result<Vec<Claim>> {
        let lease = self.settings.lease;
        self.for_leases()
            .change(|db| async move { claims::claim(&db, worker, limit, lease).await })
            .await
    }

    async fn renew(&self, worker: &WorkerId, _at: Timestamp) -> Result<Vec<Held>> {
        let lease = self.settings.lease;
        self.for_leases()
            .change(|db| async move { claims::renew(&db, worker, lease).await })
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let channel = &self.settings.channel();
        self.for_leases()
            .change(|db| async move { claims::release(&db, lease, channel).await })
            .await
    }

    async fn outlook(&self, worker: &WorkerId) -> Result<Outlook> {
        let lease = self.settings.lease;
        self.for_leases()
            .glance(|db| async move { claims::outlook(&db, worker, lease).await })
            .await
    }

    async fn say_reach(&self, worker: &WorkerId, reach: Reach) -> Result<()> {
        self.for_leases()
            .change(|db| async move { claims::say_reach(&db, worker, reach).await })
            .await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.for_leases()
            .change(|db| async move { claims::leave(&db, worker).await })
            .await
    }

    async fn input(&self, batch: &BatchId, at: Timestamp) -> Result<Input> {
        self.read(|db| async move { batches::input(&db, batch, at).await })
            .await
    }

    async fn advance(&self, lease: &Lease, event: Event, at: Timestamp) -> Result<Batch> {
        let event = &event;
        self.change(|db| async move { batches::advance(&db, lease, event.clone(), at).await })
            .await
    }

    async fn record(&self, lease: &Lease, segment: &Segment) -> Result<()> {
        self.change(|db| async move { segments::record(&db, lease, segment).await })
            .await
    }

    async fn segments(
        &self,
        batch: &BatchId,
        after: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<Vec<Segment>> {
        self.read(|db| async move { segments::list(&db, batch, after, limit).await })
            .await
    }

    async fn merge(
        &self,
        batch: &BatchId,
        last: (u64, u64),
        merged: &Segment,
        at: Timestamp,
    ) -> Result<()> {
        self.change(|db| async move { segments::merge(&db, batch, last, merged, at).await })
            .await
    }

    async fn seal(&self, lease: &Lease, sealing: &Sealing, at: Timestamp) -> Result<Batch> {
        self.change(|db| async move { seal::seal(&db, lease, sealing, at).await })
            .await
    }

    async fn record_last(
        &self,
        lease: &Lease,
        segment: &Segment,
        sealing: &Sealing,
        at: Timestamp,
    ) -> Result<Batch> {
        self.change(|db| async move {
            segments::record(&db, lease, segment).await?;
            seal::seal(&db, lease, sealing, at).await
        })
        .await
    }

    async fn quarantine(
        &self,
        extent: &Extent,
        why: &str,
        at: Timestamp,
    ) -> Result<Option<Quarantined>> {
        self.change(|db| async move { quarantine::insert(&db, extent, why, at).await })
            .await
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>> {
        self.read(|db| async move { quarantine::list(&db, limit).await })
            .await
    }

    async fn reinstate(&self, blob: &BlobKey, at: Timestamp) -> Result<()> {
        self.change(|db| async move { quarantine::reinstate(&db, blob, at).await })
            .await
    }

    async fn replan(&self, lease: &Lease, plan: &Plan, at: Timestamp) -> Result<Batch> {
        self.change(|db| async move { batches::replan(&db, lease, plan.clone(), at).await })
            .await
    }

    async fn save_progress(&self, progress: &[BatchProgress]) -> Result<()> {
        self.change(|db| async move { running::save_progress(&db, progress).await })
            .await
    }

    async fn progress(&self, project: &ProjectId, id: &BatchId) -> Result<Option<BatchProgress>> {
        self.read(|db| async move { running::progress(&db, project, id).await })
            .await
    }

    async fn overview(&self, project: &ProjectId) -> Result<Overview> {
        self.read(|db| async move { steering::overview(&db, project).await })
            .await
    }

    async fn save_upstreams(&self, worker: &WorkerId, upstreams: &[UpstreamStatus]) -> Result<()> {
        self.change(|db| async move { running::save_upstreams(&db, worker, upstreams).await })
            .await
    }

    async fn upstreams(&self) -> Result<Vec<UpstreamStatus>> {
        self.glance(|db| async move { running::upstreams(&db).await })
            .await
    }

    async fn count_batches(&self, statuses: &[Status]) -> Result<Vec<(Status, u64)>> {
        self.glance(|db| async move { batches::count(&db, statuses).await })
            .await
    }

    async fn expire_files(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.change(|db| async move { files::expire(&db, limit, at).await })
            .await
    }

    async fn expire_uploads(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.change(|db| async move { uploads::expire(&db, limit, at).await })
            .await
    }

    async fn forget_answers(&self, limit: usize, at: Timestamp) -> Result<u64> {
        self.change(|db| async move { once::forget(&db, limit, at).await })
            .await
    }

    async fn forget_batches(
        &self,
        retention: Duration,
        limit: usize,
        at: Timestamp,
    ) -> Result<u64> {
        self.change(|db| async move { garbage::forget_batches(&db, retention, limit, at).await })
            .await
    }

    async fn garbage(&self, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>> {
        self.change(|db| async move { garbage::due(&db, limit, at).await })
            .await
    }

    async fn forget_garbage(&self, blobs: &[BlobKey]) -> Result<()> {
        self.change(|db| async move { garbage::forget(&db, blobs).await })
            .await
    }

    async fn unnamed(&self, blobs: &[BlobKey]) -> Result<Vec<BlobKey>> {
        self.read(|db| async move { garbage::unnamed(&db, blobs).await })
            .await
    }

    async fn newest(&self) -> Result<Option<Timestamp>> {
        self.glance(|db| async move { running::newest(&db).await })
            .await
    }

    async fn ping(&self) -> Result<()> {
        // Who asks wants to know how it is, and not how it will be.
        self.attempt(Mode::Glance, |db| async move { running::ping(&db).await })
            .await?
    }
}
