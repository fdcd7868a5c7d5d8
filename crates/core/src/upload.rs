//! Uploads: files that come in parts.
//!
//! ```text
//! pending ──► completed | cancelled | expired
//! ```
//!
//! Parts come in any order and several at a time; only when the upload is completed does anybody
//! say which of them make the file, and how they follow one another. The file is the list of their
//! extents, so nothing is copied.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::file::{File, Purpose};
use crate::id::{FileId, PartId, ProjectId, UploadId};
use crate::segment::Extent;
use crate::time::Timestamp;

/// How many parts an upload may have.
pub const PARTS_MAX: u64 = 10_000;

/// How many bytes the parts of an upload may have besides twice what it declared: room for parts
/// that are sent again because an answer was lost.
const SPARE_BYTES: u64 = 1024 * 1024 * 1024;

/// A file that comes in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub project: ProjectId,
    /// What its file is for.
    pub purpose: Purpose,
    /// The base name of its file.
    pub filename: String,
    /// The size that its file will have, in bytes, as declared.
    pub bytes: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// Until when it may be completed.
    pub expires_at: Timestamp,
    /// How long after its creation the file is deleted by itself; never, when `None`.
    pub file_expires_after: Option<Duration>,
    /// How many parts have come. The store counts them.
    pub parts: u64,
    /// How many bytes those parts have together.
    pub part_bytes: u64,
    /// Where it is in its life, as far as somebody moved it.
    pub state: UploadState,
}

/// Where an upload is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Parts may come.
    Pending,
    /// It became a file.
    Completed {
        /// The file.
        file: FileId,
        /// When.
        at: Timestamp,
        /// The parts that make the file, in the order of their bytes.
        order: Vec<PartId>,
    },
    /// Somebody gave it up.
    Cancelled,
    /// Its time was over.
    Expired,
}

/// The word for where an upload is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadStatus {
    /// `pending`
    Pending,
    /// `completed`
    Completed,
    /// `cancelled`
    Cancelled,
    /// `expired`
    Expired,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPart {
    /// Its id.
    pub id: PartId,
    /// The upload that it is for.
    pub upload: UploadId,
    /// When it came.
    pub created_at: Timestamp,
    /// Its bytes.
    pub extent: Extent,
}

/// Why something cannot be done with an upload. The client's fault, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UploadRefusal {
    /// It is pending no more.
    #[error("the upload is {0}")]
    Closed(UploadStatus),
    /// It has [`PARTS_MAX`] parts already.
    #[error("the upload has {PARTS_MAX} parts")]
    TooManyParts,
    /// Its parts would have far more bytes than it declared.
    #[error("the parts of the upload have too many bytes")]
    TooManyBytes {
        /// How many they may have together.
        max: u64,
    },
    /// It has no such part.
    #[error("the upload has no part {0}")]
    UnknownPart(PartId),
    /// A part is named twice.
    #[error("part {0} is named twice")]
    RepeatedPart(PartId),
    /// The named parts do not have the bytes that were declared.
    #[error("the parts have {found} bytes, and {declared} were declared")]
    WrongSize {
        /// What the upload declared.
        declared: u64,
        /// What the parts have together.
        found: u64,
    },
}

impl Upload {
    /// Its status at that time: one that is still pending when its time is over has expired,
    /// whether somebody swept it or not.
    #[must_use]
    pub fn status(&self, at: Timestamp) -> UploadStatus {
        match &self.state {
            UploadState::Pending if self.expires_at <= at => UploadStatus::Expired,
            UploadState::Pending => UploadStatus::Pending,
            UploadState::Completed { .. } => UploadStatus::Completed,
            UploadState::Cancelled => UploadStatus::Cancelled,
            UploadState::Expired => UploadStatus::Expired,
        }
    }

    /// That it can still be added to, completed and cancelled.
    ///
    /// # Errors
    ///
    /// [`UploadRefusal::Closed`] otherwise.
    pub fn is_open(&self, at: Timestamp) -> Result<(), UploadRefusal> {
        match self.status(at) {
            UploadStatus::Pending => Ok(()),
            status
            @ (UploadStatus::Completed | UploadStatus::Cancelled | UploadStatus::Expired) => {
                Err(UploadRefusal::Closed(status))
            }
        }
    }

