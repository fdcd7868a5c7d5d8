//! `multipart/form-data`, read as it comes: a piece of the body is held at a time, whatever it
//! says.
//!
//! ```text
//! preamble ──► delimiter ──► headers ──► part ──┐
//!                  ▲   └──► end                 │
//!                  └────────────────────────────┘
//! ```
//!
//! Written by hand because of its bounds: libraries keep everything that comes before the first
//! delimiter, or before the end of a part's headers, and that may be a whole upload.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::HeaderValue;
use memchr::memmem;
use thiserror::Error;
use tokio::time::Instant;

use super::disposition::Parameters;

/// How many bytes the headers of a part may have.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// How many bytes may be passed over in a form: a preamble, and parts that nobody asked for.
const SKIPPED_BYTES_MAX: usize = 1024 * 1024;

/// How long a boundary may be; HTTP knows 70 bytes.
const BOUNDARY_BYTES_MAX: usize = 200;

/// How many parts a form may have.
const PARTS_MAX: usize = 64;

/// So many bytes must come before the client has been waited for for too long: whoever sends a byte
/// now and then would hold its place for days.
const PACE_BYTES: usize = 16 * 1024;

/// Why a form cannot be read.
#[derive(Debug, Error)]
pub(crate) enum FormError {
    /// The request is no form.
    #[error("the body must be multipart/form-data with a boundary")]
    NotAForm,
    /// The body ended, or the client went away, before the form did.
    #[error("the body ended before the form was complete")]
    CutShort(#[source] Option<axum::Error>),
    /// The client stopped sending, or all but did, without going away.
    #[error("the client sent nothing, or next to nothing, for too long")]
    Stalled,
    /// The body is not what a form looks like, or is beyond a limit of this reader.
    #[error("{0}")]
    Malformed(&'static str),
}

/// What stands before a part's bytes.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name of the form's field.
    pub(crate) name: String,
    /// The base name of the file, if it is one.
    pub(crate) filename: Option<String>,
}

/// A form that is being read.
#[derive(Debug)]
pub(crate) struct Form {
    body: BodyDataStream,
    pace: Pace,
    buffer: BytesMut,
    /// Two hyphens and the boundary, at the beginning of a line.
    delimiter: Vec<u8>,
    place: Place,
    parts: usize,
    skipped: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Inside of a part, or of the preamble, which is passed over like one.
    Part,
    Delimiter,
    End,
}

impl Form {
    /// Begins to read a body. On failure the body is given back.
    pub(crate) fn new(
        content_type: Option<&HeaderValue>,
        body: Body,
        idle_max: Duration,
    ) -> Result<Self, Body> {
        let Some(boundary) = content_type.and_then(boundary) else {
            return Err(body);
        };
        Ok(Self {
            body: body.into_data_stream(),
            pace: Pace {
                wait_max: idle_max,
                waited: Duration::ZERO,
                bytes: 0,
            },
            // The first delimiter may stand at the very beginning, with no end of a line before it.
            buffer: BytesMut::from("\r\n"),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            place: Place::Part,
            parts: 0,
            skipped: 0,
        })
    }

