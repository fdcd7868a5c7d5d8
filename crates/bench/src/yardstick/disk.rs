//! What this disk and this processor do at best.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How many bytes are read or written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// How many fsyncs one is the median of.
const FSYNCS: usize = 21;

/// How long it takes to make 4 KiB more of a file durable, in the middle of some.
pub(crate) fn fsync(folder: &Path) -> anyhow::Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut took = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        file.write_all(&[1; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took.get(FSYNCS / 2).copied().context("none was timed")
}

/// How long it takes to write the bytes of a file into another that is made durable.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<Duration> {
    let mut from = File::open(from)?;
    let mut piece = vec![0; PIECE_BYTES];
    let began = Instant::now();
    let mut to = File::create(to)?;
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            break;
        }
        to.write_all(piece.get(..read).unwrap_or_default())?;
    }
    to.sync_all()?;
    Ok(began.elapsed())
}

/// How long it takes to read a file and see that it is UTF-8.
pub(crate) fn check_utf8(path: &Path) -> anyhow::Result<Duration> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    let began = Instant::now();
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(began.elapsed());
        }
        // A letter may be cut where the piece ends: three bytes of a megabyte are not looked at.
        let bytes = piece.get(..read).unwrap_or_default();
        let start = bytes
            .iter()
            .take(3)
            .take_while(|byte| **byte & 0xc0 == 0x80);
        let start = start.count();
        match simdutf8::compat::from_utf8(bytes.get(start..).unwrap_or_default()) {
            Ok(_) => {}
            Err(error) => anyhow::ensure!(error.error_len().is_none(), "no UTF-8"),
        }
    }
}
