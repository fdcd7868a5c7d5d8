//! What may happen to a store, drawn at random.

use std::ops::Range;

use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// One call of a verb. Numbers name files, batches and workers; a lease is one of those given so
/// far.
#[derive(Clone, Debug)]
pub(super) enum Step {
    InsertFile {
        file: u64,
        expires: bool,
    },
    DeleteFile {
        own: bool,
        file: u64,
    },
    DeleteUploaded {
        upload: u64,
    },
    InsertUpload {
        upload: u64,
    },
    InsertPart {
        own: bool,
        upload: u64,
        length: u64,
    },
    CompleteUpload {
        own: bool,
        upload: u64,
        parts: usize,
    },
    CancelUpload {
        own: bool,
        upload: u64,
    },
    ExpireUploads,
    InsertBatch {
        batch: u64,
        input: u64,
    },
    Cancel {
        own: bool,
        batch: u64,
    },
    Claim {
        worker: u64,
        limit: usize,
    },
    Release {
        lease: usize,
    },
    Validate {
        lease: usize,
        total: u64,
    },
    Reject {
        lease: usize,
    },
    Deadline {
        lease: usize,
    },
    Drain {
        lease: usize,
    },
    Record {
        lease: usize,
        seq: u64,
        line: u32,
        lines: u32,
        failed: bool,
        /// Whether the batch is to end with them.
        last: bool,
    },
    Seal {
        lease: usize,
    },
    DeleteResults {
        batch: u64,
    },
    Expire,
    Forget,
}

/// The numbers of the uploads that there may be.
pub(super) const UPLOADS: Range<u64> = 0..2;

/// A sequence of steps in which the ones that carry a batch on are the most frequent.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let own = || proptest::bool::weighted(0.8);
    let lease = || 0..6_usize;
    let clients = prop_oneof![
        3 => (0..3_u64, any::<bool>())
            .prop_map(|(file, expires)| Step::InsertFile { file, expires }),
        1 => (own(), 0..3_u64).prop_map(|(own, file)| Step::DeleteFile { own, file }),
        4 => (0..4_u64, 0..3_u64).prop_map(|(batch, input)| Step::InsertBatch { batch, input }),
        1 => (own(), 0..4_u64).prop_map(|(own, batch)| Step::Cancel { own, batch }),
        1 => (0..4_u64).prop_map(|batch| Step::DeleteResults { batch }),
        1 => Just(Step::Expire),
        1 => Just(Step::Forget),
    ];
    let last = proptest::bool::weighted(0.3);
    let runs = prop_oneof![
        4 => (0..2_u64, 1..4_usize).prop_map(|(worker, limit)| Step::Claim { worker, limit }),
        1 => lease().prop_map(|lease| Step::Release { lease }),
        4 => (lease(), 1..4_u64).prop_map(|(lease, total)| Step::Validate { lease, total }),
        1 => lease().prop_map(|lease| Step::Reject { lease }),
        1 => lease().prop_map(|lease| Step::Deadline { lease }),
        1 => lease().prop_map(|lease| Step::Drain { lease }),
        8 => (lease(), 0..4_u64, (0..3_u32, 1..3_u32), any::<bool>(), last).prop_map(
            |(lease, seq, (line, lines), failed, last)| {
                Step::Record { lease, seq, line, lines, failed, last }
            }
        ),
        4 => lease().prop_map(|lease| Step::Seal { lease }),
    ];
    prop_oneof![2 => clients, 1 => uploads(), 2 => runs]
}

fn uploads() -> impl Strategy<Value = Step> {
    let own = || proptest::bool::weighted(0.8);
    prop_oneof![
        3 => UPLOADS.prop_map(|upload| Step::InsertUpload { upload }),
        6 => (own(), UPLOADS, prop_oneof![Just(50_u64), Just(100)]).prop_map(
            |(own, upload, length)| Step::InsertPart { own, upload, length }
        ),
        3 => (own(), UPLOADS, 0..3_usize).prop_map(
            |(own, upload, parts)| Step::CompleteUpload { own, upload, parts }
        ),
        1 => (own(), UPLOADS).prop_map(|(own, upload)| Step::CancelUpload { own, upload }),
        1 => UPLOADS.prop_map(|upload| Step::DeleteUploaded { upload }),
        1 => Just(Step::ExpireUploads),
    ]
}
