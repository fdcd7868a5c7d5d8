//! Reads the rows of a Parquet file as texts, one after another.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use super::said;
use crate::lines::source::is_stdin;

/// The rows of a file.
pub(crate) struct ParquetRows {
    names: Vec<String>,
    rows: RowIter<'static>,
}

impl ParquetRows {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no Parquet file.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        if is_stdin(path) {
            bail!("a Parquet file is read from its end, so it cannot come from stdin: name a file");
        }
        let file = File::open(path).with_context(|| format!("{shown} cannot be read"))?;
        let reader = SerializedFileReader::new(file)
            .map_err(said)
            .with_context(|| format!("{shown} is no Parquet file"))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let names = fields.iter().map(|field| field.name().to_owned());
        Ok(Self {
            names: names.collect(),
            rows: reader.into_iter(),
        })
    }

    /// The names of its columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The next row; values that are not there are empty.
    ///
    /// # Errors
    ///
    /// The file cannot be read on, or is compressed in a way that is not known.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Vec<String>>> {
        let Some(row) = self.rows.next() else {
            return Ok(None);
        };
        let row = row.map_err(said)?;
        Ok(Some(row.into_columns().into_iter().map(cell).collect()))
    }
}

/// A value as a text.
fn cell((_, value): (String, Field)) -> String {
    if let Field::Str(text) = value {
        return text;
    }
    if let Field::Bytes(bytes) = &value {
        return String::from_utf8_lossy(bytes.data()).into_owned();
    }
    if value == Field::Null {
        return String::new();
    }
    value.to_string()
}
