//! A database as it lies there, for whoever checks or copies it: nothing is changed, and every row
//! is read by itself, so that an unreadable one hides no other.

use std::fmt;
use std::path::Path;

use overnight_core::batch::Batch;
use overnight_core::file::File;
use overnight_core::id::{BatchId, FileId, UploadId};
use overnight_core::segment::{BlobKey, Extent, Segment};
use overnight_core::upload::{Upload, UploadPart, UploadState};
use rusqlite::{Connection, OpenFlags, Params};

use super::row::{all, extent_if_any, one, segment, text, text_if_any};
use super::{
    BUSY_TIMEOUT, batches, files, garbage, migrate, prepare_for_verbs, quarantine, uploads,
};
use crate::rows::{BatchRow, ERROR, FileRow, INDEX, OUTPUT, OWN, SegmentRow};
use crate::store::{Quarantined, Result, StoreError};

/// How many contradictions SQLite is asked for: a damaged file has more than anybody reads.
const CONTRADICTIONS_MAX: usize = 100;

/// A database that is only read.
pub struct Inspector {
    db: Connection,
}

/// A batch's row, with what only the store knows of it.
#[derive(Debug)]
pub struct BatchRecord {
    /// The batch.
    pub batch: Batch,
    /// How often it was claimed.
    pub epoch: u64,
    /// How many bytes its output file has, as far as segments are recorded.
    pub output_bytes: u64,
    /// How many bytes its error file has.
    pub error_bytes: u64,
    /// The blob of its plan, for as long as it needs one.
    pub plan_blob: Option<BlobKey>,
    /// How many of its result files are said to be kept.
    pub result_files: u64,
}

/// A segment's row, with what only the store knows of it.
#[derive(Debug)]
pub struct SegmentRecord {
    /// The segment.
    pub segment: Segment,
    /// Where its lines begin in the output file.
    pub output_at: Option<u64>,
    /// Where its lines begin in the error file.
    pub error_at: Option<u64>,
}

/// A file's row and what it is made of.
#[derive(Debug)]
pub struct FileRecord {
    /// The file.
    pub file: File,
    /// Whether nobody sees it any more.
    pub is_deleted: bool,
    /// The batch whose result file it is; it has no extents of its own then.
    pub results_of: Option<BatchId>,
    /// The extents, each behind the offset in the file where its row says that it begins.
    pub extents: Vec<(u64, Extent)>,
}

/// A run of bytes that a row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedExtent {
    /// The bytes.
    pub extent: Extent,
    /// Whether look-ups alone need it, so that nobody misses it.
    pub is_index: bool,
}

