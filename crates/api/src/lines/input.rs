//! The input lines of a batch, as they stand in its file.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use overnight_core::batch::Batch;
use overnight_core::input::{Line, LineSplitter};
use overnight_core::segment::{PlacedExtent, placed};
use overnight_store::StoreError;
use overnight_store::blobs::ExtentReader;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::content::found_damage;
use crate::errors::ApiError;

/// Where the input file of a batch lies.
pub(crate) struct InputFile {
    /// Its name.
    pub(crate) filename: String,
    pub(crate) extents: Vec<PlacedExtent>,
}

impl InputFile {
    /// Those bytes of the file, in one go; callers bound the range.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub(super) async fn read(&self, api: &Arc<Api>, range: Range<u64>) -> Result<Bytes, ApiError> {
        let extents = self.extents.clone();
        // Only lines are read that have a checksum of their own, or that nobody relies on.
        let mut reader =
            ExtentReader::new(api.blobs.clone(), extents, range.clone()).without_comparing_parts();
        let mut bytes = BytesMut::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

/// The input file of the batch; `None` when it was deleted, or has expired.
///
/// # Errors
///
/// The store does not answer.
pub(crate) async fn input_of(api: &Api, batch: &Batch) -> Result<Option<InputFile>, ApiError> {
    match api.store.input(&batch.id, api.clock.now()).await {
        Ok(input) if !input.deleted => Ok(Some(InputFile {
            filename: input.file.filename,
            extents: placed(&input.extents),
        })),
        Ok(_) | Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(ApiError::store(error)),
    }
}

/// Reads an input file piece by piece.
pub(crate) struct InputLines {
    api: Arc<Api>,
    reader: ExtentReader,
    /// `None` behind the last line.
    splitter: Option<LineSplitter>,
}

/// Lines that lie one behind the other, blank ones left out.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    /// The number of each line, and where it ends in the bytes.
    lines: Vec<(u32, usize)>,
}

impl Piece {
    /// The lines, each with its number.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let starts = std::iter::once(0).chain(self.lines.iter().map(|(_, end)| *end));
        let lines = starts.zip(&self.lines);
        lines.map(|(start, (line, end))| (*line, self.bytes.get(start..*end).unwrap_or_default()))
    }

    fn push(&mut self, line: Line<'_>) {
        if let (Ok(number), Ok(bytes)) = (u32::try_from(line.no), line.bytes) {
            self.bytes.extend_from_slice(bytes);
            self.lines.push((number, self.bytes.len()));
        }
    }
}

impl InputLines {
    pub(crate) fn new(api: &Arc<Api>, input: &InputFile) -> Self {
        let length = input
            .extents
            .last()
            .map_or(0, |last| last.at.saturating_add(last.extent.length));
        let extents = input.extents.clone();
        Self {
            api: Arc::clone(api),
            reader: ExtentReader::new(api.blobs.clone(), extents, 0..length),
            splitter: Some(LineSplitter::new(api.settings.input_limits.line_bytes_max)),
        }
    }

    /// The lines that end in the next piece; `None` behind the last. One that is longer than the
    /// setting allows is passed over.
    ///
    /// # Errors
    ///
    /// It cannot be read; a damaged blob is put in quarantine.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, ApiError> {
        let read = self.reader.next().await;
        if let (Err(error), Some(extent)) = (&read, self.reader.damaged()) {
            found_damage(&self.api, extent, error).await;
        }
        let mut piece = Piece::default();
        match (read?, self.splitter.take()) {
            (Some(bytes), Some(mut splitter)) => {
                splitter.push(&bytes, |line| piece.push(line));
                self.splitter = Some(splitter);
            }
            (None, Some(splitter)) => splitter.finish(|line| piece.push(line)),
            (_, None) => return Ok(None),
        }
        Ok(Some(piece))
    }
}

/// The `custom_id` of an input line, decoded.
pub(crate) fn custom_id_of(line: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Keys<'a> {
        #[serde(borrow)]
        custom_id: &'a RawValue,
    }
    let keys: Keys<'_> = serde_json::from_slice(line).ok()?;
    Some(decoded(keys.custom_id.get()))
}

/// The text of a JSON token; one that is no well-formed text stands for itself.
pub(crate) fn decoded(token: &str) -> Vec<u8> {
    serde_json::from_str::<String>(token).map_or_else(|_| token.into(), String::into_bytes)
}
