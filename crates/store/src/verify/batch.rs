//! What must be true of a batch and its segments.

use overnight_core::batch::{State, Status, Tally};
use overnight_core::segment::{Extent, LineSet, ResultFile};
use overnight_core::usage::Usage;

use super::{Check, Checks, Finding};
use crate::sqlite::inspect::{BatchRecord, SegmentRecord};
use crate::store::Result;

/// What the segments of a batch sum up to.
#[derive(Default)]
struct Sums {
    lines: LineSet,
    tally: Tally,
    usage: Usage,
    output_bytes: u64,
    error_bytes: u64,
}

impl Checks<'_> {
    pub(super) async fn batches(&mut self) -> Result<()> {
        let ids = self.rows.batches();
        for id in self.read("the batches", ids)?.into_iter().flatten() {
            self.summary.batches += 1;
            let batch = self.rows.batch(&id);
            let segments = self.rows.segments(&id);
            let batch = self.read(id.as_str(), batch)?;
            let segments = self.read(id.as_str(), segments)?;
            let (Some(record), Some(segments)) = (batch, segments) else {
                continue;
            };
            let done = self.sums(&record, &segments);
            self.ended(&record, &done)?;
            self.input(&record)?;
            self.plan(&record, &done).await?;
            self.results(&record, &segments).await?;
        }
        Ok(())
    }

    /// Compares the row of a batch with its segments, and answers their lines.
    fn sums(&mut self, record: &BatchRecord, segments: &[SegmentRecord]) -> LineSet {
        let batch = &record.batch;
        let about = batch.id.as_str();
        let mut sums = Sums::default();
        for SegmentRecord {
            segment,
            output_at,
            error_at,
        } in segments
        {
            let place = format!("segment {}/{}", segment.epoch, segment.seq);
            if !sums.lines.is_disjoint(&segment.lines) {
                let problem = format!("{place} ends lines that an earlier one has ended");
                self.tell(Finding::new(Check::Lines, about, problem));
            }
            if segment.lines.len() != segment.tally.ended() {
                let problem = format!("{place} does not tally its lines");
                self.tell(Finding::new(Check::Lines, about, problem));
            }
            if segment.epoch > record.epoch {
                let problem = format!("{place} is newer than the batch's last claim");
                self.tell(Finding::new(Check::State, about, problem));
            }
            for (part, extent, at, sum) in [
                ("output", &segment.output, output_at, &mut sums.output_bytes),
                ("error", &segment.error, error_at, &mut sums.error_bytes),
            ] {
                let Some(Extent { length, .. }) = extent else {
                    continue;
                };
                if *at != Some(*sum) {
                    let problem = format!(
                        "{place} does not begin in the {part} file where the one before ends"
                    );
                    self.tell(Finding::new(Check::Positions, about, problem));
                }
                *sum += length;
            }
            sums.lines.union_with(&segment.lines);
            sums.tally += segment.tally;
            sums.usage += segment.usage;
        }
        self.compare(record, segments, &sums);
        sums.lines
    }

    fn compare(&mut self, record: &BatchRecord, segments: &[SegmentRecord], sums: &Sums) {
        let batch = &record.batch;
        let about = batch.id.as_str();
        if sums.tally != batch.tally {
            let problem = format!(
                "it counts {:?}, and its segments {:?}",
                batch.tally, sums.tally
            );
            self.tell(Finding::new(Check::Counts, about, problem));
        }
        if sums.usage != batch.usage {
            let problem = format!(
                "it counts {:?}, and its segments {:?}",
                batch.usage, sums.usage
            );
            self.tell(Finding::new(Check::Counts, about, problem));
        }
        for (file, counted, summed) in [
            (ResultFile::Output, record.output_bytes, sums.output_bytes),
            (ResultFile::Error, record.error_bytes, sums.error_bytes),
        ] {
            let is_kept = segments
                .iter()
                .any(|row| row.segment.extent(file).is_some());
            // A result file that was deleted has let go of its bytes.
            let is_let_go = !is_kept && batch.state.results().is_some();
            if counted != summed && !is_let_go {
                let name = file.as_str();
                let problem =
                    format!("its {name} file has {counted} bytes, and its segments {summed}");
                self.tell(Finding::new(Check::Counts, about, problem));
            }
        }
    }

    /// Every line of a batch that ended after validation is in its results, and its files are there.
    fn ended(&mut self, record: &BatchRecord, done: &LineSet) -> Result<()> {
        let batch = &record.batch;
        let about = batch.id.as_str();
        let Some(results) = batch.state.results() else {
            return Ok(());
        };
        let (total, done) = (batch.total(), done.len());
        if done != total {
            let problem = format!("it has {total} lines, and {done} of them are in its results");
            self.tell(Finding::new(Check::Conservation, about, problem));
        }
        let mut kept = 0;
        for (id, bytes) in [
            (&results.output_file, record.output_bytes),
            (&results.error_file, record.error_bytes),
        ] {
            let Some(id) = id else {
                if bytes > 0 {
                    let problem = format!("{bytes} bytes of its results are in no file");
                    self.tell(Finding::new(Check::State, about, problem));
                }
                continue;
            };
            let file = self.rows.file(id);
            let Some(Some(file)) = self.read(id.as_str(), file)? else {
                continue;
            };
            kept += 1;
            if file.file.bytes != bytes || file.results_of.as_ref() != Some(&batch.id) {
                let problem = format!("it does not hold the results of {}", batch.id);
                self.tell(Finding::new(Check::File, id.as_str(), problem));
            }
        }
        if kept != record.result_files {
            let said = record.result_files;
            let problem = format!("{said} of its result files are said to be kept, and {kept} are");
            self.tell(Finding::new(Check::State, about, problem));
        }
        Ok(())
    }

    /// An open batch has its input.
    fn input(&mut self, record: &BatchRecord) -> Result<()> {
        let batch = &record.batch;
        // Validation ends one without an input.
        if matches!(batch.state, State::Validating) || batch.state.status().is_terminal() {
            return Ok(());
        }
        let file = self.rows.file(&batch.spec.input_file);
        if let Some(None) = self.read(batch.spec.input_file.as_str(), file)? {
            let problem = format!("its input {} is not there", batch.spec.input_file);
            self.tell(Finding::new(Check::State, batch.id.as_str(), problem));
        }
        let needs_plan = matches!(
            batch.state.status(),
            Status::InProgress | Status::Finalizing
        );
        if needs_plan && record.plan_blob.is_none() {
            let problem = "it runs, and has no plan";
            self.tell(Finding::new(Check::State, batch.id.as_str(), problem));
        }
        Ok(())
    }
}
