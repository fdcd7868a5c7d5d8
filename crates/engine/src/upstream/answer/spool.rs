//! The part of an answer that no memory was left for: an unlinked file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use overnight_store::blocking::Blocking;

use super::AnswerLimits;

/// How much of a spool file is read at a time.
const READ_BYTES: u64 = 256 << 10;

/// An unlinked file, and where it is read and written.
#[derive(Clone, Debug)]
pub(super) struct SpoolFile {
    file: Arc<File>,
    blocking: Blocking,
}

/// How much is gathered between two writes. Hundreds of answers may be spooled at a time, so it is
/// little: less than what a small answer holds.
const WRITE_BYTES: usize = 16 << 10;

/// A spool file that is being written.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpoolFile,
    unwritten: Vec<u8>,
}

impl Spool {
    /// Starts a file with what was in memory so far.
    pub(super) async fn begin(limits: &AnswerLimits, held: Vec<Bytes>) -> io::Result<Self> {
        let folder = limits.spool_folder.clone();
        let begin = move || {
            let mut file = tempfile::tempfile_in(folder)?;
            for piece in held {
                file.write_all(&piece)?;
            }
            Ok::<_, io::Error>(Arc::new(file))
        };
        let file = limits.blocking.run(begin).await??;
        let file = SpoolFile {
            file,
            blocking: limits.blocking,
        };
        Ok(Self {
            file,
            unwritten: Vec::with_capacity(WRITE_BYTES),
        })
    }

    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = WRITE_BYTES.saturating_sub(self.unwritten.len());
            let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
            self.unwritten.extend_from_slice(fitting);
            if self.unwritten.len() >= WRITE_BYTES {
                self.write().await?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the rest; the file is complete.
    pub(super) async fn finish(mut self) -> io::Result<SpoolFile> {
        self.write().await?;
        Ok(self.file)
    }

    async fn write(&mut self) -> io::Result<()> {
        let SpoolFile { file, blocking } = self.file.clone();
        let mut bytes = std::mem::take(&mut self.unwritten);
        let write = move || {
            (&*file).write_all(&bytes)?;
            bytes.clear();
            Ok::<_, io::Error>(bytes)
        };
        self.unwritten = blocking.run(write).await??;
        Ok(())
    }
}

/// The n-th piece of a complete file of `length` bytes; `None` after the last.
pub(super) async fn read_piece(
    spooled: &SpoolFile,
    length: u64,
    number: usize,
) -> io::Result<Option<Bytes>> {
    let offset = (number as u64).saturating_mul(READ_BYTES);
    let size = READ_BYTES.min(length.saturating_sub(offset));
    if size == 0 {
        return Ok(None);
    }
    let SpoolFile { file, blocking } = spooled.clone();
    let mut piece = BytesMut::zeroed(usize::try_from(size).map_err(io::Error::other)?);
    let read = move || {
        file.read_exact_at(&mut piece, offset)?;
        Ok(Some(piece.freeze()))
    };
    blocking.run(read).await?
}
