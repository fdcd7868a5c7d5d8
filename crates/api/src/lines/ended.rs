//! A line that has ended, and where its result line lies.

use bytes::Bytes;
use overnight_core::plan::IndexEntry;
use overnight_core::segment::{BlobKey, Extent, ResultFile};

use super::HEAD_BYTES;
use crate::api::Api;
use crate::errors::ApiError;

/// What an index knows of one line.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The physical number of the input line.
    pub(crate) line: u32,
    /// The result file that has the line.
    pub(crate) file: ResultFile,
    /// The status of the answer; `None` when there was none.
    pub(crate) status: Option<u16>,
    /// What it took; `None` when the index was lost.
    pub(crate) cost: Option<Cost>,
    /// Its result line; `None` when the result file was deleted.
    pub(crate) place: Option<Place>,
}

/// What a line took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) attempts: u16,
    pub(crate) milliseconds: u32,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// Where a result line lies.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    blob: BlobKey,
    /// Its first byte in the extent of its segment.
    pub(super) at: u64,
    /// The first byte of that extent in the blob.
    base: u64,
    /// With its line end.
    pub(crate) length: u64,
    /// The checksum of those bytes; 0 when it is not known.
    crc32c: u32,
}

/// Which result files a client does not see any more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) output: bool,
    pub(crate) error: bool,
}

impl Hidden {
    /// Whether the client does not see that file.
    pub(crate) const fn is(self, file: ResultFile) -> bool {
        match file {
            ResultFile::Output => self.output,
            ResultFile::Error => self.error,
        }
    }
}

impl Ended {
    /// A line of an index, whose result line is that far in its segment's extent.
    pub(super) fn indexed(entry: &IndexEntry, at: u64, extent: Option<&Extent>) -> Self {
        Self {
            line: entry.line,
            file: entry.file,
            status: (entry.status != 0).then_some(entry.status),
            cost: Some(Cost {
                attempts: entry.attempts,
                milliseconds: entry.milliseconds,
                input_tokens: entry.input_tokens,
                output_tokens: entry.output_tokens,
            }),
            place: extent.map(|extent| Place::new(extent, at, entry.length.into(), entry.crc32c)),
        }
    }

    /// Where its result line begins in the extent of its segment.
    pub(super) fn at(&self) -> u64 {
        self.place.as_ref().map_or(0, |place| place.at)
    }

    /// Whether its result line begins before that byte of the extent.
    pub(super) fn is_before(&self, at: u64) -> bool {
        self.at() < at
    }

    /// The bytes of its result line with its line end, if they are there and no more than `max`.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are not those that were written.
    pub(crate) async fn read(&self, api: &Api, max: u64) -> Result<Option<Bytes>, ApiError> {
        match &self.place {
            Some(place) if place.length <= max => place.read(api).await.map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// The first bytes of its result line, if it is there. Those of a damaged line are not.
    pub(crate) async fn head(&self, api: &Api) -> Option<Bytes> {
        let place = self.place.as_ref()?;
        let read = if place.length <= HEAD_BYTES as u64 {
            place.read(api).await
        } else {
            place.read_part(api, HEAD_BYTES as u64).await
        };
        read.inspect_err(|error| {
            let line = self.line;
            tracing::warn!(line.no = line, ?error, "a result line could not be read");
        })
        .ok()
    }
}

impl Place {
    pub(super) fn new(extent: &Extent, at: u64, length: u64, crc32c: u32) -> Self {
        Self {
            blob: extent.blob.clone(),
            at,
            base: extent.offset,
            length,
            crc32c,
        }
    }

    async fn read(&self, api: &Api) -> Result<Bytes, ApiError> {
        let bytes = self.read_part(api, self.length).await?;
        if self.crc32c != 0 && crc32c::crc32c(&bytes) != self.crc32c {
            let text = format!("a result line in {} is not what was written", self.blob);
            return Err(ApiError::internal(std::io::Error::other(text)));
        }
        Ok(bytes)
    }

    async fn read_part(&self, api: &Api, length: u64) -> Result<Bytes, ApiError> {
        let start = self.base + self.at;
        Ok(api.blobs.read(&self.blob, start..start + length).await?)
    }
}
