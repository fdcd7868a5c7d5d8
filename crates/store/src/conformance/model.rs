//! A store in a few maps: simple enough to be right, and asked the same questions.
//!
//! Random verbs go to the store and to the model. Both must answer alike, every batch and file must
//! look alike behind each verb, no blob that anybody may read is ever garbage, and when everything
//! has been deleted every blob is.

use std::collections::BTreeSet;
use std::time::Duration;

use overnight_core::batch::{Event, Lease};
use overnight_core::file::File;
use overnight_core::segment::{BlobKey, Segment};
use overnight_core::time::Timestamp;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::fixture::{
    answered, at, batch, batch_id, extent, file, file_id, mixed, plan, project, sealing, stranger,
    unrun, upload, worker,
};
use super::model_state::{Answer, Model, ModelBatch, ModelFile, answer};
use super::model_steps::{Step, UPLOADS, steps};
use super::model_uploads::MADE;
use super::{Driver, block_on};
use crate::store::Store;

/// How much time passes with each step: some steps are within ten minutes of each other.
const STEP_SECONDS: u64 = 100;

/// So many sequences are tried, each on a fresh store; they are the same in every run, so a failure
/// is found again.
pub fn random_verbs_do_what_a_simple_model_does<D: Driver>(cases: u32, make: impl Fn() -> D) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let tried = TestRunner::new_with_rng(config, rng).run(&steps(), |steps| {
        let driver = make();
        block_on(async {
            let store = driver.open().await;
            let model = Model::default();
            let mut trial = Trial {
                store: &*store,
                model,
                seconds: 0,
            };
            for step in steps {
                trial.step(step).await;
            }
            trial.end_everything().await;
        });
        Ok(())
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

/// The numbers of all files that there may be.
fn file_numbers() -> impl Iterator<Item = u64> {
    let made = UPLOADS.map(|n| MADE + n);
    (0..3).chain(1000..1004).chain(2000..2004).chain(made)
}

/// One sequence under way.
pub(super) struct Trial<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) model: Model,
    pub(super) seconds: u64,
}

