//! Results to a table: the rows that the requests came from, each with its answer.

use std::io::{IsTerminal as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Made;
use super::answer::{Answer, Field};
use super::sink::Sink;
use super::table::{Form, Table};
use crate::failure::UsageError;
use crate::lines::ID_KEY;
use crate::lines::found::{Found, FoundLine};
use crate::lines::ids::{LineId, id_of};
use crate::lines::output::Output;
use crate::lines::parquet::{Cell, ColumnKind};

/// What the error of a row without a result says.
const NO_RESULT: &str = "there is no result";

/// What is written of a result when nobody says.
const SELECTED: [&str; 2] = ["content", "error"];

/// The same in Parquet, where a column that nobody reads costs nothing.
const SELECTED_PARQUET: [&str; 8] = [
    "status_code",
    "error_code",
    "error",
    "content",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "response",
];

/// What a table of results is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    /// The table that the requests came from; each row is written with its result.
    #[arg(long, value_name = "TABLE")]
    join: Option<PathBuf>,
    /// What of a result is written, with commas between: `content`, `content.KEY` (of an answer that is JSON),
    /// `status`, `status_code`, `error`, `error_code`, `finish_reason`, `model`, `input_tokens`,
    /// `output_tokens`, `response` (as it came) [default: `content,error`; in Parquet all but `model`].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    select: Vec<String>,
}

impl TableArgs {
    /// Names and what they stand for.
    fn fields(&self, form: Form) -> Result<Vec<(String, Field)>, UsageError> {
        let by_default: &[&str] = match form {
            Form::Csv | Form::Tsv => &SELECTED,
            Form::Parquet => &SELECTED_PARQUET,
        };
        let names = if self.select.is_empty() {
            by_default.iter().map(|name| (*name).to_owned()).collect()
        } else {
            self.select.clone()
        };
        let field = |name: String| match Field::parse(&name) {
            Some(field) => Ok((name, field)),
            None => Err(UsageError(format!(
                "--select: there is no `{name}`; see --help"
            ))),
        };
        names.into_iter().map(field).collect()
    }
}

/// What is written, and where to.
struct Plan<'a> {
    fields: Vec<(String, Field)>,
    /// The column whose value names a line.
    id: Option<&'a str>,
    form: Form,
    output: Output,
}

impl Plan<'_> {
    /// Begins the table, behind these columns of its own.
    fn begin(self, own: Vec<String>) -> anyhow::Result<(Sink, Vec<Field>)> {
        let own = own.into_iter().map(|name| (name, ColumnKind::Text));
        let selected = self.fields.iter();
        let selected = selected.map(|(name, field)| (name.clone(), field.kind()));
        let columns: Vec<(String, ColumnKind)> = own.chain(selected).collect();
        let table = Sink::begin(self.output, self.form, &columns)?;
        let fields = self.fields.into_iter().map(|(_, field)| field);
        Ok((table, fields.collect()))
    }
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
    form: Form,
    output: Option<&Path>,
) -> anyhow::Result<Made> {
    if form == Form::Parquet && output.is_none() && stdout().is_terminal() {
        let text = "Parquet is not for a terminal: name a file with -o";
        return Err(UsageError(text.to_owned()).into());
    }
    let plan = Plan {
        fields: args.fields(form)?,
        id,
        form,
        output: Output::create(output)?,
    };
    match &args.join {
        Some(path) => join(path, plan, found),
        None => plain(plan, found),
    }
}

fn read(found: &Found, line: FoundLine) -> anyhow::Result<(Vec<u8>, Answer)> {
    let bytes = found.bytes(line)?;
    let answer = Answer::read(&bytes).context("a result changed while it was read")?;
    Ok((bytes, answer))
}

/// Each result with its id, in the order of the results.
fn plain(plan: Plan<'_>, found: &Found) -> anyhow::Result<Made> {
    let id = match plan.form {
        Form::Csv | Form::Tsv => "id",
        Form::Parquet => ID_KEY,
    };
    let (mut table, fields) = plan.begin(vec![id.to_owned()])?;
    let lines = found.in_order();
    for line in &lines {
        let (bytes, answer) = read(found, *line)?;
        let id = id_of(&bytes).unwrap_or_default().into_owned();
        let cells = fields.iter().map(|field| answer.cell(field));
        table.row(std::iter::once(Cell::Text(id)).chain(cells))?;
    }
    table.finish()?;
    Ok(Made {
        written: lines.len() as u64,
        without: 0,
    })
}

/// Each row of the table with its result.
fn join(path: &Path, plan: Plan<'_>, found: &Found) -> anyhow::Result<Made> {
    let mut rows = Table::open(path)?;
    let id = plan.id.map(|name| rows.column("--id", name)).transpose()?;
    let (mut table, fields) = plan.begin(rows.columns().to_vec())?;
    let mut made = Made::default();
    while let Some(row) = rows.next()? {
        made.written += 1;
        let result = found.get(LineId::of(&row.name(id)));
        let answer = result.map(|line| read(found, line)).transpose()?;
        made.without += u64::from(answer.is_none());
        let cells = fields.iter().map(|field| match (&answer, field) {
            (Some((_, answer)), field) => answer.cell(field),
            (None, Field::Error) => Cell::Text(NO_RESULT.to_owned()),
            (None, _) => Cell::None,
        });
        let values = row.cells.into_iter().map(Cell::Text);
        table.row(values.chain(cells))?;
    }
    table.finish()?;
    Ok(made)
}
