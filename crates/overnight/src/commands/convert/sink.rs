//! Tables that are written.

use anyhow::bail;

use super::table::Form;
use crate::lines::output::Output;
use crate::lines::parquet::{Cell, ColumnKind, ParquetTable};

/// A table that is being written.
pub(super) enum Sink {
    /// Texts with this between them.
    Texts(Output, char),
    /// Columns with kinds.
    Parquet(Box<ParquetTable>),
}

impl Sink {
    /// Begins a table with these columns.
    ///
    /// # Errors
    ///
    /// Two columns have one name where that cannot be, or the output cannot be written.
    pub(super) fn begin(
        output: Output,
        form: Form,
        columns: &[(String, ColumnKind)],
    ) -> anyhow::Result<Self> {
        let delimiter = match form {
            Form::Csv => ',',
            Form::Tsv => '\t',
            Form::Parquet => {
                for (place, (name, _)) in columns.iter().enumerate() {
                    if columns
                        .iter()
                        .skip(place + 1)
                        .any(|(other, _)| other == name)
                    {
                        bail!(
                            "two columns of the table would be called `{name}`; leave one out with --select"
                        );
                    }
                }
                return Ok(Self::Parquet(Box::new(ParquetTable::new(output, columns)?)));
            }
        };
        let mut sink = Self::Texts(output, delimiter);
        let head = columns.iter();
        sink.row(head.map(|(name, _)| Cell::Text(name.clone())))?;
        Ok(sink)
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub(super) fn row(&mut self, cells: impl Iterator<Item = Cell>) -> anyhow::Result<()> {
        match self {
            Self::Texts(output, delimiter) => {
                let cells = cells.map(|cell| match cell {
                    Cell::Text(text) => quoted(&text, *delimiter),
                    Cell::Number(number) => number.to_string(),
                    Cell::None => String::new(),
                });
                let cells: Vec<String> = cells.collect();
                output.put_line(cells.join(&delimiter.to_string()).as_bytes())
            }
            Self::Parquet(table) => table.row(cells),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    ///
    /// As [`Self::row`].
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Texts(output, _) => output.finish(),
            Self::Parquet(table) => table.finish(),
        }
    }
}

/// A value as it stands in a table of texts: in quotes when it would be read wrongly without.
fn quoted(cell: &str, delimiter: char) -> String {
    let is_plain = |letter: char| letter != delimiter && !"\"\r\n".contains(letter);
    if cell.chars().all(is_plain) {
        return cell.to_owned();
    }
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_be_read_wrongly_is_quoted() {
        assert_eq!(quoted("a b", ','), "a b");
        assert_eq!(quoted("a,b", ','), "\"a,b\"");
        assert_eq!(quoted("a,b", '\t'), "a,b");
        assert_eq!(quoted("say \"a\"\n", ','), "\"say \"\"a\"\"\n\"");
    }
}
