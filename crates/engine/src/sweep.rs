//! Finds what has ended its time, and ends it.
//!
//! Each pass reads the truth and takes no input, so a restart and a working day are one path.

use std::sync::Arc;

use futures_util::StreamExt;
use overnight_core::segment::BlobKey;
use overnight_store::blobs::BlobError;

use crate::damage::look_again;
use crate::engine::EngineError;
use crate::shared::Shared;

/// So many rows or blobs are looked at in one step.
const STEP: usize = 256;

/// Listed blobs are compared with the rows once in so many passes of all workers together: leftovers are
/// rare, and a bucket of millions of blobs has its price a listing.
const PASSES_PER_LISTING: u64 = 120;

/// The folders whose blobs are compared with the rows. What clients send is announced, and needs
/// no listing.
const LISTED: [&str; 2] = ["segments", "plans"];

/// Sweeps for ever, once at the start and then at every interval.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let mut passes = 0;
    loop {
        if let Err(error) = pass(&shared, passes).await {
            {
                let error: &dyn std::error::Error = &*error;
                tracing::warn!(error, "a sweep did not get through; it is tried again");
            }
            if let Ok(lost) = error.downcast::<BlobError>()
                && matches!(*lost, BlobError::NotDurable(_))
            {
                shared.fail(EngineError::NotDurable(*lost));
            }
        }
        passes += 1;
        tokio::time::sleep(shared.settings.sweep_interval).await;
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn pass(shared: &Shared, passes: u64) -> Result<(), Failed> {
    let (store, now) = (&shared.store, || shared.clock.now());
    if shared.guard.is_steady() {
        while store.expire_files(STEP, now()).await? == STEP as u64 {}
        while store.expire_uploads(STEP, now()).await? >= STEP as u64 {}
        while store.forget_answers(STEP, now()).await? == STEP as u64 {}
        let retention = shared.settings.batch_retention;
        while store.forget_batches(retention, STEP, now()).await? == STEP as u64 {}
    }
    if is_to_list(shared, passes).await {
        for folder in LISTED {
            sweep_unnamed(shared, folder).await?;
        }
        if let Err(error) = look_again(shared).await {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "the quarantine was not looked through"
            );
        }
    }
    loop {
        let garbage = store.garbage(STEP, now()).await?;
        // For good, before the rows that say so are forgotten: nobody looks for such a blob again.
        shared.blobs.delete_all(&garbage).await?;
        store.forget_garbage(&garbage).await?;
        if garbage.len() < STEP {
            return Ok(());
        }
    }
}

/// Whether this pass is one that lists: at the start and then regularly where nobody else is there; and
/// where others are, each by chance as often as makes it one of all.
async fn is_to_list(shared: &Shared, passes: u64) -> bool {
    let others = if shared.leases.runs() {
        match shared.store.outlook(&shared.worker).await {
            Ok(outlook) => outlook.others,
            // It is no time for more than must be.
            Err(_) => return false,
        }
    } else {
        0
    };
    if others == 0 {
        return passes.is_multiple_of(PASSES_PER_LISTING);
    }
    let one_in = u128::from(PASSES_PER_LISTING.saturating_mul(others.saturating_add(1)));
    shared.entropy.draw().is_multiple_of(one_in)
}

/// Deletes what a former run wrote but never recorded.
async fn sweep_unnamed(shared: &Shared, folder: &str) -> Result<(), Failed> {
    let mut listed = shared.blobs.list(folder).chunks(STEP);
    while let Some(keys) = listed.next().await {
        let keys: Vec<BlobKey> = keys.into_iter().collect::<Result<_, BlobError>>()?;
        let unnamed = shared.store.unnamed(&keys).await?;
        delete(shared, &unnamed).await?;
        if !unnamed.is_empty() {
            tracing::info!(blobs = unnamed.len(), folder, "unrecorded blobs were swept");
        }
    }
    Ok(())
}

async fn delete(shared: &Shared, blobs: &[BlobKey]) -> Result<(), BlobError> {
    for blob in blobs {
        shared.blobs.delete(blob).await?;
    }
    Ok(())
}
