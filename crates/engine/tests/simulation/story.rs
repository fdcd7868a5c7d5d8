//! What a seed decides before anything happens.

use std::time::Duration;

use overnight_core::id::{BatchId, FileId};
use overnight_core::time::Timestamp;

use crate::rng::Rng;

/// The time of day at which every story begins.
pub(crate) const BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// The models that lines name.
pub(crate) const MODELS: [&str; 3] = ["m0", "m1", "m2"];

/// One story of so many is one of results that are appended to files.
const APPENDS_EVERY: u64 = 9;

/// Everything that a seed decides before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) batches: Vec<BatchStory>,
    pub(crate) upstreams: Vec<UpstreamStory>,
    /// Whether results are appended to two files, as those of a run without a server: of the first
    /// batch then, which is the only one.
    pub(crate) appends: bool,
    /// How each life but the last ends, in order.
    pub(crate) fates: Vec<Fate>,
    /// From then on the world is well.
    pub(crate) quiet: Duration,
    /// How many calls in a thousand of the store and of the blobs go wrong before that.
    pub(crate) store_faults: u64,
    pub(crate) blob_faults: u64,
    /// Nothing can be written between these times.
    pub(crate) full_disk: (Duration, Duration),
    /// How often the disk fails to keep what it is given, so that the process has to stop.
    pub(crate) disk_failures: u32,
    /// The clock is moved by so many seconds at these times.
    pub(crate) jumps: Vec<(Duration, i64)>,
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
    pub(crate) window: Option<Duration>,
    pub(crate) cancelled: Option<Duration>,
    pub(crate) file_deleted: Option<Duration>,
    pub(crate) lines: Vec<LineStory>,
    /// Whether one of its lines is not a request.
    pub(crate) broken: bool,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineStory {
    pub(crate) model: usize,
    pub(crate) kind: Kind,
    /// So many bytes make its body longer.
    pub(crate) padding: usize,
}

/// How an upstream that is well answers a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    /// With more bytes than are free.
    Long,
    /// With status 400.
    Refused,
    /// With status 500.
    Poison,
}

/// An upstream.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamStory {
    /// What it serves, by number.
    pub(crate) models: Vec<usize>,
    pub(crate) limit: Option<u32>,
    /// The longest that an answer takes while it is well, in milliseconds.
    pub(crate) slowness: u64,
    /// So many requests in a thousand go wrong by chance.
    pub(crate) faults: u64,
    /// When everything goes wrong, and how.
    pub(crate) outages: Vec<(Duration, Duration, Trouble)>,
}

/// What is wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Refuses,
    Resets,
    LosesIdle,
    Cuts,
    Stalls,
    Silent,
    Overloaded,
    Unavailable,
    ServerError,
    Forbidden,
    Html,
}

pub(crate) const TROUBLES: [Trouble; 11] = [
    Trouble::Refuses,
    Trouble::Resets,
    Trouble::LosesIdle,
    Trouble::Cuts,
    Trouble::Stalls,
    Trouble::Silent,
    Trouble::Overloaded,
    Trouble::Unavailable,
    Trouble::ServerError,
    Trouble::Forbidden,
    Trouble::Html,
];

/// What happens at the call of that number of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It fails.
    Fail,
    /// It is never answered.
    Hang,
    /// The process dies before it.
    DieBefore,
    /// The process dies when it is done.
    DieAfter,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    /// What happens at a call.
    pub(crate) strike: Option<(u64, Strike)>,
    /// The process dies at that age.
    pub(crate) dies: Option<Duration>,
    /// The process is told to stop at that age.
    pub(crate) stops: Option<Duration>,
    /// How long there is no process then.
    pub(crate) gap: Duration,
}

