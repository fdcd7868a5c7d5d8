//! Tables that are read: CSV, TSV and Parquet, all as rows of texts.

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use csv::{Reader, ReaderBuilder, StringRecord};

use super::template::unknown;
use crate::lines::parquet::ParquetRows;
use crate::lines::source;

/// What a table is written as; the ending of its name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Texts with commas between.
    Csv,
    /// Texts with tabs between.
    Tsv,
    /// Columns that know what they hold.
    Parquet,
}

impl Form {
    /// What a file of that name is; `None` when the name does not say.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// A table that is being read.
pub(super) struct Table {
    /// What errors call it.
    shown: String,
    columns: Vec<String>,
    rows: Rows,
    read: u64,
}

enum Rows {
    Texts(Box<Reader<Box<dyn Read>>>, StringRecord),
    Parquet(Box<ParquetRows>),
}

/// One row.
pub(super) struct Row {
    /// A value for each column.
    pub(super) cells: Vec<String>,
    /// Where it stands, for errors.
    pub(super) place: String,
    /// Its number, from 1.
    number: u64,
}

impl Row {
    /// What it is called: its value in the column of ids, or its number.
    pub(super) fn name(&self, id: Option<usize>) -> String {
        match id.and_then(|id| self.cells.get(id)) {
            Some(name) => name.clone(),
            None => format!("row-{}", self.number),
        }
    }
}

impl Table {
    /// Opens a table.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is none.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let (columns, rows) = match Form::of(path) {
            Some(Form::Parquet) => {
                let rows = ParquetRows::open(path)?;
                (rows.names().to_vec(), Rows::Parquet(Box::new(rows)))
            }
            form => {
                let is_tsv = form == Some(Form::Tsv);
                let delimiter = if is_tsv { b'\t' } else { b',' };
                let mut builder = ReaderBuilder::new();
                let from = source::open(path)?;
                let mut rows = builder.delimiter(delimiter).from_reader(from);
                let names = rows.headers();
                let names = names
                    .with_context(|| format!("{shown} is no table"))?
                    .iter();
                // Spreadsheets put a mark before the first.
                let names = names.map(|name| name.trim_start_matches('\u{feff}').to_owned());
                let columns = names.collect();
                (columns, Rows::Texts(Box::new(rows), StringRecord::new()))
            }
        };
        Ok(Self {
            shown,
            columns,
            rows,
            read: 0,
        })
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The number of a column that a flag names.
    ///
    /// # Errors
    ///
    /// There is none of that name; the error lists those that there are.
    pub(super) fn column(&self, flag: &str, name: &str) -> anyhow::Result<usize> {
        let mut columns = self.columns.iter();
        let found = columns.position(|column| column.trim() == name.trim());
        Ok(found.ok_or_else(|| unknown(flag, name, &self.columns))?)
    }

    /// The next row.
    ///
    /// # Errors
    ///
    /// The table cannot be read on.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Row>> {
        self.read += 1;
        let Self {
            shown,
            rows,
            read: number,
            ..
        } = self;
        let cannot = || format!("{shown} cannot be read on");
        let (cells, place) = match rows {
            Rows::Texts(rows, record) => {
                if !rows.read_record(record).with_context(cannot)? {
                    return Ok(None);
                }
                let line = record.position().map_or(0, csv::Position::line);
                let cells = record.iter().map(str::to_owned).collect();
                (cells, format!("{shown}:{line}"))
            }
            Rows::Parquet(rows) => match rows.next().with_context(cannot)? {
                Some(cells) => (cells, format!("{shown}: row {number}")),
                None => return Ok(None),
            },
        };
        Ok(Some(Row {
            cells,
            place,
            number: *number,
        }))
    }
}