    /// Counts another part of that many bytes.
    ///
    /// # Errors
    ///
    /// [`UploadRefusal::Closed`], [`UploadRefusal::TooManyParts`] and
    /// [`UploadRefusal::TooManyBytes`]; nothing is counted then.
    pub fn add_part(&mut self, bytes: u64, at: Timestamp) -> Result<(), UploadRefusal> {
        self.is_open(at)?;
        if self.parts >= PARTS_MAX {
            return Err(UploadRefusal::TooManyParts);
        }
        let max = self.bytes.saturating_mul(2).saturating_add(SPARE_BYTES);
        let part_bytes = self.part_bytes.saturating_add(bytes);
        if part_bytes > max {
            return Err(UploadRefusal::TooManyBytes { max });
        }
        self.parts += 1;
        self.part_bytes = part_bytes;
        Ok(())
    }

    /// Gives it up. False when it was cancelled before.
    ///
    /// # Errors
    ///
    /// [`UploadRefusal::Closed`] when it was completed, or has expired.
    pub fn cancel(&mut self, at: Timestamp) -> Result<bool, UploadRefusal> {
        if self.state == UploadState::Cancelled {
            return Ok(false);
        }
        self.is_open(at)?;
        self.state = UploadState::Cancelled;
        Ok(true)
    }

    /// Makes it that file, of the named ones among its parts, and answers the file's extents.
    /// `None` when it was completed of the same parts before: then nothing changes, and the file is
    /// the one that it became at first.
    ///
    /// # Errors
    ///
    /// Every [`UploadRefusal`] that is not about adding a part; nothing is changed then.
    pub fn complete(
        &mut self,
        order: &[PartId],
        parts: &[UploadPart],
        file: FileId,
        at: Timestamp,
    ) -> Result<Option<Vec<Extent>>, UploadRefusal> {
        if self.is_made_of(order) {
            return Ok(None);
        }
        let extents = self.extents(order, parts, at)?;
        self.state = UploadState::Completed {
            file,
            at,
            order: order.to_vec(),
        };
        Ok(Some(extents))
    }

    /// Whether it was completed of exactly these parts in this order.
    #[must_use]
    pub fn is_made_of(&self, parts: &[PartId]) -> bool {
        matches!(&self.state, UploadState::Completed { order, .. } if order == parts)
    }

    /// The extents that its file would have if it was completed at that time.
    ///
    /// # Errors
    ///
    /// As [`Self::complete`].
    pub fn extents(
        &self,
        order: &[PartId],
        parts: &[UploadPart],
        at: Timestamp,
    ) -> Result<Vec<Extent>, UploadRefusal> {
        self.is_open(at)?;
        let known: HashMap<&PartId, &Extent> =
            parts.iter().map(|part| (&part.id, &part.extent)).collect();
        let mut named = HashSet::with_capacity(order.len());
        let mut extents = Vec::with_capacity(order.len());
        let mut found: u64 = 0;
        for id in order {
            let extent = known
                .get(id)
                .ok_or_else(|| UploadRefusal::UnknownPart(id.clone()))?;
            if !named.insert(id) {
                return Err(UploadRefusal::RepeatedPart(id.clone()));
            }
            found = found.saturating_add(extent.length);
            extents.push((*extent).clone());
        }
        if found != self.bytes {
            return Err(UploadRefusal::WrongSize {
                declared: self.bytes,
                found,
            });
        }
        Ok(extents)
    }

    /// The file that it became, as it was then.
    #[must_use]
    pub fn file(&self) -> Option<File> {
        let UploadState::Completed { file, at, .. } = &self.state else {
            return None;
        };
        Some(File {
            id: file.clone(),
            project: self.project.clone(),
            purpose: self.purpose,
            filename: self.filename.clone(),
            bytes: self.bytes,
            created_at: *at,
            expires_at: self.file_expires_after.map(|after| at.plus(after)),
        })
    }
}

