//! The metadata seam: domain verbs, each one transaction.
//!
//! Times and ids are made by the caller; a store keeps what it is given. A verb that a worker calls
//! for a batch takes its [`Lease`] and is fenced: under an older epoch it changes nothing and
//! answers [`StoreError::Fenced`]. A verb that a client's request calls takes a [`ProjectId`], and
//! another project's object is exactly a missing one.

mod lease;
mod query;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use overnight_core::batch::{Batch, Event, IllegalTransition, Lease, Plan, Status};
use overnight_core::file::File;
use overnight_core::id::{BatchId, FileId, PartId, ProjectId, UploadId, WorkerId};
use overnight_core::segment::{BlobKey, Extent, PlacedExtent, ResultFile, Segment};
use overnight_core::time::Timestamp;
use overnight_core::upload::{Upload, UploadPart, UploadRefusal};
use thiserror::Error as ThisError;

pub(crate) use self::lease::Others;
pub use self::lease::{Claim, Held, Outlook, Reach};
pub use self::query::{BatchQuery, FileQuery, Order, Overview, Page};
use crate::space::is_out_of_space;
use crate::status::{BatchProgress, UpstreamStatus};

/// Why a verb did not happen. Named by what the caller does next.
#[derive(Debug, ThisError)]
pub enum StoreError {
    /// There is no such object in this project: answer 404.
    #[error("there is no such object")]
    NotFound,
    /// The batch is run under a newer lease: drop the run.
    #[error("the lease of this batch was taken over")]
    Fenced,
    /// An event that cannot happen in the batch's present state: a bug of the caller.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// What a client wants of an upload is not possible: answer 400, and say why.
    #[error(transparent)]
    Refused(#[from] UploadRefusal),
    /// The database did not answer; nothing is known of the outcome: try again.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What is recorded of one object cannot be read or contradicts itself, or a call contradicts it:
    /// leave that object as it is, and tell a person. Nothing else is concerned.
    #[error("what is recorded contradicts itself")]
    Contradicts(#[source] Box<dyn Error + Send + Sync>),
    /// The database itself is damaged, or the disk did not keep what was written: stop, and tell a
    /// person.
    #[error("the database is damaged")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the disk was full: the same call may succeed when there is room again.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        is_out_of_space(self)
    }
}

/// What a verb answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Bytes that are a list of extents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Those of a file, uploaded or left by a batch.
    File(FileId),
    /// The result lines that a batch has recorded so far.
    Results(BatchId, ResultFile),
}

/// The input of a batch.
#[derive(Clone, Debug)]
pub struct Input {
    /// The input file; still there for a batch that runs although its file was deleted.
    pub file: File,
    /// Whether somebody deleted the file.
    pub deleted: bool,
    /// Its bytes.
    pub extents: Vec<Extent>,
}

/// For how long an answer is kept under its client's idempotency key.
pub const ANSWER_KEPT: Duration = Duration::from_hours(24);

/// What was answered to the first request under a client's idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// Whose key it is: another project's is another key.
    pub project: ProjectId,
    /// The key, as the client sent it.
    pub key: String,
    /// Tells the request from others: the same for the same request alone.
    pub request: String,
    /// The body of the answer, byte for byte.
    pub body: String,
    /// When it was answered.
    pub at: Timestamp,
}

/// An object that a client creates.
#[derive(Clone, Copy, Debug)]
pub enum NewObject<'a> {
    /// As [`Store::insert_batch`] takes it.
    Batch(&'a Batch),
    /// As [`Store::insert_upload`] takes it.
    Upload(&'a Upload),
}

/// What an upload becomes.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The upload.
    pub upload: UploadId,
    /// The parts that make the file, in the order of their bytes.
    pub order: Vec<PartId>,
    /// The id of the file.
    pub file: FileId,
}

/// The result files that a batch ends with. The store fills in their sizes.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// The output file's row; ignored when no segment has output lines.
    pub output: File,
    /// The error file's row; ignored when no segment has error lines.
    pub error: File,
}