impl Story {
    /// The story of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x00dd_ba11);
        let quiet = rng.millis(5_000..60_000);
        let quiet_ms = u64::try_from(quiet.as_millis()).unwrap();
        let rates = [0, 0, 10, 50, 200];
        let (store_faults, blob_faults) = (rng.one_of(&rates), rng.one_of(&rates));
        let mut batches: Vec<BatchStory> = (0..rng.within(1..5))
            .map(|_| BatchStory::of(&mut rng))
            .collect();
        let appends = seed % APPENDS_EVERY == APPENDS_EVERY - 1;
        if appends {
            batches.truncate(1);
        }
        let upstreams = upstreams(&mut rng, quiet_ms);
        let full_disk = if rng.per_mille(100) {
            let from = rng.millis(0..quiet_ms);
            (from, (from + rng.millis(500..10_000)).min(quiet))
        } else {
            Default::default()
        };
        let jumps = if rng.per_mille(150) {
            let seconds = rng.one_of(&[-86_400, -90, -30, 30, 90, 3_600, 86_400]);
            vec![(rng.millis(0..quiet_ms), seconds)]
        } else {
            Vec::new()
        };
        let fates = (0..rng.one_of(&[0, 1, 1, 2, 3, 4]))
            .map(|_| Fate::of(&mut rng))
            .collect();
        Self {
            batches,
            upstreams,
            appends,
            fates,
            quiet,
            store_faults,
            blob_faults,
            full_disk,
            disk_failures: Rng::new(seed).one_of(&[0, 0, 0, 1, 2]),
            jumps,
            rng,
        }
    }
}

impl BatchStory {
    fn of(rng: &mut Rng) -> Self {
        let created = rng.millis(0..10_000);
        let at = BEGIN.plus(created);
        let size = match rng.within(0..20) {
            0 => rng.within(100..300),
            1..4 => rng.within(30..60),
            _ => rng.within(1..30),
        };
        let models = rng.within(1..4);
        let is_rough = rng.per_mille(200);
        let is_wide = rng.per_mille(30);
        let lines = (0..size).map(|_| {
            let kind = match rng.within(0..1000) {
                0..30 => Kind::Refused,
                30..50 => Kind::Long,
                50..100 if is_rough => Kind::Poison,
                _ => Kind::Good,
            };
            let is_padded = is_wide && rng.per_mille(300);
            LineStory {
                model: usize::try_from(rng.within(0..models)).unwrap(),
                kind,
                padding: if is_padded { 70_000 } else { 0 },
            }
        });
        let lines = lines.collect();
        let maybe = |rng: &mut Rng, times: u64| {
            let after = rng.millis(0..20_000);
            rng.per_mille(times).then(|| created + after)
        };
        Self {
            cancelled: maybe(rng, 250),
            file_deleted: maybe(rng, 50),
            window: rng.per_mille(250).then(|| rng.millis(500..60_000)),
            broken: rng.per_mille(50),
            id: BatchId::new(at, rng.wide()),
            file: FileId::new(at, rng.wide()),
            blob: rng.wide(),
            created,
            lines,
        }
    }
}

fn upstreams(rng: &mut Rng, quiet_ms: u64) -> Vec<UpstreamStory> {
    let count = rng.within(1..4);
    let mut upstreams: Vec<UpstreamStory> = (0..count)
        .map(|_| {
            let outages = (0..rng.one_of(&[0, 0, 1, 2])).map(|_| {
                let from = rng.millis(0..quiet_ms);
                let until = from + rng.millis(200..20_000);
                (from, until, rng.one_of(&TROUBLES))
            });
            let outages = outages.collect();
            let serves = (0..MODELS.len()).filter(|_| rng.per_mille(500));
            let models = serves.collect();
            UpstreamStory {
                models,
                limit: rng.one_of(&[None, None, Some(1), Some(4), Some(16)]),
                slowness: rng.one_of(&[1, 50, 500, 3_000]),
                faults: rng.one_of(&[0, 0, 20, 100, 300]),
                outages,
            }
        })
        .collect();
    // Each model is served somewhere.
    for model in 0..MODELS.len() {
        if !upstreams
            .iter()
            .any(|upstream| upstream.models.contains(&model))
        {
            let index = usize::try_from(rng.within(0..count)).unwrap();
            upstreams[index].models.push(model);
        }
    }
    upstreams
}

impl Fate {
    fn of(rng: &mut Rng) -> Self {
        let gap = rng.millis(0..30_000);
        let calls = rng.one_of(&[20, 60, 200, 600]);
        let call = rng.within(0..calls);
        let age = rng.millis(0..20_000);
        let base = Self {
            gap,
            ..Self::default()
        };
        match rng.within(0..10) {
            0..3 => Self {
                strike: Some((call, Strike::DieBefore)),
                ..base
            },
            3..7 => Self {
                strike: Some((call, Strike::DieAfter)),
                ..base
            },
            7..9 => Self {
                dies: Some(age),
                ..base
            },
            _ => Self {
                stops: Some(age),
                ..base
            },
        }
    }
}
