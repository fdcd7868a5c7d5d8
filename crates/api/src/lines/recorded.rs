//! The recorded segments of a batch, and the lines that they end.
//!
//! An index may be lost, and one that was merged may lack the lines of a lost one. Then its lines
//! are found by reading the segment's result lines, and the input lines with their `custom_id`s.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use overnight_core::batch::Batch;
use overnight_core::failure::Failure;
use overnight_core::outcome::read_head;
use overnight_core::plan::IndexEntry;
use overnight_core::segment::{Extent, LineSet, ResultFile, Segment};
use overnight_store::BlobError;

use super::ended::{Ended, Hidden, Place};
use super::heads::HeadReader;
use super::input::{InputLines, custom_id_of, decoded, input_of};
use crate::api::Api;
use crate::errors::ApiError;

/// How many segments are asked for at once.
const SEGMENTS_A_PAGE: usize = 128;

/// Walks over the segments of a batch.
pub(crate) struct Recorded<'a> {
    api: &'a Arc<Api>,
    batch: &'a Batch,
    hidden: Hidden,
    page: VecDeque<Segment>,
    after: Option<(u64, u64)>,
    is_last: bool,
    /// Every line of the segments so far.
    seen: LineSet,
    /// The lines of the present segment that an earlier one had: segments are merged while they are
    /// read, and one may be met again as a part of another.
    again: LineSet,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(api: &'a Arc<Api>, batch: &'a Batch, hidden: Hidden) -> Self {
        Self {
            api,
            batch,
            hidden,
            page: VecDeque::new(),
            after: None,
            is_last: false,
            seen: LineSet::new(),
            again: LineSet::new(),
        }
    }

    /// The next segment that ends a line that none before it has ended.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Segment>, ApiError> {
        loop {
            if let Some(segment) = self.page.pop_front() {
                self.again = if self.seen.is_disjoint(&segment.lines) {
                    LineSet::new()
                } else {
                    self.seen.clone()
                };
                let before = self.seen.len();
                self.seen.union_with(&segment.lines);
                if self.seen.len() > before {
                    return Ok(Some(segment));
                }
                continue;
            }
            if self.is_last {
                return Ok(None);
            }
            let asked = self
                .api
                .store
                .segments(&self.batch.id, self.after, SEGMENTS_A_PAGE);
            let page = asked.await.map_err(ApiError::store)?;
            self.is_last = page.len() < SEGMENTS_A_PAGE;
            if let Some(last) = page.last() {
                self.after = Some((last.epoch, last.seq));
            }
            self.page = page.into();
        }
    }

    /// Every line of the segments so far.
    pub(crate) const fn seen(&self) -> &LineSet {
        &self.seen
    }

    /// The lines of the segment that [`Self::next`] answered last, but for those that were there
    /// before, in the order of their result lines in each file.
    ///
    /// # Errors
    ///
    /// What must be read for them cannot be read.
    pub(crate) async fn lines(&self, segment: &Segment) -> Result<Vec<Ended>, ApiError> {
        let mut lines = match self.indexed(segment).await? {
            Some(lines) => lines,
            None => self.recovered(segment).await?,
        };
        lines.retain(|ended| !self.again.contains(ended.line));
        Ok(lines)
    }

    /// Reads the error lines of that segment, each with its line as far as that is known, and leaves
    /// out those that were there before.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub(crate) async fn failures(
        &self,
        segment: &Segment,
    ) -> Result<Vec<(Option<Ended>, Failure)>, ApiError> {
        let Some(extent) = self.visible(segment, ResultFile::Error) else {
            return Ok(Vec::new());
        };
        let lines = self.lines(segment).await?;
        let mut failures = Vec::new();
        let mut known = lines.into_iter().peekable();
        let mut heads = HeadReader::new(self.api, extent);
        while let Some(heads) = heads.next(self.api).await? {
            for head in heads {
                let mut line = None;
                while let Some(ended) = known.next_if(|ended| ended.is_before(head.at + 1)) {
                    if ended.file == ResultFile::Error && !ended.is_before(head.at) {
                        line = Some(ended);
                    }
                }
                // Without a line: its number is not known, or it was there before.
                if line.is_some() || self.again.is_empty() {
                    failures.push((line, Failure::read(&head.bytes)));
                }
            }
        }
        Ok(failures)
    }

    /// What the segment's index says; `None` when it is lost or not whole.
    async fn indexed(&self, segment: &Segment) -> Result<Option<Vec<Ended>>, ApiError> {
        let Some(index) = &segment.index else {
            return Ok(None);
        };
        let bytes = match self.api.blobs.read_extent(index).await {
            Ok(bytes) => bytes,
            Err(BlobError::NotFound(_) | BlobError::Corrupt(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let entries = bytes.chunks_exact(IndexEntry::SIZE);
        let entries: Option<Vec<IndexEntry>> = entries.map(IndexEntry::decode).collect();
        let entries = entries.unwrap_or_default();
        let named: LineSet = entries.iter().map(|entry| entry.line).collect();
        if named != segment.lines {
            return Ok(None);
        }
        // The extents hold these lines and no others, so the first of a file begins its extent.
        let start = |file| {
            let of_file = entries.iter().filter(|entry| entry.file == file);
            of_file.map(|entry| entry.offset).min().unwrap_or(0)
        };
        let (output, error) = (start(ResultFile::Output), start(ResultFile::Error));
        let ended = |entry: &IndexEntry| {
            let start = match entry.file {
                ResultFile::Output => output,
                ResultFile::Error => error,
            };
            let at = entry.offset.saturating_sub(start);
            Ended::indexed(entry, at, self.visible(segment, entry.file))
        };
        let mut lines: Vec<Ended> = entries.iter().map(ended).collect();
        lines.sort_by_key(Ended::at);
        Ok(Some(lines))
    }

    /// The extent of a file that the client may see.
    fn visible<'s>(&self, segment: &'s Segment, file: ResultFile) -> Option<&'s Extent> {
        segment.extent(file).filter(|_| !self.hidden.is(file))
    }

    /// The lines of a segment whose index is lost, as far as their `custom_id` tells which they are.
    async fn recovered(&self, segment: &Segment) -> Result<Vec<Ended>, ApiError> {
        let mut by_id: HashMap<Vec<u8>, Ended> = HashMap::new();
        for file in [ResultFile::Output, ResultFile::Error] {
            let Some(extent) = self.visible(segment, file) else {
                continue;
            };
            let mut heads = HeadReader::new(self.api, extent);
            while let Some(heads) = heads.next(self.api).await? {
                for head in heads {
                    let read = read_head(&head.bytes);
                    let Some((read, id)) = read.and_then(|read| Some((read, read.custom_id?)))
                    else {
                        continue;
                    };
                    let ended = Ended {
                        line: 0,
                        file,
                        status: read.status,
                        cost: None,
                        place: Some(Place::new(extent, head.at, head.length, 0)),
                    };
                    by_id.insert(decoded(id), ended);
                }
            }
        }
        self.numbered(segment, by_id).await
    }

    /// Finds the numbers of lines by their `custom_id`s.
    async fn numbered(
        &self,
        segment: &Segment,
        mut by_id: HashMap<Vec<u8>, Ended>,
    ) -> Result<Vec<Ended>, ApiError> {
        let mut lines = Vec::with_capacity(by_id.len());
        let Some(input) = input_of(self.api, self.batch).await? else {
            return Ok(lines);
        };
        let mut input = InputLines::new(self.api, &input);
        while !by_id.is_empty()
            && let Some(piece) = input.next().await?
        {
            for (line, bytes) in piece.lines() {
                if segment.lines.contains(line)
                    && let Some(id) = custom_id_of(bytes)
                    && let Some(ended) = by_id.remove(&id)
                {
                    lines.push(Ended { line, ..ended });
                }
            }
        }
        lines.sort_by_key(Ended::at);
        Ok(lines)
    }
}
