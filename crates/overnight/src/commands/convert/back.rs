//! Results to a table: the rows that the requests came from, each with its answer.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use csv::StringRecord;

use super::Made;
use super::answer::{Answer, Field};
use super::rows::{column, columns, name_of, open};
use crate::failure::UsageError;
use crate::lines::found::Found;
use crate::lines::ids::{LineId, id_of};
use crate::lines::output::Output;

/// What the error of a row without a result says.
const NO_RESULT: &str = "there is no result";

/// What a table of results is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    /// The table that the requests came from; each row is written with its result.
    #[arg(long, value_name = "TABLE")]
    join: Option<PathBuf>,
    /// What of a result is written, with commas between: `content`, `content.KEY` (of an answer that is JSON),
    /// `status`, `error`, `finish_reason`, `model`, `input_tokens`, `output_tokens`.
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        default_value = "content,error"
    )]
    select: Vec<String>,
}

/// What is written, and where to.
struct Plan<'a> {
    select: &'a [String],
    fields: Vec<Field>,
    /// The column whose value names a line.
    id: Option<&'a str>,
}

/// A table that is being written.
struct Sink {
    output: Output,
    delimiter: char,
}

impl Sink {
    fn row(&mut self, cells: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let cells: Vec<String> = cells.map(|cell| quoted(&cell, self.delimiter)).collect();
        let line = cells.join(&self.delimiter.to_string());
        self.output.put_line(line.as_bytes())
    }
}

/// A value as it stands in a table: in quotes when it would be read wrongly without.
fn quoted(cell: &str, delimiter: char) -> String {
    let is_plain = |letter: char| letter != delimiter && !"\"\r\n".contains(letter);
    if cell.chars().all(is_plain) {
        return cell.to_owned();
    }
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// Writes a row for each row of the table that is joined, or for each result when there is none. `id` is the
/// column whose value names a line.
///
/// # Errors
///
/// A name is wrong, a file cannot be read, or the output cannot be written.
pub(crate) fn write(
    found: &Found,
    args: &TableArgs,
    id: Option<&str>,
    output: Option<&Path>,
) -> anyhow::Result<Made> {
    let fields = args.select.iter().map(|name| {
        let text = || UsageError(format!("--select: there is no `{name}`; see --help"));
        Field::parse(name).ok_or_else(text)
    });
    let plan = Plan {
        select: &args.select,
        fields: fields.collect::<Result<_, _>>()?,
        id,
    };
    let is_tsv = output.and_then(Path::extension);
    let is_tsv = is_tsv.is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    let mut table = Sink {
        output: Output::create(output)?,
        delimiter: if is_tsv { '\t' } else { ',' },
    };
    let made = match &args.join {
        Some(path) => join(path, &plan, found, &mut table)?,
        None => plain(&plan, found, &mut table)?,
    };
    table.output.finish()?;
    Ok(made)
}

fn read(found: &Found, line: crate::lines::found::FoundLine) -> anyhow::Result<(Vec<u8>, Answer)> {
    let bytes = found.bytes(line)?;
    let answer = Answer::read(&bytes).context("a result changed while it was read")?;
    Ok((bytes, answer))
}

/// Each result with its id, in the order of the results.
fn plain(plan: &Plan<'_>, found: &Found, table: &mut Sink) -> anyhow::Result<Made> {
    let head = ["id".to_owned()].into_iter();
    table.row(head.chain(plan.select.iter().cloned()))?;
    let lines = found.in_order();
    for line in &lines {
        let (bytes, answer) = read(found, *line)?;
        let id = id_of(&bytes).unwrap_or_default().into_owned();
        let cells = plan.fields.iter().map(|field| answer.field(field));
        table.row(std::iter::once(id).chain(cells))?;
    }
    Ok(Made {
        written: lines.len() as u64,
        without: 0,
    })
}

/// Each row of the table with its result.
fn join(path: &Path, plan: &Plan<'_>, found: &Found, table: &mut Sink) -> anyhow::Result<Made> {
    let shown = path.display();
    let mut rows = open(path)?;
    let names = columns(&mut rows).with_context(|| format!("{shown} is no table"))?;
    let id = plan
        .id
        .map(|name| column("--id", name, &names))
        .transpose()?;
    table.row(names.iter().chain(plan.select).cloned())?;
    let mut made = Made::default();
    let mut row = StringRecord::new();
    while rows
        .read_record(&mut row)
        .with_context(|| format!("{shown} cannot be read on"))?
    {
        made.written += 1;
        let name = name_of(&row, id, made.written);
        let result = found.get(LineId::of(&name));
        let answer = result.map(|line| read(found, line)).transpose()?;
        made.without += u64::from(answer.is_none());
        let cells = plan.fields.iter().map(|field| match (&answer, field) {
            (Some((_, answer)), field) => answer.field(field),
            (None, Field::Error) => NO_RESULT.to_owned(),
            (None, _) => String::new(),
        });
        let values = row.iter().map(str::to_owned);
        table.row(values.chain(cells))?;
    }
    Ok(made)
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
