//! The store and the blobs as the engine meets them: each call is counted, noted, and may go wrong.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::batch::Lease;
use overnight_core::segment::{BlobKey, Segment};
use overnight_store::faulty::{Call, End, Fault, Plan};

use crate::world::{SeamPlant, State, World, Zombie};

/// What goes wrong with the store.
pub(crate) struct StoreSeam(pub(crate) Arc<World>);

/// What goes wrong with the blobs.
pub(crate) struct BlobSeam(pub(crate) Arc<World>);

impl Plan for StoreSeam {
    fn fault(&self, call: &Call<'_>) -> Fault {
        let mut state = self.0.state();
        let fault = state.strike(call.verb).unwrap_or_else(|| {
            let rate = state.story.store_faults;
            chance(&mut state, rate)
        });
        noted(&mut state, call, fault);
        if let (Some((lease, _)), Fault::Slow(pause) | Fault::Late(pause)) = (call.segment, fault) {
            let answered_at = state.now() + pause;
            if let Some(index) = state.batch_of(&lease.batch) {
                state.batches[index].life.answered_at = answered_at;
            }
        }
        if self.0.plant == Some(SeamPlant::DoneBeforeRecord)
            && call.verb == "record"
            && fault == Fault::Fail
        {
            // Whoever set the done bit before does not look at the answer.
            state.lied = true;
            return Fault::None;
        }
        if let (Fault::Fail, Some((lease, segment))) = (fault, call.segment)
            && state.story.rng.per_mille(500)
        {
            let due = state.now() + state.story.rng.millis(0..20_000);
            let (lease, segment) = (lease.clone(), segment.clone());
            state.zombies.push(Zombie {
                due,
                lease,
                segment,
            });
        }
        fault
    }

    fn ended(&self, call: &Call<'_>, end: &End) {
        let mut state = self.0.state();
        ended(&mut state, call, end);
        if let Some((lease, segment)) = call.segment
            && *end == End::Done
            && !std::mem::take(&mut state.lied)
        {
            if let Some(index) = state.batch_of(&lease.batch) {
                state.leases.insert(index, lease.clone());
                // Unlike a late record of a former try, which comes in the midst of another flush.
                state.batches[index].life.flushing = false;
            }
            state.recorded(lease, segment);
        }
    }

    fn recorded(&self, lease: &Lease, segment: &Segment) -> Option<Segment> {
        let state = self.0.state();
        if state.lied {
            return None;
        }
        let mut kept = segment.clone();
        if self.0.plant == Some(SeamPlant::CountsAddedTwice) {
            // A store that does not know a segment again counts it once more.
            let known = &state.batches[state.batch_of(&lease.batch)?].recorded;
            let again = segment.lines.iter().all(|line| known.contains(&line));
            kept.seq += u64::from(again);
        }
        Some(kept)
    }

    fn unnamed(&self, asked: &[BlobKey], answer: Vec<BlobKey>) -> Vec<BlobKey> {
        if self.0.plant == Some(SeamPlant::SweepOfALiveBlob) {
            return asked.to_vec();
        }
        answer
    }
}

impl Plan for BlobSeam {
    fn fault(&self, call: &Call<'_>) -> Fault {
        let mut state = self.0.state();
        let was_dead = state.is_dead();
        let writes = matches!(call.verb, "put" | "append");
        let fault = state.strike(call.verb).unwrap_or_else(|| {
            let now = state.now();
            let (from, until) = state.story.full_disk;
            let is_full = (from..until).contains(&now);
            if is_full && (writes || call.verb == "begin") {
                return Fault::Fail;
            }
            let rate = state.story.blob_faults;
            let fault = chance(&mut state, rate);
            if fault != Fault::None && call.verb == "put" && state.story.disk_failures > 0 {
                state.story.disk_failures -= 1;
                state.disk_failed = true;
                return Fault::Lose;
            }
            fault
        });
        if !was_dead && state.is_dead() && writes {
            // It dies in the midst of it.
            noted(&mut state, call, Fault::Tear);
            return Fault::Tear;
        }
        if call.verb == "put"
            && let Some(index) = batch_of_segment(&state, call)
        {
            let life = &mut state.batches[index].life;
            if !life.flushing {
                (life.flushing, life.since_flush) = (true, 0);
            }
        }
        noted(&mut state, call, fault);
        let is_result = call.blob.is_some_and(|blob| blob.starts_with("segments/"));
        let lies = self.0.plant == Some(SeamPlant::RowBeforeBlob);
        if lies && is_result && call.verb == "put" && fault == Fault::None {
            return Fault::Lie(Duration::from_millis(100));
        }
        fault
    }

    fn ended(&self, call: &Call<'_>, end: &End) {
        ended(&mut self.0.state(), call, end);
    }

    fn is_dead(&self) -> bool {
        self.0.state().is_dead()
    }
}

/// The batch of a segment's blob, whose name begins with it.
fn batch_of_segment(state: &State, call: &Call<'_>) -> Option<usize> {
    let name = call.blob?.strip_prefix("segments/")?;
    state.batch_of(&name.split('-').next()?.into())
}

/// What goes wrong by chance, so many times in a thousand.
fn chance(state: &mut State, rate: u64) -> Fault {
    if state.is_quiet() || !state.story.rng.per_mille(rate) {
        return Fault::None;
    }
    let rng = &mut state.story.rng;
    match rng.within(0..10) {
        0..3 => Fault::Fail,
        3..5 => Fault::DoThenFail,
        5 => Fault::Late(rng.millis(1..5_000)),
        6 => Fault::Slow(rng.millis(1..5_000)),
        7 | 8 => Fault::Late(rng.millis(1..20)),
        _ => Fault::Slow(rng.millis(1..20)),
    }
}

fn noted(state: &mut State, call: &Call<'_>, fault: Fault) {
    state.note(|| {
        let blob = call.blob.unwrap_or_default();
        let lines = call.segment.map(|(lease, segment)| {
            let lines: Vec<u32> = segment.lines.iter().collect();
            format!(" {}/{} {lines:?}", lease.epoch, segment.seq)
        });
        let lines = lines.unwrap_or_default();
        format!("{} {blob}{lines} {fault:?}", call.verb)
    });
}

fn ended(state: &mut State, call: &Call<'_>, end: &End) {
    if *end != End::Done {
        // The folder has another name in each run.
        let end = format!("{end:?}").replace(&state.folder, "");
        state.note(|| format!("{} {end}", call.verb));
    }
    state.happened(call.verb);
}
