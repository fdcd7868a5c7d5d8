//! Writes a plan while the input is read, in bounded memory whatever the number of models.

use std::sync::Arc;

use super::entry::PlanEntry;
use super::footer::{PlanFooter, Run};

/// A model's entries are written as a run when there are this many: 64,000 bytes, enough that
/// reading a run is worth a request to an object store.
const RUN_ENTRIES: usize = 1_600;

/// The most bytes of entries that wait for their run to fill, over all models. When they are more,
/// everything that waits is written, as shorter runs.
pub const BUFFERED_BYTES_MAX: usize = 1 << 20;

/// Groups entries by model and writes them as the plan blob, piece by piece.
#[derive(Debug, Default)]
pub struct PlanWriter {
    /// The encoded entries of each model that wait for their run.
    waiting: Vec<Vec<u8>>,
    /// Their bytes together.
    waiting_bytes: usize,
    runs: Vec<Run>,
    total: u64,
}

impl PlanWriter {
    /// A writer of an empty plan.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the entry of the next line, and appends to `blob` what is ready to be written.
    ///
    /// The caller may take the bytes out of `blob` between calls: offsets do not depend on it.
    pub fn push(&mut self, entry: &PlanEntry, blob: &mut Vec<u8>) {
        let model = entry.model as usize;
        if model >= self.waiting.len() {
            self.waiting.resize_with(model + 1, Vec::new);
        }
        let Some(waiting) = self.waiting.get_mut(model) else {
            return;
        };
        entry.encode(waiting);
        self.waiting_bytes += PlanEntry::SIZE;
        self.total += 1;
        if waiting.len() >= RUN_ENTRIES * PlanEntry::SIZE {
            self.write_run(entry.model, blob);
        } else if self.waiting_bytes > BUFFERED_BYTES_MAX {
            self.write_all(blob);
        }
    }

    /// Appends the rest of the blob: the last runs, the footer with these names of models, and the
    /// trailer.
    pub fn finish(mut self, models: Vec<Arc<str>>, blob: &mut Vec<u8>) {
        self.write_all(blob);
        PlanFooter {
            models,
            runs: self.runs,
            total: self.total,
        }
        .encode(blob);
    }

    fn write_all(&mut self, blob: &mut Vec<u8>) {
        for model in (0..).take(self.waiting.len()) {
            self.write_run(model, blob);
        }
    }

