//! What a seed decides about several workers before anything happens.

use std::time::Duration;

use overnight_core::id::{BatchId, FileId};

use crate::rng::Rng;
use crate::story::BEGIN;

/// For how long a lease is good.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// Everything that a seed decides before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// How many workers there are at first.
    pub(crate) workers: usize,
    pub(crate) batches: Vec<BatchStory>,
    /// What happens to workers, in order.
    pub(crate) troubles: Vec<Trouble>,
    /// The longest that an answer takes, in milliseconds.
    pub(crate) slowness: u64,
    /// How many calls of the store in a thousand go wrong by chance.
    pub(crate) store_faults: u64,
    /// From then on the world is well.
    pub(crate) quiet: Duration,
    /// What is drawn while things happen.
    pub(crate) rng: Rng,
}

/// A batch, and what its client does with it.
#[derive(Clone, Debug)]
pub(crate) struct BatchStory {
    pub(crate) id: BatchId,
    pub(crate) file: FileId,
    pub(crate) blob: u128,
    pub(crate) created: Duration,
    pub(crate) cancelled: Option<Duration>,
    pub(crate) lines: u32,
}

/// Something that happens to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) at: Duration,
    /// Which one, among those that are there then and are well.
    pub(crate) worker: u64,
    pub(crate) kind: Kind,
}

/// What happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is stopped for so long, as by a signal, and goes on.
    Stopped(Duration),
    /// The store is not reached for so long.
    CutOff(Duration),
    /// The blobs are not reached for so long.
    WithoutBlobs(Duration),
    /// It is gone suddenly; another one comes so much later.
    Killed(Duration),
    /// It is told to end; another one comes so much later.
    Told(Duration),
    /// Another one comes.
    Joined,
}

impl Story {
    /// The story of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x9e6d_5a1c_73b1_42cd) ^ 0x0005_eed5);
        let quiet = rng.millis(15_000..60_000);
        let quiet_ms = u64::try_from(quiet.as_millis()).unwrap();
        let batches = (0..rng.within(1..8)).map(|_| BatchStory::of(&mut rng));
        let batches = batches.collect();
        let mut troubles: Vec<Trouble> = (0..rng.within(1..8))
            .map(|_| Trouble {
                at: rng.millis(0..quiet_ms),
                worker: rng.next(),
                kind: Kind::of(&mut rng),
            })
            .collect();
        troubles.sort_by_key(|trouble| trouble.at);
        Self {
            workers: usize::try_from(rng.within(1..4)).unwrap(),
            batches,
            troubles,
            slowness: rng.one_of(&[50, 500, 3_000]),
            store_faults: rng.one_of(&[0, 0, 10, 50]),
            quiet,
            rng,
        }
    }
}

impl BatchStory {
    fn of(rng: &mut Rng) -> Self {
        let created = rng.millis(0..20_000);
        let at = BEGIN.plus(created);
        let after = rng.millis(0..20_000);
        Self {
            id: BatchId::new(at, rng.wide()),
            file: FileId::new(at, rng.wide()),
            blob: rng.wide(),
            created,
            cancelled: rng.per_mille(150).then(|| created + after),
            lines: u32::try_from(rng.within(1..120)).unwrap(),
        }
    }
}

impl Kind {
    fn of(rng: &mut Rng) -> Self {
        let (short, long) = (rng.millis(500..5_000), rng.millis(5_000..20_000));
        let gap = rng.millis(0..10_000);
        match rng.within(0..12) {
            0 => Self::Stopped(short),
            1..4 => Self::Stopped(long),
            4 => Self::CutOff(short),
            5 | 6 => Self::CutOff(long),
            7 => Self::Killed(gap),
            8 => Self::Told(gap),
            9 => Self::WithoutBlobs(short),
            10 => Self::WithoutBlobs(long),
            _ => Self::Joined,
        }
    }
}