impl Inspector {
    /// Opens the database in that file, which must be there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when the file is no database, [`StoreError::Unavailable`] when it
    /// cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        prepare_for_verbs(&db)?;
        Ok(Self { db })
    }

    /// The version of its schema, when that is another one than this program's.
    ///
    /// # Errors
    ///
    /// As every question here: [`StoreError::Corrupt`] when what is asked for cannot be read.
    pub fn other_version(&self) -> Result<Option<usize>> {
        let taken = migrate::version(&self.db)?;
        Ok((taken != migrate::NEWEST).then_some(taken))
    }

    /// What SQLite finds wrong with the file: nothing, when it is sound.
    ///
    /// # Errors
    ///
    /// The file is too damaged to be looked at.
    pub fn contradictions(&self) -> Result<Vec<String>> {
        let sql = format!("PRAGMA integrity_check({CONTRADICTIONS_MAX})");
        let mut found: Vec<String> = all(&self.db, &sql, [], |row| row.get(0))?;
        found.retain(|line| line != "ok");
        if found.is_empty() {
            found = all(&self.db, "PRAGMA foreign_key_check", [], |row| {
                let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
                Ok(format!(
                    "a row of {table} names a row of {parent} that is not there"
                ))
            })?;
            found.truncate(CONTRADICTIONS_MAX);
        }
        Ok(found)
    }

    /// Every batch.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn batches(&self) -> Result<Vec<BatchId>> {
        self.ids("SELECT id FROM batches ORDER BY id", [])
    }

    /// A batch.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn batch(&self, id: &BatchId) -> Result<BatchRecord> {
        let row = batches::find(&self.db, id)?.ok_or(StoreError::NotFound)?;
        let BatchRow {
            batch,
            epoch,
            output_bytes,
            error_bytes,
            ..
        } = row;
        let sql = "SELECT plan_blob, result_files FROM batches WHERE id = ?1";
        let rest = one(&self.db, sql, [id.as_str()], |row| {
            Ok((
                text_if_any::<BlobKey>(row, "plan_blob")?,
                row.get("result_files")?,
            ))
        })?;
        let (plan_blob, result_files) = rest.ok_or(StoreError::NotFound)?;
        Ok(BatchRecord {
            batch,
            epoch,
            output_bytes,
            error_bytes,
            plan_blob,
            result_files,
        })
    }

    /// The segments of a batch in the order of its result files.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn segments(&self, batch: &BatchId) -> Result<Vec<SegmentRecord>> {
        let columns = SegmentRow::COLUMNS;
        let sql = format!("SELECT {columns} FROM segments WHERE batch = ?1 ORDER BY epoch, seq");
        all(&self.db, &sql, [batch.as_str()], |row| {
            let row = segment(row)?;
            Ok(SegmentRecord {
                segment: row.segment,
                output_at: row.output_at,
                error_at: row.error_at,
            })
        })
    }

    /// Every file.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn files(&self) -> Result<Vec<FileId>> {
        self.ids("SELECT id FROM files ORDER BY id", [])
    }

    /// A file; `None` when there is no such row.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn file(&self, id: &FileId) -> Result<Option<FileRecord>> {
        let Some(row) = files::find(&self.db, id)? else {
            return Ok(None);
        };
        let FileRow {
            file,
            deleted_at,
            results_of,
        } = row;
        let sql = "SELECT at, blob, start, length, checksum FROM extents \
             WHERE file = ?1 ORDER BY at, place";
        let extents = all(&self.db, sql, [id.as_str()], |row| {
            Ok((row.get("at")?, extent_if_any(row, OWN)?))
        })?;
        let extents = extents.into_iter();
        Ok(Some(FileRecord {
            file,
            is_deleted: deleted_at.is_some(),
            results_of: results_of.map(|(batch, _)| BatchId::from(batch)),
            extents: extents
                .filter_map(|(at, extent)| Some((at, extent?)))
                .collect(),
        }))
    }

    /// The uploads that still wait for parts, with the parts that came.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn uploads(&self) -> Result<Vec<(Upload, Vec<UploadPart>)>> {
        let sql = "SELECT id FROM uploads WHERE status = 'pending' ORDER BY id";
        let ids: Vec<UploadId> = self.ids(sql, [])?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(upload) = uploads::find(&self.db, &id)? else {
                continue;
            };
            debug_assert_eq!(upload.state, UploadState::Pending);
            found.push((upload, uploads::parts_of(&self.db, &id)?));
        }
        Ok(found)
    }

    /// Every run of bytes that a row names, blob by blob. Some 200 bytes of memory each.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn named(&self) -> Result<Vec<NamedExtent>> {
        let mut found = Vec::new();
        let mut add = |table: &str, columns: [&str; 4]| -> Result<()> {
            let [blob, start, length, checksum] = columns;
            let sql = format!(
                "SELECT {blob}, {start}, {length}, {checksum} FROM {table} \
                 WHERE {blob} IS NOT NULL"
            );
            let extents = all(&self.db, &sql, [], |row| extent_if_any(row, columns))?;
            let is_index = columns == INDEX;
            let extents = extents.into_iter().flatten();
            found.extend(extents.map(|extent| NamedExtent { extent, is_index }));
            Ok(())
        };
        add("extents", OWN)?;
        add("upload_parts", OWN)?;
        for part in [OUTPUT, ERROR, INDEX] {
            add("segments", part)?;
        }
        let sql = "SELECT id FROM batches WHERE plan_blob IS NOT NULL";
        let planned: Vec<BatchId> = self.ids(sql, [])?;
        for id in planned {
            let batch = batches::find(&self.db, &id)?;
            let plan = batch.and_then(|row| row.batch.plan);
            found.extend(plan.map(|plan| NamedExtent {
                extent: plan.entries,
                is_index: false,
            }));
        }
        found.sort_by(|one, other| {
            let key = |named: &NamedExtent| (named.extent.blob.clone(), named.extent.offset);
            key(one).cmp(&key(other))
        });
        Ok(found)
    }

    /// Whether anything is known of a blob: a row names it, it waits to be deleted, or it is in
    /// quarantine.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn knows(&self, blob: &BlobKey) -> Result<bool> {
        Ok(garbage::is_named(&self.db, blob)?
            || garbage::is_garbage(&self.db, blob)?
            || quarantine::is_in(&self.db, blob)?)
    }

    /// Whether nothing names a blob, and nobody will: what a run that goes on has just written is
    /// none.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn is_leftover(&self, blob: &BlobKey) -> Result<bool> {
        let leftovers = garbage::unnamed(&self.db, std::slice::from_ref(blob))?;
        Ok(!leftovers.is_empty())
    }

    /// The blobs in quarantine.
    ///
    /// # Errors
    ///
    /// As [`Self::other_version`].
    pub fn quarantined(&self) -> Result<Vec<Quarantined>> {
        quarantine::list(&self.db, usize::MAX)
    }

    fn ids<T: From<String>>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        all(&self.db, sql, params, |row| text(row, "id"))
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}
