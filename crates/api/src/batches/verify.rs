//! `GET /v1/batches/{id}/verify`: whether every line is there once, and the bytes are those that were
//! written; a route of our own.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_core::batch::Batch;
use overnight_core::outcome::read_head;
use overnight_core::segment::{LineSet, ResultFile, Segment};
use overnight_store::BlobError;

use super::{find, is_deleted};
use crate::api::Api;
use crate::auth::Caller;
use crate::errors::ApiError;
use crate::json;
use crate::lines::HeadReader;
use crate::path::BatchPath;
use crate::wire::batch::Verification;

/// How many problems are told.
const PROBLEMS_MAX: usize = 100;

/// How many segments are asked for at once.
const SEGMENTS_A_PAGE: usize = 128;

/// Reads everything that the batch has recorded. It takes as long as reading its result files does,
/// and the memory of two sets of lines.
pub(crate) async fn verify(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    let batch = find(&api, &caller, &id).await?;
    let hidden = [
        (
            ResultFile::Output,
            is_deleted(&api, &caller, &batch, ResultFile::Output).await?,
        ),
        (
            ResultFile::Error,
            is_deleted(&api, &caller, &batch, ResultFile::Error).await?,
        ),
    ];
    let mut check = Check::default();
    let mut after = None;
    loop {
        let asked = api.store.segments(&batch.id, after, SEGMENTS_A_PAGE);
        let page = asked.await.map_err(ApiError::store)?;
        for segment in &page {
            check.lines(segment, &batch);
            for (file, is_hidden) in hidden {
                if !is_hidden {
                    check.results(&api, segment, file).await?;
                }
            }
            after = Some((segment.epoch, segment.seq));
        }
        if page.len() < SEGMENTS_A_PAGE {
            break;
        }
    }
    // It has moved on since, and may have ended: its counts are compared as they are now.
    let batch = find(&api, &caller, &id).await?;
    check.whole(&batch);
    json::pretty(&Verification::new(&batch, &check.problems))
}

/// What was found so far.
#[derive(Debug, Default)]
struct Check {
    done: LineSet,
    ended: u64,
    problems: Vec<String>,
}

impl Check {
    fn tell(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// Each line is in one segment, and each segment counts its lines. While a batch runs, segments
    /// are merged, and what was read may be met again.
    fn lines(&mut self, segment: &Segment, batch: &Batch) {
        let place = format!("segment {}/{}", segment.epoch, segment.seq);
        let is_open = !batch.state.status().is_terminal();
        if !is_open && !self.done.is_disjoint(&segment.lines) {
            self.tell(format!("{place} ends lines that an earlier one has ended"));
        }
        if segment.lines.len() != segment.tally.ended() {
            self.tell(format!("{place} does not count its lines"));
        }
        self.ended += segment.tally.ended();
        self.done.union_with(&segment.lines);
    }

    /// The result lines of a segment are those that were written, and as many as it counts.
    async fn results(
        &mut self,
        api: &Arc<Api>,
        segment: &Segment,
        file: ResultFile,
    ) -> Result<(), ApiError> {
        let place = format!("segment {}/{}", segment.epoch, segment.seq);
        let part = file.as_str();
        let expected = match file {
            ResultFile::Output => segment.tally.completed,
            ResultFile::Error => segment.tally.failed + segment.tally.unrun,
        };
        let Some(extent) = segment.extent(file) else {
            if expected > 0 {
                self.tell(format!("{place} has lost its {part} lines"));
            }
            return Ok(());
        };
        let (mut found, mut wrong) = (0_u64, 0_u64);
        let mut heads = HeadReader::new(api, extent);
        loop {
            match heads.next(api).await {
                Ok(Some(heads)) => {
                    found += heads.len() as u64;
                    let is_wrong = |head: &&crate::lines::Head| read_head(&head.bytes).is_none();
                    wrong += heads.iter().filter(is_wrong).count() as u64;
                }
                Ok(None) => break,
                Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => {
                    self.tell(format!(
                        "the {part} lines of {place} are damaged or gone: {error}"
                    ));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if found != expected || wrong > 0 {
            self.tell(format!(
                "{place} has {found} {part} lines, {wrong} of them no result lines, and should have \
                 {expected}"
            ));
        }
        Ok(())
    }

    /// An ended batch has every line once, and counts what its segments do.
    fn whole(&mut self, batch: &Batch) {
        let (done, counted, total) = (self.done.len(), batch.tally.ended(), batch.total());
        let is_over = batch.state.results().is_some();
        if is_over && (done != total || counted != total || self.ended != total) {
            let ended = self.ended;
            self.tell(format!(
                "the batch has {total} lines and counts {counted}; recorded are {ended}, {done} of \
                 them different"
            ));
        }
    }
}