impl Trial<'_> {
    pub(super) fn now(&self) -> Timestamp {
        at(self.seconds)
    }

    async fn step(&mut self, step: Step) {
        self.seconds += STEP_SECONDS;
        let shown = format!("{step:?}");
        let (told, expected) = match step {
            Step::InsertFile { file, expires } => self.insert_file(file, expires).await,
            Step::DeleteFile { own, file } => self.delete_file(own, file).await,
            Step::DeleteResults { batch } => self.delete_file(true, 1000 + batch).await,
            Step::DeleteUploaded { upload } => self.delete_file(true, MADE + upload).await,
            Step::InsertUpload { upload } => self.insert_upload(upload).await,
            Step::InsertPart {
                own,
                upload,
                length,
            } => self.insert_part(own, upload, length).await,
            Step::CompleteUpload { own, upload, parts } => {
                self.complete_upload(own, upload, parts).await
            }
            Step::CancelUpload { own, upload } => self.cancel_upload(own, upload).await,
            Step::ExpireUploads => self.expire_uploads().await,
            Step::InsertBatch { batch, input } => self.insert_batch(batch, input).await,
            Step::Cancel { own, batch } => self.cancel(own, batch).await,
            Step::Claim { worker, limit } => self.claim(worker, limit).await,
            Step::Release { lease } => self.release(lease).await,
            Step::Validate { lease, total } => {
                self.advance(lease, |lease| Event::Validated(plan(lease, total)))
                    .await
            }
            Step::Reject { lease } => self.advance(lease, |_| Event::Rejected(Vec::new())).await,
            Step::Deadline { lease } => self.advance(lease, |_| Event::DeadlinePassed).await,
            Step::Drain { lease } => self.advance(lease, |_| Event::Drained).await,
            Step::Record {
                lease,
                seq,
                line,
                lines,
                failed,
                last,
            } => {
                let lines = line..line + lines;
                self.record(lease, last, |lease| {
                    if failed {
                        mixed(lease, seq, lines)
                    } else {
                        answered(lease, seq, lines)
                    }
                })
                .await
            }
            Step::Seal { lease } => self.seal(lease).await,
            Step::Expire => self.expire().await,
            Step::Forget => self.forget().await,
        };
        assert_eq!(told, expected, "{shown}");
        self.compare().await;
    }

    async fn insert_file(&mut self, n: u64, expires: bool) -> (Answer, Answer) {
        if self.model.files.contains_key(&n) {
            // Ids are never given twice: only the same file is inserted again.
            return (Answer::Done, Answer::Done);
        }
        let expires_at = expires.then(|| at(self.seconds + 5 * STEP_SECONDS));
        let file = File {
            expires_at,
            ..file(n)
        };
        let mut told = Answer::Done;
        for _ in 0..2 {
            self.store.announce(&upload(n), self.now()).await.unwrap();
            told = answer(
                &self
                    .store
                    .insert_file(&file, &[extent(upload(n), 100)])
                    .await,
            );
        }
        self.model.blobs.insert(upload(n));
        self.store.abandon(&upload(n), self.now()).await.unwrap();
        self.model
            .files
            .insert(n, ModelFile::new(file, vec![upload(n)]));
        (told, Answer::Done)
    }

    async fn delete_file(&mut self, own: bool, n: u64) -> (Answer, Answer) {
        let project = if own { project() } else { stranger() };
        let told = answer(
            &self
                .store
                .delete_file(&project, &file_id(n), self.now())
                .await,
        );
        if !own {
            return (told, Answer::NotFound);
        }
        (told, self.model.delete(n, self.now()))
    }

    async fn insert_batch(&mut self, n: u64, input: u64) -> (Answer, Answer) {
        if self.model.forgotten.contains(&n) {
            return (Answer::Done, Answer::Done);
        }
        let mut batch = batch(n);
        batch.spec.input_file = file_id(input);
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.insert_batch(&batch).await);
        }
        self.model
            .batches
            .entry(n)
            .or_insert_with(|| ModelBatch::new(batch));
        (told, Answer::Done)
    }

    async fn cancel(&mut self, own: bool, n: u64) -> (Answer, Answer) {
        let now = self.now();
        let project = if own { project() } else { stranger() };
        let told = answer(&self.store.cancel(&project, &batch_id(n), now).await);
        let batch = self.model.batches.get_mut(&n).filter(|_| own);
        let apply = |batch: &mut ModelBatch| batch.apply(Event::CancelRequested, now);
        (told, batch.map_or(Answer::NotFound, apply))
    }

    async fn claim(&mut self, by: u64, limit: usize) -> (Answer, Answer) {
        let by = worker(&format!("w{by}"));
        let claims = self.store.claim(&by, limit, self.now()).await.unwrap();
        let expected = self.model.claim(&by, limit);
        let leases: Vec<&Lease> = claims.iter().map(|claim| &claim.lease).collect();
        assert_eq!(
            leases,
            expected.iter().map(|(_, lease)| lease).collect::<Vec<_>>()
        );
        for claim in &claims {
            let model = self
                .model
                .batches
                .values()
                .find(|model| model.batch.id == claim.batch.id);
            assert_eq!(model.map(|model| &model.batch), Some(&claim.batch));
        }
        self.model.leases.extend(expected);
        (Answer::Done, Answer::Done)
    }

    /// One of the leases that were given last, which are those that may still be good.
    fn lease(&self, back: usize) -> Option<(u64, Lease)> {
        self.model.leases.iter().rev().nth(back).cloned()
    }

    async fn release(&mut self, back: usize) -> (Answer, Answer) {
        let Some((n, lease)) = self.lease(back) else {
            return (Answer::Done, Answer::Done);
        };
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.release(&lease).await);
        }
        let batch = self.model.batches.get_mut(&n);
        (
            told,
            batch.map_or(Answer::NotFound, |batch| batch.release(&lease)),
        )
    }

    async fn advance(&mut self, back: usize, event: impl Fn(&Lease) -> Event) -> (Answer, Answer) {
        let Some((n, lease)) = self.lease(back) else {
            return (Answer::Done, Answer::Done);
        };
        let now = self.now();
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.advance(&lease, event(&lease), now).await);
        }
        if let Event::Validated(plan) = event(&lease)
            && told == Answer::Done
        {
            self.model.blobs.insert(plan.entries.blob);
        }
        let batch = self.model.batches.get_mut(&n);
        (
            told,
            batch.map_or(Answer::NotFound, |batch| {
                batch.advance(&lease, event(&lease), now)
            }),
        )
    }

    async fn record(
        &mut self,
        back: usize,
        last: bool,
        segment: impl FnOnce(&Lease) -> Segment,
    ) -> (Answer, Answer) {
        let Some((n, lease)) = self.lease(back) else {
            return (Answer::Done, Answer::Done);
        };
        let segment = segment(&lease);
        let now = self.now();
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = if last {
                let sealing = sealing(n);
                let ended = self.store.record_last(&lease, &segment, &sealing, now);
                answer(&ended.await)
            } else {
                answer(&self.store.record(&lease, &segment).await)
            };
        }
        let expected = if last {
            self.model.record_last(n, &lease, &segment, now)
        } else {
            self.model.record(n, &lease, &segment)
        };
        let Some(batch) = self.model.batches.get(&n) else {
            return (told, expected);
        };
        if expected == Answer::Done {
            // Recorded again with other blobs, a segment leaves those that it had at first.
            let key = (segment.epoch, segment.seq);
            let kept = batch
                .segments
                .iter()
                .find(|kept| (kept.epoch, kept.seq) == key);
            self.model
                .blobs
                .extend(kept.into_iter().flat_map(Segment::blobs).cloned());
        }
        (told, expected)
    }

    async fn seal(&mut self, back: usize) -> (Answer, Answer) {
        let Some((n, lease)) = self.lease(back) else {
            return (Answer::Done, Answer::Done);
        };
        let now = self.now();
        let mut told = Answer::Done;
        for _ in 0..2 {
            told = answer(&self.store.seal(&lease, &sealing(n), now).await);
        }
        (told, self.model.seal(n, &lease, now))
    }

    async fn expire(&mut self) -> (Answer, Answer) {
        let deleted = self.store.expire_files(100, self.now()).await.unwrap();
        assert_eq!(deleted, self.model.expire(self.now()));
        (Answer::Done, Answer::Done)
    }

    async fn forget(&mut self) -> (Answer, Answer) {
        let forgotten = self
            .store
            .forget_batches(Duration::ZERO, 100, self.now())
            .await
            .unwrap();
        assert_eq!(forgotten, self.model.forget(self.now()));
        (Answer::Done, Answer::Done)
    }

    /// Everything that can be asked is answered alike, and nothing that lives is garbage.
    async fn compare(&mut self) {
        let now = self.now();
        for n in 0..4 {
            let told = self.store.batch(&project(), &batch_id(n)).await.ok();
            let expected = self.model.batches.get(&n);
            assert_eq!(told.as_ref(), expected.map(|model| &model.batch));
            let told = self.store.segments(&batch_id(n), None, 100).await.unwrap();
            let lines = |segments: &[Segment]| {
                let key = |segment: &Segment| (segment.epoch, segment.seq, segment.lines.clone());
                segments.iter().map(key).collect::<Vec<_>>()
            };
            let expected = expected.map_or_else(Vec::new, |model| lines(&model.segments));
            assert_eq!(lines(&told), expected);
        }
        for n in file_numbers() {
            let told = self.store.file(&project(), &file_id(n), now).await.ok();
            assert_eq!(told.as_ref(), self.model.visible(n, now));
        }
        self.compare_uploads().await;
        for name in ["w0", "w1"] {
            let held = self.store.renew(&worker(name), now).await.unwrap();
            assert_eq!(held, self.model.held(&worker(name)));
        }
        self.sweep().await;
    }

    async fn sweep(&mut self) -> BTreeSet<BlobKey> {
        let garbage = self.store.garbage(1000, self.now()).await.unwrap();
        self.model.forget_files(self.now());
        let live = self.model.live();
        for blob in &garbage {
            assert!(!live.contains(blob), "{blob} is read by somebody");
            assert!(self.model.blobs.contains(blob), "{blob} was never written");
        }
        garbage.into_iter().collect()
    }

    /// Ends what can be ended and deletes what can be deleted: then whatever does not live is
    /// garbage.
    async fn end_everything(&mut self) {
        self.seconds += STEP_SECONDS;
        for (n, lease) in self.model.leases.clone() {
            if self
                .model
                .batches
                .get_mut(&n)
                .is_some_and(|batch| batch.holds(&lease))
            {
                self.store.release(&lease).await.unwrap();
            }
        }
        for n in 0..4 {
            self.cancel(true, n).await;
        }
        self.expire_uploads().await;
        for n in UPLOADS {
            let (told, expected) = self.cancel_upload(true, n).await;
            assert_eq!(told, expected);
        }
        self.model.let_go_of_everything();
        self.claim(9, 100).await;
        for back in 0..4 {
            let unrun = |model: &Model, n, lease: &Lease| {
                let lines = model.batches.get(&n).map_or(0, ModelBatch::missing);
                (lines > 0).then(|| unrun(lease, 9, 100..100 + lines))
            };
            let Some((n, lease)) = self.lease(back) else {
                break;
            };
            if let Some(segment) = unrun(&self.model, n, &lease) {
                let (told, expected) = self.record(back, false, |_| segment).await;
                assert_eq!(told, expected);
            }
            let (told, expected) = self.seal(back).await;
            assert_eq!(told, expected);
        }
        for n in file_numbers() {
            let (told, expected) = self.delete_file(true, n).await;
            assert_eq!(told, expected);
        }
        self.seconds += 10 * STEP_SECONDS;
        self.expire().await;
        self.seconds += 10 * STEP_SECONDS;
        self.sweep().await;
        self.forget().await;
        self.compare().await;
        let garbage = self.sweep().await;
        let live = self.model.live();
        assert_eq!(
            garbage,
            self.model.blobs.difference(&live).cloned().collect()
        );
    }
}
