//! What each table's rows hold, in words of the domain; the names of tables and columns are the same
//! in every driver.

use overnight_core::batch::Batch;
use overnight_core::file::File;
use overnight_core::id::WorkerId;
use overnight_core::segment::Segment;
use overnight_core::time::Timestamp;

/// The place of a column among those that are asked for, told when this is compiled: to look for a name in
/// each row costs more than the rest of reading it.
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "it runs when this is compiled, and fails then"
)]
pub(crate) const fn place_in(columns: &str, name: &str) -> usize {
    let (columns, name) = (columns.as_bytes(), name.as_bytes());
    let (mut place, mut at) = (0, 0);
    while at < columns.len() {
        let mut length = 0;
        let mut is_it = true;
        while at + length < columns.len() && columns[at + length] != b',' {
            is_it = is_it && length < name.len() && columns[at + length] == name[length];
            length += 1;
        }
        if is_it && length == name.len() {
            return place;
        }
        place += 1;
        // Names are set apart by a comma and a space.
        at += length + 2;
    }
    panic!("there is no such column");
}

/// The columns of an extent in each table that has some: blob, start, length, checksum.
pub(crate) const OWN: [&str; 4] = ["blob", "start", "length", "checksum"];
pub(crate) const OUTPUT: [&str; 4] = [
    "output_blob",
    "output_start",
    "output_length",
    "output_checksum",
];
pub(crate) const ERROR: [&str; 4] = [
    "error_blob",
    "error_start",
    "error_length",
    "error_checksum",
];
pub(crate) const INDEX: [&str; 4] = [
    "index_blob",
    "index_start",
    "index_length",
    "index_checksum",
];

/// A batch's row: the batch, and what only the store knows of it.
#[derive(Debug)]
pub(crate) struct BatchRow {
    pub(crate) batch: Batch,
    pub(crate) epoch: u64,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) output_bytes: u64,
    pub(crate) error_bytes: u64,
    /// When a client deleted it: no client sees it since.
    pub(crate) deleted_at: Option<Timestamp>,
}

impl BatchRow {
    /// The columns that one is read from.
    pub(crate) const COLUMNS: &str = "id, project, spec, created_at, expires_at, status, ending, \
         errors, output_file, error_file, history, plan, revision, completed, failed, unrun, \
         input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens, epoch, \
         worker, output_bytes, error_bytes, \
         paused_at, parent, deleted_at";

    /// The place of a column among them.
    pub(crate) const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }
}

/// A file's row: the file, and what only the store knows of it.
#[derive(Debug)]
pub(crate) struct FileRow {
    pub(crate) file: File,
    pub(crate) deleted_at: Option<Timestamp>,
    /// The batch, when this is one of its result files, and which: `output` or `error`.
    pub(crate) results_of: Option<(String, String)>,
}

impl FileRow {
    /// The columns that one is read from.
    pub(crate) const COLUMNS: &str = "id, project, purpose, filename, bytes, created_at, \
         expires_at, deleted_at, results_of, part";

    /// The place of a column among them.
    pub(crate) const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }
}

/// The columns that an upload is read from.
pub(crate) const UPLOAD_COLUMNS: &str = "id, project, purpose, filename, bytes, created_at, \
         expires_at, file_expires_after, part_count, part_bytes, status, file, completed_at, \
         part_order";

/// The columns that an upload's part is read from.
pub(crate) const PART_COLUMNS: &str = "id, upload, created_at, blob, start, length, checksum";

/// A segment's row.
#[derive(Debug)]
pub(crate) struct SegmentRow {
    pub(crate) segment: Segment,
    /// Where its lines begin in the output file.
    pub(crate) output_at: Option<u64>,
    /// Where its lines begin in the error file.
    pub(crate) error_at: Option<u64>,
    /// The last of the segments that were merged into it.
    pub(crate) last: (u64, u64),
}

impl SegmentRow {
    /// The columns that one is read from.
    pub(crate) const COLUMNS: &str = "epoch, seq, last_epoch, last_seq, output_blob, \
         output_start, output_length, output_checksum, output_at, error_blob, error_start, \
         error_length, error_checksum, error_at, index_blob, index_start, index_length, \
         index_checksum, lines, completed, failed, unrun, input_tokens, cached_tokens, \
         output_tokens, reasoning_tokens, total_tokens";

    /// The place of a column among them.
    pub(crate) const fn place(name: &str) -> usize {
        place_in(Self::COLUMNS, name)
    }
}
