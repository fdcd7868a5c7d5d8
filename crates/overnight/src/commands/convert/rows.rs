//! Tables to requests.

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use csv::{Reader, ReaderBuilder, StringRecord};

use super::request::Requests;
use super::template::unknown;
use super::{ConvertArgs, Made, folder};
use crate::lines::output::Output;
use crate::lines::source;

/// Opens a table, whose columns are divided by tabs when its name ends in `.tsv`.
pub(super) fn open(path: &Path) -> anyhow::Result<Reader<Box<dyn Read>>> {
    let is_tsv = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    let delimiter = if is_tsv { b'\t' } else { b',' };
    let reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(source::open(path)?);
    Ok(reader)
}

/// The names of the columns, without the mark that spreadsheets put before the first.
pub(super) fn columns(table: &mut Reader<Box<dyn Read>>) -> Result<Vec<String>, csv::Error> {
    let names = table.headers()?.iter();
    Ok(names
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect())
}

/// The number of a column that a flag names.
pub(super) fn column(flag: &str, name: &str, columns: &[String]) -> anyhow::Result<usize> {
    let found = columns
        .iter()
        .position(|column| column.trim() == name.trim());
    Ok(found.ok_or_else(|| unknown(flag, name, columns))?)
}

/// What a row is called: its value in the column of ids, or its number.
pub(super) fn name_of(row: &StringRecord, id: Option<usize>, number: u64) -> String {
    match id.and_then(|id| row.get(id)) {
        Some(name) => name.to_owned(),
        None => format!("row-{number}"),
    }
}

/// Writes a request for each row.
pub(super) fn convert(args: &ConvertArgs) -> anyhow::Result<Made> {
    let [path] = args.inputs.as_slice() else {
        return Ok(Made::default());
    };
    let shown = path.display();
    let mut table = open(path)?;
    let columns = columns(&mut table).with_context(|| format!("{shown} is no table"))?;
    let place = |flag: &str, name: &Option<String>| {
        let place = name.as_deref().map(|name| column(flag, name, &columns));
        place.transpose()
    };
    let (id, image) = (
        place("--id", &args.id)?,
        place("--image", &args.request.image)?,
    );
    let output = Output::create(args.output.as_deref())?;
    let mut requests = Requests::new(&args.request, &columns, output)?;
    let mut row = StringRecord::new();
    while table
        .read_record(&mut row)
        .with_context(|| format!("{shown} cannot be read on"))?
    {
        let line = row.position().map_or(0, csv::Position::line);
        let name = name_of(&row, id, requests.written + 1);
        let values: Vec<&str> = row.iter().collect();
        let image = image
            .and_then(|image| row.get(image))
            .filter(|image| !image.is_empty());
        let image = image
            .map(|image| folder::image_url(path, image))
            .transpose();
        image
            .and_then(|image| requests.put(&name, &values, image.as_deref()))
            .with_context(|| format!("{shown}:{line}"))?;
    }
    Ok(Made {
        written: requests.finish()?,
        without: 0,
    })
}
