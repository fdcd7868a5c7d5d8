//! Which extents were compared with their checksum of late, so that a file that is fetched by many
//! ranges is not read anew for each.
//!
//! A part of an extent cannot be compared with the checksum of the whole, so whoever wants only a
//! part has the whole compared first. That reads an extent once, piece by piece, however large it is
//! (an uploaded file is one extent): the first byte waits for it, and so do others who want parts of
//! the same extent meanwhile. Blobs never change, but disks forget: what was compared is believed for
//! a while only, and no more once a read found otherwise.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overnight_core::segment::{BlobKey, Extent};
use tokio::time::Instant;

use super::Result;

/// So many extents are remembered, those that came last: some hundred bytes each.
pub(super) const REMEMBERED_MAX: usize = 4096;

/// An extent that was compared is believed to be whole for so long.
pub(super) const BELIEVED: Duration = Duration::from_mins(10);

/// Blob, offset, length and checksum of an extent.
type Id = (BlobKey, u64, u64, u64);

/// When the extent was last found whole. Locked by whoever compares it: others wait for the answer.
type Seen = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// The extents that were compared. Cloning shares them.
#[derive(Clone, Default)]
pub(super) struct Verified(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    seen: BTreeMap<Id, Seen>,
    /// In the order in which they came.
    order: VecDeque<Id>,
}

impl Verified {
    /// Answers at once for an extent that was found whole of late, and otherwise what comparing it
    /// comes to.
    pub(super) async fn or_compare(
        &self,
        extent: &Extent,
        compare: impl Future<Output = Result<()>> + Send,
    ) -> Result<()> {
        let seen = self.seen(extent);
        let mut seen = seen.lock().await;
        if seen.is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(());
        }
        *seen = None;
        compare.await?;
        *seen = Some(Instant::now());
        Ok(())
    }

    /// A read found that the extent is not whole: nobody believes what was seen before.
    pub(super) fn forget(&self, extent: &Extent) {
        let id = id(extent);
        let mut state = self.state();
        if state.seen.remove(&id).is_some() {
            state.order.retain(|other| *other != id);
        }
    }

    fn seen(&self, extent: &Extent) -> Seen {
        let id = id(extent);
        let mut state = self.state();
        if let Some(seen) = state.seen.get(&id) {
            return Arc::clone(seen);
        }
        if state.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.seen.remove(&oldest);
        }
        state.order.push_back(id.clone());
        Arc::clone(state.seen.entry(id).or_default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held costs a comparison at most.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id(extent: &Extent) -> Id {
    let Extent {
        blob,
        offset,
        length,
        checksum,
    } = extent;
    (blob.clone(), *offset, *length, *checksum)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::blobs::BlobError;

    fn extent(n: u64) -> Extent {
        Extent {
            blob: "a".into(),
            offset: n,
            length: 1,
            checksum: 7,
        }
    }

    /// Asks for an extent; how often it was compared so far.
    async fn ask(verified: &Verified, n: u64, count: &AtomicUsize) -> usize {
        let compare = async {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        verified.or_compare(&extent(n), compare).await.unwrap();
        count.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn an_extent_is_compared_once_in_a_while_however_many_want_it() {
        let (verified, count) = (Verified::default(), AtomicUsize::new(0));
        let both = futures_util::join!(ask(&verified, 0, &count), ask(&verified, 0, &count));
        assert_eq!(both, (1, 1), "the second waits for the first");
        tokio::time::advance(BELIEVED.mul_f64(0.9)).await;
        assert_eq!(ask(&verified, 0, &count).await, 1);
        tokio::time::advance(BELIEVED.mul_f64(0.1)).await;
        assert_eq!(ask(&verified, 0, &count).await, 2);
        verified.forget(&extent(0));
        assert_eq!(ask(&verified, 0, &count).await, 3);
        let damaged = async { Err(BlobError::Corrupt("it is".into())) };
        assert!(verified.or_compare(&extent(1), damaged).await.is_err());
        assert_eq!(ask(&verified, 1, &count).await, 4, "a failure is no proof");
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_remembered() {
        let (verified, count) = (Verified::default(), AtomicUsize::new(0));
        for n in 0..=REMEMBERED_MAX as u64 {
            ask(&verified, n, &count).await;
        }
        let lengths = {
            let state = verified.state();
            (state.seen.len(), state.order.len())
        };
        assert_eq!(lengths, (REMEMBERED_MAX, REMEMBERED_MAX));
        let before = count.load(Ordering::Relaxed);
        assert_eq!(ask(&verified, 1, &count).await, before);
        assert_eq!(ask(&verified, 0, &count).await, before + 1);
    }
}
