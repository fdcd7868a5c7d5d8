//! Parquet files: tables of columns with kinds, which are read and written a piece at a time.
//!
//! The files are read and written by rows and columns of this crate's own; nothing of Arrow's memory format is
//! needed for that, and its crates would take longer to build than all the rest of the command line.

mod read;
mod write;

use std::io;

use parquet::errors::ParquetError;

pub(crate) use self::read::ParquetRows;
pub(crate) use self::write::{Cell, ColumnKind, ParquetTable};
use super::output::told;

/// How it is said that a file is compressed in a way that was not built in.
const NOT_BUILT_IN: &str = "Disabled feature at compile time: ";

/// What went wrong with a file, in our words where they are better.
fn said(error: ParquetError) -> anyhow::Error {
    if let ParquetError::General(text) = &error
        && let Some((_, way)) = text.split_once(NOT_BUILT_IN)
    {
        return anyhow::anyhow!(
            "its columns are compressed with {way}, and only snappy and zstd are understood: write it anew \
             with one of them, or without compression"
        );
    }
    let ParquetError::External(source) = error else {
        return anyhow::Error::new(error);
    };
    match source.downcast::<io::Error>() {
        Ok(error) => told(*error),
        Err(source) => anyhow::anyhow!("{source}"),
    }
}

#[cfg(test)]
mod tests;
