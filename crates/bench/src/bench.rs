//! What every measure is given.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The binaries, and how much is measured.
pub(crate) struct Bench {
    /// The product.
    pub(crate) overnight: PathBuf,
    /// This binary.
    pub(crate) own: PathBuf,
    /// Where files are kept while something is measured; the disk that counts is this folder's.
    pub(crate) folder: PathBuf,
    /// Where the servers' profiles go, if they are sampled.
    pub(crate) profiles: Option<PathBuf>,
    /// How many pairs of runs a figure is the median of.
    pub(crate) pairs: usize,
    /// The part of the work that is done; 1 is all of it.
    pub(crate) scale: f64,
}

impl Bench {
    /// A count, as large as this run wants it; at least one.
    pub(crate) fn scaled(&self, count: u32) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count times a small positive number"
        )]
        let scaled = (f64::from(count) * self.scale).round() as u64;
        scaled.max(1)
    }

    /// A folder that is gone with the answer.
    pub(crate) fn scratch(&self) -> anyhow::Result<TempDir> {
        std::fs::create_dir_all(&self.folder)?;
        Ok(tempfile::tempdir_in(&self.folder)?)
    }

    /// A command of this binary.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.own);
        command.arg(name);
        command
    }

    /// Tells how it is going.
    #[expect(
        clippy::print_stderr,
        reason = "this is a command that somebody watches"
    )]
    pub(crate) fn say(text: fmt::Arguments<'_>) {
        eprintln!("  {text}");
    }
}
