//! What the server holds, sampled.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How much more memory the last quarter may hold than the second.
const GROWTH_KIB_MAX: u64 = 24 << 10;

/// How many descriptors a process holds; `None` when there is no such process.
pub(crate) fn descriptors(pid: u32) -> Option<u64> {
    let held = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(held.count() as u64)
}

/// One look.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory_kib: u64,
    descriptors: u64,
    blobs: u64,
}

/// Looks at the server, about one a second.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    taken: Vec<Sample>,
    restarts: u32,
    time: Duration,
}

impl Samples {
    /// Looks.
    pub(crate) fn take(&mut self, pid: u32, blobs: &[PathBuf], at: Duration) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let memory = memory.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        // Between its death and its next start there is nothing to look at.
        let (Some(memory_kib), Some(descriptors)) = (memory, descriptors(pid)) else {
            return;
        };
        self.taken.push(Sample {
            memory_kib,
            descriptors,
            blobs: blobs.len() as u64,
        });
        self.time = at;
    }

    /// The server was killed, and runs again.
    pub(crate) const fn restarted(&mut self) {
        self.restarts += 1;
    }

    /// Checks that the last quarter holds no more memory than the second. How many descriptors there are under load
    /// is a matter of the upstreams' limits, which move.
    pub(crate) fn check(&self) {
        let memory = |quarter| self.median(quarter, |sample| sample.memory_kib);
        assert!(
            memory(3) <= memory(1) + GROWTH_KIB_MAX,
            "memory grew from {} to {} KiB",
            memory(1),
            memory(3)
        );
    }

    /// The median of a quarter, from 0 to 3.
    fn median(&self, quarter: usize, of: impl Fn(&Sample) -> u64) -> u64 {
        let quarters = self.taken.len() / 4;
        let taken = self.taken.iter().skip(quarter * quarters).take(quarters);
        let mut values: Vec<u64> = taken.map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, restarts) = (self.taken.len(), self.restarts);
        writeln!(
            f,
            "{count} samples in {:?}, {restarts} kills of the server",
            self.time
        )?;
        writeln!(f, "quarter  RssAnon KiB  descriptors  blobs   (medians)")?;
        for quarter in 0..4 {
            writeln!(
                f,
                "{:>7}  {:>11}  {:>11}  {:>5}",
                quarter + 1,
                self.median(quarter, |sample| sample.memory_kib),
                self.median(quarter, |sample| sample.descriptors),
                self.median(quarter, |sample| sample.blobs),
            )?;
        }
        Ok(())
    }
}