/// A blob that is not what was written, kept for whoever looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The run of bytes that is damaged or gone.
    pub extent: Extent,
    /// What named it when it was found, for a person: "the input file file-...", say.
    pub held: String,
    /// What is wrong with it, for a person.
    pub why: String,
    /// When that was found.
    pub found_at: Timestamp,
    /// Whether a row still names the blob.
    pub is_named: bool,
}

/// Metadata that survives. `at` is the caller's time of day.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // === Files ===

    /// Announces a blob that is about to be written for a client. Until [`Self::insert_file`] or
    /// [`Self::insert_part`] names it, it is known to be unfinished: a restart sweeps it.
    async fn announce(&self, blob: &BlobKey, at: Timestamp) -> Result<()>;

    /// Ends an announcement without a row that names the blob: it becomes garbage at once.
    async fn abandon(&self, blob: &BlobKey, at: Timestamp) -> Result<()>;

    /// Either the file is there with all its extents, or nothing changed. Ends the announcements of
    /// their blobs. A second call with the same file id changes nothing. [`StoreError::NotFound`]
    /// when one of the blobs is garbage, and so may be gone at any moment.
    async fn insert_file(&self, file: &File, content: &[Extent]) -> Result<()>;

    /// A file of the project that is neither deleted nor past its expiry at that time.
    async fn file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<File>;

    /// A page of the project's files; [`StoreError::NotFound`] when the cursor is not one of them.
    async fn files(
        &self,
        project: &ProjectId,
        query: &FileQuery,
        at: Timestamp,
    ) -> Result<Page<File>>;

    /// The file is gone for every reader; its bytes become garbage ten minutes later, or when no open
    /// batch has them as its input any more, whichever is later: until then [`Self::extents`] goes on
    /// answering, for downloads that are under way.
    async fn delete_file(&self, project: &ProjectId, id: &FileId, at: Timestamp) -> Result<()>;

    /// The extents of a content from the one that holds byte `from` on, at most `limit`. Empty at
    /// its end, and for a batch that has recorded nothing; [`StoreError::NotFound`] for a file that
    /// never was, or whose bytes are let go of. Empty extents are left out. A content only ever
    /// grows at its end.
    async fn extents(
        &self,
        content: &Content,
        from: u64,
        limit: usize,
    ) -> Result<Vec<PlacedExtent>>;

    // === Uploads: files that come in parts ===

    /// The upload, which must be pending and without parts, is there, or nothing changed. A second
    /// call with the same id changes nothing.
    async fn insert_upload(&self, upload: &Upload) -> Result<()>;

    /// An upload of the project, as it was left: whether its time is over is for
    /// [`Upload::status`] to say. It is remembered for a day behind its expiry.
    async fn upload(&self, project: &ProjectId, id: &UploadId) -> Result<Upload>;

    /// The part is there and counted, or nothing changed. Ends the announcement of its blob. A
    /// second call with the same part id changes nothing. [`StoreError::NotFound`] when the project
    /// has no such upload or the blob is garbage, [`StoreError::Refused`] when the upload takes no
    /// such part at the time of the part's creation.
    async fn insert_part(&self, project: &ProjectId, part: &UploadPart) -> Result<()>;

    /// The parts of an upload of the project in order of creation; none when it is not pending.
    async fn parts(&self, project: &ProjectId, id: &UploadId) -> Result<Vec<UploadPart>>;

    /// The file is there, made of the named parts in their order, and the upload completed; or
    /// nothing changed. No byte is copied: the extents of the parts become those of the file,
    /// and the other parts garbage. Completed again of the same parts in the same order, the upload
    /// is answered as it is: no second file is made. [`StoreError::Refused`] when these parts do not
    /// make the declared file, or the upload is not pending at that time.
    async fn complete_upload(
        &self,
        project: &ProjectId,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<Upload>;

    /// Gives an upload up: its parts are garbage at once. Answers it as it is then, also when it was
    /// cancelled before. [`StoreError::Refused`] when it was completed or has expired.
    async fn cancel_upload(
        &self,
        project: &ProjectId,
        id: &UploadId,
        at: Timestamp,
    ) -> Result<Upload>;

    // === Created once, however often it is asked for ===

    /// Inserts the object and keeps the answer under its key, both or neither; or, when an answer
    /// is kept there that is not yet [`ANSWER_KEPT`] old, changes nothing. Answers what is kept
    /// then. Of calls under one key, at the same time or one after another, one inserts.
    async fn insert_once(&self, object: NewObject<'_>, answer: &FirstAnswer)
    -> Result<FirstAnswer>;

    /// The answer that is kept under a key of the project, if there is one and it is not yet
    /// [`ANSWER_KEPT`] old.
    async fn first_answer(
        &self,
        project: &ProjectId,
        key: &str,
        at: Timestamp,
    ) -> Result<Option<FirstAnswer>>;

    // === Batches, as clients see them ===

    /// The batch, which must be validating, is there, or nothing changed. A second call with the
    /// same id changes nothing.
    async fn insert_batch(&self, batch: &Batch) -> Result<()>;

    /// A batch of the project.
    async fn batch(&self, project: &ProjectId, id: &BatchId) -> Result<Batch>;

    /// A page of the project's batches, newest first; [`StoreError::NotFound`] when the cursor is
    /// not one of them.
    async fn batches(
        &self,
        project: &ProjectId,
        after: Option<&BatchId>,
        limit: usize,
    ) -> Result<Page<Batch>>;

    /// Applies [`Event::CancelRequested`] and answers the batch as it is then.
    /// [`StoreError::Illegal`] when it has ended in another way.
    async fn cancel(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<Batch>;

    /// A page of those of the project's batches that are looked for, newest first;
    /// [`StoreError::NotFound`] when the cursor is not one of the project's.
    async fn find_batches(&self, project: &ProjectId, query: &BatchQuery) -> Result<Page<Batch>>;

    /// Pauses the batch ([`Batch::set_paused`]) or lets it go on, and answers it as it is then.
    /// [`StoreError::Illegal`] when nothing more of it is sent anyway.
    async fn set_paused(
        &self,
        project: &ProjectId,
        id: &BatchId,
        paused: bool,
        at: Timestamp,
    ) -> Result<Batch>;

    /// The batch is gone for every client, and its result files are as if they were deleted one by
    /// one. Its row goes when their bytes do. [`StoreError::Illegal`] while it is open; a second
    /// call finds no batch.
    async fn delete_batch(&self, project: &ProjectId, id: &BatchId, at: Timestamp) -> Result<()>;

    // === Batches, as their run sees them ===

    /// For how long a claim or a renewal is good, counted from when it was asked for; `None` when it
    /// is for as long as the process lives. A worker that has not renewed for so long may have lost
    /// every batch that it holds, and sends nothing more for them until it has.
    fn lease_time(&self) -> Option<Duration>;

    /// Takes up to `limit` open batches that nobody holds, or whose worker has not renewed in time,
    /// the soonest deadlines first, each under a new epoch. Prolongs the worker's own leases.
    async fn claim(&self, worker: &WorkerId, limit: usize, at: Timestamp) -> Result<Vec<Claim>>;

    /// Prolongs every lease of the worker, and answers which batches it still holds and where each
    /// is.
    async fn renew(&self, worker: &WorkerId, at: Timestamp) -> Result<Vec<Held>>;

    /// Gives a batch back, so that anyone may claim it at once. Fenced by the epoch alone: a second
    /// call, or one for an ended batch, changes nothing.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// Looks whether the worker should claim, and how much. A worker without work asks up to twice a
    /// second, so it is cheaper than a claim.
    async fn outlook(&self, worker: &WorkerId) -> Result<Outlook>;

    /// The worker says whether it reaches the place of the blobs, as the others see it in
    /// [`Self::outlook`] for as long as its leases last. One that has never claimed says nothing.
    async fn say_reach(&self, worker: &WorkerId, reach: Reach) -> Result<()>;

    /// The worker is about to end: it claims nothing any more, and the others need leave nothing to
    /// it. What it holds stays its own. A second call changes nothing.
    async fn leave(&self, worker: &WorkerId) -> Result<()>;

    /// The input file of a batch, also when it was deleted or has expired since: its bytes are kept
    /// while a batch that has it as its input is open, be it only validating.
    /// [`StoreError::NotFound`] when there is no such file in the batch's project, or its bytes are
    /// gone.
    async fn input(&self, batch: &BatchId, at: Timestamp) -> Result<Input>;

    /// Applies an event that the run or the clock brings: [`Event::Validated`],
    /// [`Event::Rejected`], [`Event::DeadlinePassed`] or [`Event::Drained`]; any other is
    /// [`StoreError::Illegal`]. Answers the batch as it is then. Fenced. An ended batch's lease is
    /// gone, its plan is garbage, and so is a plan that comes too late. The same event again, after
    /// a lost answer, changes nothing (a second [`Event::Validated`] must bring the same plan).
    /// [`Event::Drained`] is refused as [`StoreError::Contradicts`] while lines of a running batch are
    /// missing.
    async fn advance(&self, lease: &Lease, event: Event, at: Timestamp) -> Result<Batch>;

    /// The segment's lines are done and counted, or nothing changed. Fenced. A second call with a
    /// segment of the same epoch and seq changes nothing, so that a commit whose answer was lost
    /// may be repeated. Segments of an epoch are recorded in the order of their seq; gaps are fine.
    /// [`StoreError::Contradicts`] refuses one that comes behind a later one, one whose tally is not
    /// that of its lines, and one with which the batch would count more lines than its total (a
    /// line that is there twice within the total is found by [`Self::seal`]).
    async fn record(&self, lease: &Lease, segment: &Segment) -> Result<()>;

    /// Recorded segments of a batch in the order of its result files, from the one behind `(epoch,
    /// seq)` on, at most `limit`. One that was merged with later ones since is read again, as a
    /// part of what it was merged into.
    async fn segments(
        &self,
        batch: &BatchId,
        after: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<Vec<Segment>>;

    /// Puts `merged` in the place of the neighbouring segments from its own `(epoch, seq)` to
    /// `last`, whose bytes, lines, tally and usage it holds in the same order. Offsets in the
    /// result files do not move. The replaced blobs become garbage ten minutes later, for downloads
    /// that are under way. Works on ended batches as well. Nothing changes, and nothing is told,
    /// when the range is not as it was, or a blob of `merged` is new and of an epoch below the
    /// batch's present one: then nothing names the blobs of `merged`, and [`Self::unnamed`] tells
    /// them.
    async fn merge(
        &self,
        batch: &BatchId,
        last: (u64, u64),
        merged: &Segment,
        at: Timestamp,
    ) -> Result<()>;

    /// Ends the batch: applies [`Event::Drained`] when it is in progress with every line done, then
    /// inserts the file rows and applies [`Event::Sealed`], all or nothing. Refused as
    /// [`StoreError::Contradicts`] unless the recorded lines are exactly the total, once each (a batch
    /// cancelled while validating has none). The lease is gone, the plan is garbage. Fenced. An
    /// ended batch is answered as it is.
    async fn seal(&self, lease: &Lease, sealing: &Sealing, at: Timestamp) -> Result<Batch>;

    /// [`Self::record`] with the last lines of a batch and [`Self::seal`] in one, all or nothing: a
    /// small batch waits for one commit less. What either refuses is refused, and a second call
    /// answers the ended batch as it is.
    async fn record_last(
        &self,
        lease: &Lease,
        segment: &Segment,
        sealing: &Sealing,
        at: Timestamp,
    ) -> Result<Batch>;

    // === Damage ===

    /// The blob is known to be damaged or gone: from now on no sweep deletes it. Answers it when
    /// that was not known before. Nothing else changes: what names the blob goes on naming it. One
    /// that no row names is of no interest, and nothing changes.
    async fn quarantine(
        &self,
        extent: &Extent,
        why: &str,
        at: Timestamp,
    ) -> Result<Option<Quarantined>>;

    /// The blobs in quarantine, the first found first, at most `limit`.
    async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>>;

    /// The blob is in quarantine no more: it is whole again, or gone for good. It is garbage if no
    /// row names it.
    async fn reinstate(&self, blob: &BlobKey, at: Timestamp) -> Result<()>;

    /// Puts another plan in the place of one that was lost, and answers the batch as it is then.
    /// The old plan's blob is garbage, unless it is in quarantine. Fenced. A second call with the
    /// same plan changes nothing. [`StoreError::Contradicts`] refuses a plan of another number of
    /// lines; a batch that has ended, or has no plan yet, is answered as it is, and the plan is
    /// garbage.
    async fn replan(&self, lease: &Lease, plan: &Plan, at: Timestamp) -> Result<Batch>;

    // === What people ask about a running engine ===

    /// Replaces what is known of these batches' progress.
    async fn save_progress(&self, progress: &[BatchProgress]) -> Result<()>;

    /// The progress of a batch of the project, if a worker has saved any.
    async fn progress(&self, project: &ProjectId, id: &BatchId) -> Result<Option<BatchProgress>>;

    /// How the project's batches are getting on, those that were deleted left out.
    async fn overview(&self, project: &ProjectId) -> Result<Overview>;

    /// Replaces everything that this worker has said of its upstreams.
    async fn save_upstreams(&self, worker: &WorkerId, upstreams: &[UpstreamStatus]) -> Result<()>;

    /// What every worker says of its upstreams.
    async fn upstreams(&self) -> Result<Vec<UpstreamStatus>>;

    /// How many batches there are in each of those statuses.
    async fn count_batches(&self, statuses: &[Status]) -> Result<Vec<(Status, u64)>>;

    // === The end of things ===

    /// Deletes up to `limit` files that are past their expiry, as [`Self::delete_file`] does.
    /// Answers how many.
    async fn expire_files(&self, limit: usize, at: Timestamp) -> Result<u64>;

    /// Ends up to `limit` pending uploads that are past their expiry, and their parts are garbage;
    /// forgets up to `limit` others whose expiry was a day ago. Answers how many of both.
    async fn expire_uploads(&self, limit: usize, at: Timestamp) -> Result<u64>;

    /// Forgets up to `limit` answers that are [`ANSWER_KEPT`] old. Answers how many.
    async fn forget_answers(&self, limit: usize, at: Timestamp) -> Result<u64>;

    /// Forgets up to `limit` batches that ended more than `retention` ago, or were deleted, and whose
    /// result files are gone, with their segments and what blobs those still name. Answers how many.
    async fn forget_batches(&self, retention: Duration, limit: usize, at: Timestamp)
    -> Result<u64>;

    /// Lets go of the bytes of deleted files whose ten minutes are over, and answers up to
    /// `limit` blobs that no row names any more and whose time has come. They are answered again
    /// until [`Self::forget_garbage`].
    async fn garbage(&self, limit: usize, at: Timestamp) -> Result<Vec<BlobKey>>;

    /// These garbage blobs were deleted.
    async fn forget_garbage(&self, blobs: &[BlobKey]) -> Result<()>;

    /// Those of these listed blobs that no row names and nobody can name later: of an epoch below
    /// the batch's present one, of an ended batch, or of a batch that is gone. What clients send is
    /// never among them (it is announced), nor is garbage, which has its own time.
    async fn unnamed(&self, blobs: &[BlobKey]) -> Result<Vec<BlobKey>>;

    /// The newest time that any row holds as a past event; `None` in an empty store. It looks at
    /// every file, upload and batch: asked once, at start.
    async fn newest(&self) -> Result<Option<Timestamp>>;

    /// The database answers.
    async fn ping(&self) -> Result<()>;
}
