//! Sends files, streamed from the disk: small ones in one request, large ones in parts.

use std::io::{self, SeekFrom};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::wire::{File, Told};
use super::{Client, body};

/// Files from this size on are sent in parts, so that a cut costs one part.
const PARTS_FROM_BYTES: u64 = 256 << 20;

/// The size of a part.
const PART_BYTES: u64 = 32 << 20;

/// How often a part is sent at most.
const PART_TRIES_MAX: u32 = 5;

/// How much is read of the disk at a time.
const READ_BYTES: usize = 256 << 10;

/// What kind of bytes a file of lines has.
const LINES: &str = "application/jsonl";

/// A file that is to be sent.
pub(crate) struct Sending<'a> {
    /// Where it lies.
    pub(crate) path: &'a Path,
    /// What it is called at the server.
    pub(crate) name: String,
    /// What it is for, such as `batch`.
    pub(crate) purpose: &'a str,
    /// Divides the parts of the forms: random, so that it stands nowhere in the file.
    pub(crate) boundary: String,
    /// Shows how many bytes were sent.
    pub(crate) bar: ProgressBar,
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    offset: u64,
    length: u64,
}

#[derive(Serialize)]
struct NewUpload<'a> {
    filename: &'a str,
    purpose: &'a str,
    bytes: u64,
    mime_type: &'a str,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Serialize)]
struct Complete {
    part_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Completed {
    file: Told<File>,
}

impl Client {
    /// Sends a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or the server does not take it.
    pub(crate) async fn upload(&self, sending: &Sending<'_>) -> anyhow::Result<Told<File>> {
        let cannot = || format!("{} cannot be read", sending.path.display());
        let there = tokio::fs::metadata(sending.path)
            .await
            .with_context(cannot)?;
        let length = there.len();
        sending.bar.set_length(length);
        if length >= PARTS_FROM_BYTES {
            return self.upload_in_parts(sending, length).await;
        }
        let fields = format!(
            "{}\r\n{}\r\n{}; filename=\"{}\"\r\nContent-Type: {LINES}\r\n\r\n",
            field(&sending.boundary, "purpose") + "\r\n",
            sending.purpose,
            field(&sending.boundary, "file"),
            escaped(&sending.name),
        );
        let whole = Stretch { offset: 0, length };
        self.send_form("/v1/files", sending, fields, whole).await
    }

    async fn upload_in_parts(
        &self,
        sending: &Sending<'_>,
        length: u64,
    ) -> anyhow::Result<Told<File>> {
        let new = NewUpload {
            filename: &sending.name,
            purpose: sending.purpose,
            bytes: length,
            mime_type: LINES,
        };
        let upload: Named = self
            .post_once("/v1/uploads", &new, &sending.boundary)
            .await?;
        let id = upload.id;
        let mut part_ids = Vec::new();
        let mut offset = 0;
        while offset < length {
            let stretch = Stretch {
                offset,
                length: PART_BYTES.min(length - offset),
            };
            part_ids.push(self.send_part(sending, &id, stretch).await?);
            offset += stretch.length;
        }
        let path = format!("/v1/uploads/{id}/complete");
        let completed: Completed = self.post(&path, &Complete { part_ids }).await?;
        Ok(completed.file)
    }

    /// Sends a part, and again when it was lost on the way: one that is not named at the end is dropped.
    async fn send_part(
        &self,
        sending: &Sending<'_>,
        upload: &str,
        stretch: Stretch,
    ) -> anyhow::Result<String> {
        let path = format!("/v1/uploads/{upload}/parts");
        let mut tries = 0;
        loop {
            tries += 1;
            sending.bar.set_position(stretch.offset);
            let fields = format!(
                "{}; filename=\"part\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                field(&sending.boundary, "data")
            );
            let sent: anyhow::Result<Named> = self.send_form(&path, sending, fields, stretch).await;
            match sent {
                Ok(part) => return Ok(part.id),
                Err(error) if tries < PART_TRIES_MAX && is_absence(&error) => {
                    tokio::time::sleep(super::WAIT_MAX / 10 * tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a form that ends in a stretch of the file.
    async fn send_form<T: DeserializeOwned>(
        &self,
        path: &str,
        sending: &Sending<'_>,
        fields: String,
        stretch: Stretch,
    ) -> anyhow::Result<T> {
        let end = format!("\r\n--{}--\r\n", sending.boundary);
        let total = fields.len() as u64 + stretch.length + end.len() as u64;
        let form = format!("multipart/form-data; boundary={}", sending.boundary);
        let headers: [(HeaderName, HeaderValue); 2] = [
            (CONTENT_TYPE, HeaderValue::from_str(&form)?),
            (CONTENT_LENGTH, HeaderValue::from(total)),
        ];
        let file = read(sending, stretch).await?;
        let ends = |text: String| stream::once(async move { Ok(Bytes::from(text)) });
        let pieces = ends(fields).chain(file).chain(ends(end));
        let body = body::streamed(pieces);
        let response = self.send((Method::POST, path), &headers, body).await?;
        let answer = self.collect(path, response).await?;
        Ok(serde_json::from_slice(&answer).map_err(|error| self.odd(path, &error))?)
    }
}

fn is_absence(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<super::errors::ClientError>()
        .is_some_and(super::errors::ClientError::is_absence)
}

/// The head of a field of a form, but for its last line end.
fn field(boundary: &str, name: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"")
}

/// A file's name as it may stand in a form.
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Reads a stretch of the file while it is sent.
async fn read(
    sending: &Sending<'_>,
    stretch: Stretch,
) -> anyhow::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let cannot = || format!("{} cannot be read", sending.path.display());
    let mut file = tokio::fs::File::open(sending.path)
        .await
        .with_context(cannot)?;
    file.seek(SeekFrom::Start(stretch.offset))
        .await
        .with_context(cannot)?;
    let bar = sending.bar.clone();
    let pieces = ReaderStream::with_capacity(file.take(stretch.length), READ_BYTES);
    Ok(pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            bar.inc(piece.len() as u64);
        }
    }))
}
