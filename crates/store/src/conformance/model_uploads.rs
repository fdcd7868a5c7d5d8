//! Random verbs about uploads, done by the store and by the model.

use std::collections::BTreeMap;

use overnight_core::segment::BlobKey;
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadState};

use super::fixture::{completion, file_id, part, pending, project, stranger, upload_id};
use super::model::Trial;
use super::model_state::{Answer, ModelFile, answer};
use super::model_steps::UPLOADS;

/// How many bytes each upload declares.
const DECLARED: u64 = 100;

/// The number of the file that an upload becomes, behind those of all others.
pub(super) const MADE: u64 = 3000;

pub(super) struct ModelUpload {
    upload: Upload,
    parts: Vec<UploadPart>,
}

#[derive(Default)]
pub(super) struct ModelUploads(BTreeMap<u64, ModelUpload>);

impl ModelUploads {
    /// The blobs of parts that may still become a file.
    pub(super) fn live(&self) -> impl Iterator<Item = BlobKey> {
        let parts = self.0.values().flat_map(|upload| &upload.parts);
        parts.map(|part| part.extent.blob.clone())
    }

    fn expire(&mut self, now: Timestamp) -> u64 {
        let expired = self.0.values_mut().filter(|model| {
            model.upload.state == UploadState::Pending && model.upload.expires_at <= now
        });
        expired
            .map(|model| {
                model.upload.state = UploadState::Expired;
                model.parts.clear();
            })
            .count() as u64
    }
}

impl Trial<'_> {
    pub(super) async fn insert_upload(&mut self, n: u64) -> (Answer, Answer) {
        let upload = pending(n, DECLARED);
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.insert_upload(&upload).await);
        }
        let parts = Vec::new();
        let uploads = &mut self.model.uploads.0;
        uploads.entry(n).or_insert(ModelUpload { upload, parts });
        (told, Answer::Done)
    }

    /// A part that is made now: its number is the time.
    pub(super) async fn insert_part(&mut self, own: bool, n: u64, length: u64) -> (Answer, Answer) {
        let part = part(n, self.seconds, length);
        let blob = &part.extent.blob;
        let project = if own { project() } else { stranger() };
        self.store.announce(blob, self.now()).await.unwrap();
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.insert_part(&project, &part).await);
        }
        self.store.abandon(blob, self.now()).await.unwrap();
        self.model.blobs.insert(blob.clone());
        let Some(model) = self.model.uploads.0.get_mut(&n).filter(|_| own) else {
            return (told, Answer::NotFound);
        };
        if model.upload.add_part(length, part.created_at).is_err() {
            return (told, Answer::Illegal);
        }
        model.parts.push(part);
        (told, Answer::Done)
    }

    /// Of the last so many parts, the newest first.
    pub(super) async fn complete_upload(
        &mut self,
        own: bool,
        n: u64,
        count: usize,
    ) -> (Answer, Answer) {
        let now = self.now();
        let project = if own { project() } else { stranger() };
        let mut completion = completion(n, &[]);
        completion.file = file_id(MADE + n);
        let model = self.model.uploads.0.get_mut(&n);
        let newest = model.iter().flat_map(|model| model.parts.iter().rev());
        completion.order = newest.take(count).map(|part| part.id.clone()).collect();
        let mut told = Answer::Done;
        for _ in 0..2 {
            let completed = self.store.complete_upload(&project, &completion, now).await;
            told = answer(&completed);
        }
        let Some(model) = model.filter(|_| own) else {
            return (told, Answer::NotFound);
        };
        let file = completion.file.clone();
        let made = model
            .upload
            .complete(&completion.order, &model.parts, file, now);
        let extents = match made {
            Ok(Some(extents)) => extents,
            Ok(None) => return (told, Answer::Done),
            Err(_) => return (told, Answer::Illegal),
        };
        model.parts.clear();
        let blobs = extents.into_iter().map(|extent| extent.blob).collect();
        let file = model.upload.file().expect("it was completed");
        let file = ModelFile::new(file, blobs);
        self.model.files.insert(MADE + n, file);
        (told, Answer::Done)
    }

    pub(super) async fn cancel_upload(&mut self, own: bool, n: u64) -> (Answer, Answer) {
        let now = self.now();
        let project = if own { project() } else { stranger() };
        let mut told = Answer::Done;
        for _ in 0..2 {
            let cancelled = self.store.cancel_upload(&project, &upload_id(n), now).await;
            told = answer(&cancelled);
        }
        let Some(model) = self.model.uploads.0.get_mut(&n).filter(|_| own) else {
            return (told, Answer::NotFound);
        };
        match model.upload.cancel(now) {
            Ok(_) => {
                model.parts.clear();
                (told, Answer::Done)
            }
            Err(_) => (told, Answer::Illegal),
        }
    }

    pub(super) async fn expire_uploads(&mut self) -> (Answer, Answer) {
        let expired = self.store.expire_uploads(100, self.now()).await.unwrap();
        assert_eq!(expired, self.model.uploads.expire(self.now()));
        (Answer::Done, Answer::Done)
    }

    /// Every upload is as the model has it.
    pub(super) async fn compare_uploads(&self) {
        for n in UPLOADS {
            let model = self.model.uploads.0.get(&n);
            let told = self.store.upload(&project(), &upload_id(n)).await.ok();
            assert_eq!(told.as_ref(), model.map(|model| &model.upload));
            let told = self.store.parts(&project(), &upload_id(n)).await.ok();
            assert_eq!(told.as_ref(), model.map(|model| &model.parts));
        }
    }
}
