//! Reads the lines of a file, or of what is piped in, without holding more than one of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use overnight_core::input::LineSplitter;

/// How much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// What stands for stdin in the place of a path.
pub(crate) const STDIN: &str = "-";

/// One line that is not blank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceLine<'a> {
    /// Its number, from 1, blank lines counted.
    pub(crate) no: u64,
    /// The offset of its first byte in the file.
    pub(crate) offset: u64,
    /// Its bytes, without the line end and without a BOM.
    pub(crate) bytes: &'a [u8],
}

/// Whether a path stands for stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// Opens a file, or stdin for `-`.
///
/// # Errors
///
/// The file cannot be read; the error names it.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Box::new(file))
}

/// Gives out the bytes of a file in pieces, as they are read.
///
/// # Errors
///
/// The file cannot be read, or what `take` says.
pub(crate) fn each_piece(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut from = open(path)?;
    let mut room = vec![0; READ_BYTES];
    loop {
        let length = match from.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        };
        take(room.get(..length).unwrap_or_default())?;
    }
}

/// Gives out the lines of a file that are not blank, one after another.
///
/// # Errors
///
/// The file cannot be read, or what `take` says; no further line is given out then.
pub(crate) fn each_line(
    path: &Path,
    mut take: impl FnMut(SourceLine<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut taken = Ok(());
    let mut one = |line: overnight_core::input::Line<'_>| {
        if taken.is_err() {
            return;
        }
        taken = match line.bytes {
            Ok(bytes) => take(SourceLine {
                no: line.no,
                offset: line.offset,
                bytes,
            }),
            Err(long) => Err(anyhow!(
                "{}:{}: this line has {} bytes, which is more than any line may have",
                path.display(),
                line.no,
                long.length
            )),
        };
    };
    let mut splitter = LineSplitter::new(0);
    each_piece(path, |piece| {
        splitter.push(piece, &mut one);
        Ok(())
    })?;
    splitter.finish(&mut one);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_without_blank_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, "\u{feff}one\r\n\n two\nthree").unwrap();
        let mut lines = Vec::new();
        let taken = each_line(&path, |line| {
            lines.push((line.no, line.offset, line.bytes.to_vec()));
            Ok(())
        });
        taken.unwrap();
        let expected = [
            (1, 3, b"one".to_vec()),
            (3, 9, b" two".to_vec()),
            (4, 14, b"three".to_vec()),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_first_refusal_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        let mut seen = 0;
        let taken = each_line(&path, |line| {
            seen += 1;
            anyhow::ensure!(line.no < 2, "no more");
            Ok(())
        });
        assert_eq!(taken.unwrap_err().to_string(), "no more");
        assert_eq!(seen, 2);
    }
}
