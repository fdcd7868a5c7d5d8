//! Where a command writes what it makes: stdout, or a file that appears when it is whole.
//!
//! A file is written beside its place and moved there at the end. So nobody reads half of one, and a
//! command may write over the file that it reads. What is no file, such as a pipe, is written to as it is.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Stdout, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 256 << 10;

/// What a new file may be used for, before the user's mask takes from it.
const MODE: u32 = 0o666;

/// Whoever read stdout has gone: no error, but nothing is left to do.
#[derive(Debug)]
pub(crate) struct NobodyReads;

impl fmt::Display for NobodyReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads stdout any more")
    }
}

impl std::error::Error for NobodyReads {}

/// What is written to.
#[derive(Debug)]
pub(crate) struct Output(To);

#[derive(Debug)]
enum To {
    Stdout(BufWriter<Stdout>),
    Pipe {
        writer: BufWriter<File>,
        path: PathBuf,
    },
    File {
        writer: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Output {
    /// Begins a file, or stdout when there is no path or it is `-`.
    ///
    /// # Errors
    ///
    /// The folder of the file cannot be written to.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path.filter(|path| !super::source::is_stdin(path)) else {
            let writer = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
            return Ok(Self(To::Stdout(writer)));
        };
        let cannot = || format!("{} cannot be written", path.display());
        // The file that a link leads to is replaced, and not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mode = match path.metadata() {
            Ok(there) if there.is_file() => there.permissions(),
            Ok(_) => {
                let file = OpenOptions::new().append(true).open(&path);
                let writer = BufWriter::with_capacity(BUFFER_BYTES, file.with_context(cannot)?);
                return Ok(Self(To::Pipe { writer, path }));
            }
            Err(_) => Permissions::from_mode(MODE),
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".overnight-")
            .permissions(mode)
            .tempfile_in(folder)
            .with_context(cannot)?;
        Ok(Self(To::File {
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
            path,
        }))
    }

    /// Begins a file that others read while it grows, or stdout as [`Self::create`] does. What is in the file
    /// is lost.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn grow(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path.filter(|path| !super::source::is_stdin(path)) else {
            return Self::create(None);
        };
        let file = File::create(path).map_err(|error| unwritten(error, Some(path)))?;
        Ok(Self(To::Pipe {
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
            path: path.to_owned(),
        }))
    }

    /// What errors name, and where bytes go.
    fn writer(&mut self) -> (&mut dyn Write, Option<&Path>) {
        match &mut self.0 {
            To::Stdout(writer) => (writer, None),
            To::Pipe { writer, path } => (writer, Some(path)),
            To::File { writer, path } => (writer, Some(path)),
        }
    }

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// They cannot be written; [`NobodyReads`] when whoever read stdout has gone.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let (writer, path) = self.writer();
        writer
            .write_all(bytes)
            .map_err(|error| unwritten(error, path))
    }

    /// Writes bytes and a line end.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    pub(crate) fn put_line(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.put(bytes)?;
        self.put(b"\n")
    }

    /// Passes on what is gathered: whoever follows stdout sees it.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let (writer, path) = self.writer();
        writer.flush().map_err(|error| unwritten(error, path))
    }

    /// Ends it: a file gets its place.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        let To::File { writer, path } = self.0 else {
            return Ok(());
        };
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.map_err(|error| unwritten(error, Some(&path)))?;
        file.persist(&path)
            .map_err(|error| unwritten(error.error, Some(&path)))?;
        Ok(())
    }
}

/// For what writes files of its own form. Its errors say nothing of the path.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().0.flush()
    }
}

fn unwritten(error: io::Error, path: Option<&Path>) -> anyhow::Error {
    let Some(path) = path else {
        return told(error);
    };
    anyhow::Error::new(error).context(format!("{} cannot be written", path.display()))
}

/// What an error of stdout means.
pub(crate) fn told(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return NobodyReads.into();
    }
    anyhow::Error::new(error).context("stdout cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, "old").unwrap();
        let mut output = Output::create(Some(&path)).unwrap();
        output.put_line(b"new").unwrap();
        output.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_grows_is_read_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut output = Output::grow(Some(&path)).unwrap();
        output.put_line(b"one").unwrap();
        output.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
        output.put_line(b"two").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn what_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut output = Output::create(Some(&path)).unwrap();
        output.put_line(b"new").unwrap();
        drop(output);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
