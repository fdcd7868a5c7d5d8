//! What must be true of the result lines of a batch.

use overnight_core::outcome::read_line;
use overnight_core::segment::{Extent, PlacedExtent, ResultFile};
use xxhash_rust::xxh3::xxh3_64;

use super::{Check, Checks, Finding};
use crate::blobs::{BlobError, ExtentReader};
use crate::sqlite::inspect::{BatchRecord, SegmentRecord};
use crate::store::Result;

/// What was read of one segment.
#[derive(Default)]
struct Seen {
    lines: u64,
    /// Lines that are no result lines.
    wrong: u64,
    /// Whether every extent was read to its end.
    is_whole: bool,
}

impl Checks<'_> {
    /// Each segment has a result line for each of its lines, and no line is there twice. Eight bytes
    /// of memory a line.
    pub(super) async fn results(
        &mut self,
        record: &BatchRecord,
        segments: &[SegmentRecord],
    ) -> Result<()> {
        let id = &record.batch.id;
        let mut ids = Vec::new();
        for SegmentRecord { segment, .. } in segments {
            let mut seen = Seen {
                is_whole: true,
                ..Seen::default()
            };
            let (tally, mut expected) = (segment.tally, 0);
            for (file, lines) in [
                (ResultFile::Output, tally.completed),
                (ResultFile::Error, tally.failed + tally.unrun),
            ] {
                let Some(extent) = segment.extent(file) else {
                    // A result file that was deleted has let go of its bytes.
                    let is_let_go = record.batch.state.results().is_some();
                    seen.is_whole &= is_let_go || lines == 0;
                    continue;
                };
                expected += lines;
                let holder = format!("{} lines of {id}", file.as_str());
                self.lines(extent, &holder, (&mut seen, &mut ids)).await?;
            }
            if let Some(index) = &segment.index {
                self.index(index, id.as_str()).await?;
            }
            if seen.is_whole && (seen.wrong > 0 || seen.lines != expected) {
                let problem = format!(
                    "segment {}/{} has {} lines, {} of them no result lines, and should have {expected}",
                    segment.epoch, segment.seq, seen.lines, seen.wrong
                );
                self.tell(Finding::new(Check::Results, id.as_str(), problem));
            }
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        let doubled = all - ids.len();
        if doubled > 0 {
            let problem = format!("{doubled} lines are in its results more than once");
            self.tell(Finding::new(Check::Results, id.as_str(), problem));
        }
        Ok(())
    }

    /// Reads the lines of an extent, and compares it with its checksum on the way.
    async fn lines(
        &mut self,
        extent: &Extent,
        holder: &str,
        (seen, ids): (&mut Seen, &mut Vec<u64>),
    ) -> Result<()> {
        if self.told.contains(&extent.blob) {
            seen.is_whole = false;
            return Ok(());
        }
        self.summary.bytes += extent.length;
        let placed = PlacedExtent {
            at: 0,
            extent: extent.clone(),
        };
        let mut reader = ExtentReader::new(self.blobs.clone(), vec![placed], 0..extent.length);
        let mut begun = Vec::new();
        let mut take = |line: &[u8]| {
            seen.lines += 1;
            match read_line(line) {
                Some(read) => ids.extend(read.custom_id.map(|id| xxh3_64(id.as_bytes()))),
                None => seen.wrong += 1,
            }
        };
        let checked: std::result::Result<(), BlobError> = loop {
            let piece = match reader.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            for part in piece.split_inclusive(|byte| *byte == b'\n') {
                match part.strip_suffix(b"\n") {
                    Some(line) if begun.is_empty() => take(line),
                    Some(line) => {
                        begun.extend_from_slice(line);
                        take(&std::mem::take(&mut begun));
                    }
                    None => begun.extend_from_slice(part),
                }
            }
        };
        if !begun.is_empty() && checked.is_ok() {
            // What is behind the last line end is no line.
            take(&[]);
        }
        seen.is_whole &= checked.is_ok();
        self.compared(extent, holder, checked)
    }
}