    /// Writes what waits of a model, and gives its memory back: a thousand models that each filled
    /// a run once must not keep a thousand full buffers.
    fn write_run(&mut self, model: u32, blob: &mut Vec<u8>) {
        let Some(waiting) = self.waiting.get_mut(model as usize) else {
            return;
        };
        if waiting.is_empty() {
            return;
        }
        let entries = std::mem::take(waiting);
        self.waiting_bytes -= entries.len();
        blob.extend_from_slice(&entries);
        let entries = u32::try_from(entries.len() / PlanEntry::SIZE).unwrap_or(u32::MAX);
        let offset = self.runs.last().map_or(0, Run::end);
        match self.runs.last_mut() {
            Some(last) if last.model == model && u32::MAX - last.entries >= entries => {
                last.entries += entries;
            }
            Some(_) | None => self.runs.push(Run {
                model,
                offset,
                entries,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PlanCorrupt, TRAILER_SIZE, tail_range};
    use super::*;

    fn entry(line: u32, model: u32) -> PlanEntry {
        PlanEntry {
            line,
            offset: u64::from(line) * 100,
            length: 99,
            crc32c: line ^ 0xffff,
            model,
            id_start: 1,
            id_len: 2,
            body_start: 3,
            body_len: 4,
        }
    }

    fn names(count: u32) -> Vec<Arc<str>> {
        (0..count)
            .map(|model| format!("model-{model}").into())
            .collect()
    }

    fn plan(models: u32, lines: u32) -> Vec<u8> {
        let mut writer = PlanWriter::new();
        let mut blob = Vec::new();
        for line in 0..lines {
            writer.push(&entry(line + 1, line % models), &mut blob);
            assert!(writer.waiting_bytes <= BUFFERED_BYTES_MAX);
        }
        writer.finish(names(models), &mut blob);
        blob
    }

    fn footer(blob: &[u8]) -> Result<PlanFooter, PlanCorrupt> {
        let trailer = &blob[blob.len() - TRAILER_SIZE..];
        let tail = tail_range(trailer, blob.len() as u64)?;
        PlanFooter::decode(&blob[usize::try_from(tail.start).unwrap()..])
    }

    fn lines_of(blob: &[u8], footer: &PlanFooter, model: u32) -> Vec<u32> {
        footer
            .runs_of(model)
            .flat_map(|run| {
                let range = run.range();
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                blob[start..end].chunks_exact(PlanEntry::SIZE)
            })
            .map(|bytes| PlanEntry::decode(bytes).unwrap())
            .inspect(|entry| assert_eq!(entry.model, model))
            .map(|entry| entry.line)
            .collect()
    }

    #[test]
    fn every_line_is_found_under_its_model_in_line_order() {
        for (models, lines) in [(1, 1), (1, 5_000), (3, 10_000), (7, 7), (30_000, 70_000)] {
            let blob = plan(models, lines);
            let footer = footer(&blob).unwrap();
            assert_eq!(footer.total, u64::from(lines));
            assert_eq!(footer.models, names(models));
            for model in 0..models.min(50) {
                let expected: Vec<u32> = (1..=lines)
                    .filter(|line| (line - 1) % models == model)
                    .collect();
                assert_eq!(lines_of(&blob, &footer, model), expected);
            }
        }
    }

    #[test]
    fn a_plan_of_one_model_is_one_run() {
        let blob = plan(1, 10_000);
        let runs = footer(&blob).unwrap().runs;
        assert_eq!(
            runs,
            [Run {
                model: 0,
                offset: 0,
                entries: 10_000
            }]
        );
    }

    /// After which entries something was written, and how many bytes.
    fn writes(models: u32, lines: u32) -> Vec<(u32, usize)> {
        let (mut writer, mut writes) = (PlanWriter::new(), Vec::new());
        for line in 1..=lines {
            let mut blob = Vec::new();
            writer.push(&entry(line, line % models), &mut blob);
            if !blob.is_empty() {
                writes.push((line, blob.len()));
            }
        }
        writes
    }

    #[test]
    fn a_run_is_written_when_it_is_worth_a_request() {
        assert_eq!(
            writes(2, 6_500),
            [
                (3_199, 64_000),
                (3_200, 64_000),
                (6_399, 64_000),
                (6_400, 64_000)
            ]
        );
    }

    #[test]
    fn of_many_models_all_is_written_when_a_mebibyte_waits() {
        // 26,214 entries of 40 bytes are as many as may wait.
        let whole = 26_215 * PlanEntry::SIZE;
        assert_eq!(writes(30_000, 60_000), [(26_215, whole), (52_430, whole)]);
    }

    #[test]
    fn an_empty_plan_is_read_back() {
        let mut blob = Vec::new();
        PlanWriter::new().finish(Vec::new(), &mut blob);
        let footer = footer(&blob).unwrap();
        assert_eq!(
            (footer.total, footer.models.len(), footer.runs.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_changed_or_cut_tail_is_corrupt() {
        let blob = plan(3, 100);
        let tail = 100 * PlanEntry::SIZE;
        for at in tail..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert!(footer(&changed).is_err(), "byte {at} may not change");
            assert!(PlanFooter::decode(&blob[at..]).is_err() || at == tail);
            assert!(PlanFooter::decode(&blob[tail..at]).is_err());
        }
        assert!(tail_range(&blob[blob.len() - TRAILER_SIZE..], 30).is_err());
    }
}