impl UploadStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Completed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The status of that word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl fmt::Display for UploadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn upload(bytes: u64) -> Upload {
        Upload {
            id: "upload_1".into(),
            project: ProjectId::default_project(),
            purpose: Purpose::Batch,
            filename: "in.jsonl".to_owned(),
            bytes,
            created_at: at(0),
            expires_at: at(60),
            file_expires_after: Some(Duration::from_hours(1)),
            parts: 0,
            part_bytes: 0,
            state: UploadState::Pending,
        }
    }

    fn part(id: &str, length: u64) -> UploadPart {
        UploadPart {
            id: id.into(),
            upload: "upload_1".into(),
            created_at: at(1),
            extent: Extent {
                blob: format!("files/{id}").into(),
                offset: 0,
                length,
                checksum: 7,
            },
        }
    }

    #[test]
    fn the_order_of_the_parts_is_that_of_the_completion() {
        let mut upload = upload(30);
        let parts = [part("a", 10), part("b", 20), part("unused", 5)];
        let order = ["b".into(), "a".into()];
        let extents = upload
            .complete(&order, &parts, "file-1".into(), at(5))
            .unwrap()
            .unwrap();
        assert_eq!(extents, [parts[1].extent.clone(), parts[0].extent.clone()]);
        let file = upload.file().unwrap();
        assert_eq!((file.bytes, file.created_at), (30, at(5)));
        assert_eq!(file.expires_at, Some(at(3605)));
        // The answer was lost, and the client asks again; the other file is never made.
        let again = upload.complete(&order, &[], "file-2".into(), at(500));
        assert_eq!(again, Ok(None));
        assert_eq!(upload.file(), Some(file));
        let other = upload.complete(&["a".into()], &parts, "file-2".into(), at(6));
        assert_eq!(other, Err(UploadRefusal::Closed(UploadStatus::Completed)));
    }

    #[test]
    fn parts_that_do_not_make_the_declared_file_are_refused() {
        let mut upload = upload(30);
        let parts = [part("a", 10), part("b", 20)];
        for (order, refusal) in [
            (
                vec!["a"],
                UploadRefusal::WrongSize {
                    declared: 30,
                    found: 10,
                },
            ),
            (
                vec![],
                UploadRefusal::WrongSize {
                    declared: 30,
                    found: 0,
                },
            ),
            (vec!["a", "a", "a"], UploadRefusal::RepeatedPart("a".into())),
            (vec!["a", "c"], UploadRefusal::UnknownPart("c".into())),
        ] {
            let order: Vec<PartId> = order.into_iter().map(PartId::from).collect();
            let refused = upload.complete(&order, &parts, "file-1".into(), at(5));
            assert_eq!(refused, Err(refusal));
            assert_eq!(upload.state, UploadState::Pending);
        }
    }

    #[test]
    fn an_upload_whose_time_is_over_has_expired() {
        let mut upload = upload(10);
        assert_eq!(upload.status(at(59)), UploadStatus::Pending);
        assert_eq!(upload.status(at(60)), UploadStatus::Expired);
        let closed = UploadRefusal::Closed(UploadStatus::Expired);
        assert_eq!(upload.add_part(1, at(60)), Err(closed.clone()));
        assert_eq!(upload.cancel(at(60)), Err(closed));
        assert_eq!(upload.cancel(at(59)), Ok(true));
        assert_eq!(upload.cancel(at(60)), Ok(false));
        assert_eq!(upload.status(at(60)), UploadStatus::Cancelled);
    }

    #[test]
    fn the_words_of_statuses_are_the_wires_and_are_read_back() {
        let words = UploadStatus::ALL.map(UploadStatus::as_str);
        assert_eq!(words, ["pending", "completed", "cancelled", "expired"]);
        for status in UploadStatus::ALL {
            assert_eq!(UploadStatus::parse(&status.to_string()), Some(status));
        }
        assert_eq!(UploadStatus::parse("done"), None);
    }

    #[test]
    fn parts_and_their_bytes_are_bounded() {
        let mut many = upload(10);
        for _ in 0..PARTS_MAX {
            many.add_part(1, at(1)).unwrap();
        }
        assert_eq!(many.add_part(1, at(1)), Err(UploadRefusal::TooManyParts));
        let mut large = upload(10);
        let max = 20 + (1 << 30);
        large.add_part(max, at(1)).unwrap();
        assert_eq!(
            large.add_part(1, at(1)),
            Err(UploadRefusal::TooManyBytes { max })
        );
        assert_eq!((large.parts, large.part_bytes), (1, max));
    }
}
