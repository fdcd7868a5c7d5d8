//! Writes a Parquet file in groups of rows, of which one is in memory.

use std::sync::Arc;

use anyhow::Context as _;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::said;
use crate::lines::output::Output;

/// The bytes of texts that a group of rows holds, about: readers take a group at a time as well.
const GROUP_BYTES: usize = 16 << 20;

/// The most rows of a group.
const GROUP_ROWS: usize = 100_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Texts.
    Text,
    /// Whole numbers.
    Number,
}

/// A value of a row; what does not fit the kind of its column is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Nothing.
    None,
}

/// The values of a column that were not written yet.
enum Column {
    Texts(Values<ByteArray>),
    Numbers(Values<i64>),
}

/// Values, and of each row whether it has one: 1 or 0.
struct Values<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Values<T> {
    const fn new() -> Self {
        Self {
            values: Vec::new(),
            levels: Vec::new(),
        }
    }

    fn put(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    /// Writes them as the next column of a group, and forgets them.
    fn write<D: DataType<T = T>>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Output>,
    ) -> anyhow::Result<()> {
        let mut column = group
            .next_column()
            .map_err(said)?
            .context("there are fewer columns than values")?;
        let typed = column.typed::<D>();
        typed
            .write_batch(&self.values, Some(&self.levels), None)
            .map_err(said)?;
        column.close().map_err(said)?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

/// A Parquet file that is being written.
pub(crate) struct ParquetTable {
    writer: SerializedFileWriter<Output>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl ParquetTable {
    /// Begins a file with these columns, whose names differ; all of them may lack values.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub(crate) fn new(output: Output, columns: &[(String, ColumnKind)]) -> anyhow::Result<Self> {
        let fields = columns.iter().map(|(name, kind)| {
            let (physical, logical, converted) = match kind {
                ColumnKind::Text => (
                    Physical::BYTE_ARRAY,
                    Some(LogicalType::String),
                    ConvertedType::UTF8,
                ),
                ColumnKind::Number => (Physical::INT64, None, ConvertedType::NONE),
            };
            let field = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .with_converted_type(converted);
            field.build().map(Arc::new).map_err(said)
        });
        let schema = Type::group_type_builder("schema")
            .with_fields(fields.collect::<anyhow::Result<_>>()?)
            .build()
            .map_err(said)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("overnight ", env!("CARGO_PKG_VERSION")).to_owned());
        let properties = Arc::new(properties.build());
        let writer =
            SerializedFileWriter::new(output, Arc::new(schema), properties).map_err(said)?;
        let columns = columns.iter().map(|(_, kind)| match kind {
            ColumnKind::Text => Column::Texts(Values::new()),
            ColumnKind::Number => Column::Numbers(Values::new()),
        });
        Ok(Self {
            writer,
            columns: columns.collect(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row; what it lacks of the columns is none.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub(crate) fn row(&mut self, cells: impl Iterator<Item = Cell>) -> anyhow::Result<()> {
        let cells = cells.chain(std::iter::repeat(Cell::None));
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (column, cell) {
                (Column::Texts(values), Cell::Text(text)) => {
                    self.bytes += text.len();
                    values.put(Some(text.into_bytes().into()));
                }
                (Column::Texts(values), Cell::Number(_) | Cell::None) => values.put(None),
                (Column::Numbers(values), Cell::Number(number)) => values.put(Some(number)),
                (Column::Numbers(values), Cell::Text(_) | Cell::None) => values.put(None),
            }
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group().map_err(said)?;
        for column in &mut self.columns {
            match column {
                Column::Texts(texts) => texts.write::<ByteArrayType>(&mut group)?,
                Column::Numbers(numbers) => numbers.write::<Int64Type>(&mut group)?,
            }
        }
        group.close().map_err(said)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.writer.into_inner().map_err(said)?.finish()
    }
}