    /// The part behind the present one, whose unread bytes are passed over; `None` at the end.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Part>, FormError> {
        while let Some(bytes) = self.chunk().await? {
            self.skipped = self.skipped.saturating_add(bytes.len());
            if self.skipped > SKIPPED_BYTES_MAX {
                return Err(FormError::Malformed(
                    "the form has too much besides its file",
                ));
            }
        }
        if self.place == Place::End {
            return Ok(None);
        }
        let rest_of_line = self.until(b"\r\n").await?;
        if rest_of_line.starts_with(b"--") {
            self.place = Place::End;
            return Ok(None);
        }
        if !rest_of_line.trim_ascii().is_empty() {
            return Err(FormError::Malformed(
                "a boundary is followed by something else",
            ));
        }
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(FormError::Malformed("the form has too many parts"));
        }
        let part = self.headers().await?;
        self.place = Place::Part;
        Ok(Some(part))
    }

    /// The next bytes of the present part; `None` behind the last ones.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FormError> {
        while self.place == Place::Part {
            let found = memmem::find(&self.buffer, &self.delimiter);
            if found == Some(0) {
                self.buffer.advance(self.delimiter.len());
                self.place = Place::Delimiter;
                break;
            }
            let ready = found.unwrap_or_else(|| self.buffer.len() - self.begun_delimiter());
            if ready > 0 {
                return Ok(Some(self.buffer.split_to(ready).freeze()));
            }
            self.fill().await?;
        }
        Ok(None)
    }

    /// The present part as text of at most that many bytes.
    pub(crate) async fn text(&mut self, bytes_max: usize) -> Result<String, FormError> {
        let mut text = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            text.extend_from_slice(&bytes);
            if text.len() > bytes_max {
                return Err(FormError::Malformed("a field of the form is too long"));
            }
        }
        String::from_utf8(text).map_err(|_| FormError::Malformed("a field is not UTF-8"))
    }

    /// What of the body was not read.
    pub(crate) fn into_rest(self) -> BodyDataStream {
        self.body
    }

    async fn headers(&mut self) -> Result<Part, FormError> {
        let mut disposition = None;
        let mut length = 0;
        loop {
            let line = self.until(b"\r\n").await?;
            length += line.len();
            if length > HEADERS_BYTES_MAX {
                return Err(FormError::Malformed("the headers of a part are too long"));
            }
            if line.is_empty() {
                break;
            }
            let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            if name
                .trim_ascii()
                .eq_ignore_ascii_case(b"content-disposition")
            {
                disposition = Some(Parameters::parse(value.get(1..).unwrap_or_default()));
            }
        }
        let named = disposition.and_then(|disposition| {
            Some(Part {
                name: disposition.get("name")?,
                filename: disposition.filename(),
            })
        });
        named.ok_or(FormError::Malformed("a part of the form has no name"))
    }

    /// The bytes before an end, which is taken as well. The closing delimiter may be the last of
    /// the body, without an end of its line.
    async fn until(&mut self, end: &[u8]) -> Result<Bytes, FormError> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, end) {
                let bytes = self.buffer.split_to(at).freeze();
                self.buffer.advance(end.len());
                return Ok(bytes);
            }
            if self.place == Place::Delimiter && self.buffer.starts_with(b"--") {
                return Ok(self.buffer.split().freeze());
            }
            if self.buffer.len() > HEADERS_BYTES_MAX {
                return Err(FormError::Malformed("a line of the form is too long"));
            }
            self.fill().await?;
        }
    }

    /// How many bytes at the end of the buffer may be the beginning of a delimiter.
    fn begun_delimiter(&self) -> usize {
        let longest = self.buffer.len().min(self.delimiter.len() - 1);
        (1..=longest)
            .rev()
            .find(|length| {
                self.delimiter
                    .get(..*length)
                    .is_some_and(|begun| self.buffer.ends_with(begun))
            })
            .unwrap_or(0)
    }

    async fn fill(&mut self) -> Result<(), FormError> {
        let began = Instant::now();
        let next = tokio::time::timeout(self.pace.left(), self.body.next()).await;
        match next.map_err(|_| FormError::Stalled)? {
            Some(Ok(bytes)) => {
                self.pace.moved(began.elapsed(), bytes.len());
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(error)) => Err(FormError::CutShort(Some(error))),
            None => Err(FormError::CutShort(None)),
        }
    }
}

/// How fast a form comes. Only the time in which the client is waited for counts.
#[derive(Debug)]
struct Pace {
    /// How long the next [`PACE_BYTES`] may take.
    wait_max: Duration,
    waited: Duration,
    bytes: usize,
}

impl Pace {
    const fn left(&self) -> Duration {
        self.wait_max.saturating_sub(self.waited)
    }

    const fn moved(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PACE_BYTES {
            self.waited = Duration::ZERO;
            self.bytes = 0;
        }
    }
}

fn boundary(content_type: &HeaderValue) -> Option<String> {
    let parameters = Parameters::parse(content_type.as_bytes());
    let boundary = parameters.get("boundary")?;
    let usable = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len());
    (usable && parameters.word == "multipart/form-data").then_some(boundary)
}

#[cfg(test)]
mod tests;
