//! Tables to requests.

use anyhow::Context as _;

use super::request::Requests;
use super::table::Table;
use super::{ConvertArgs, Made, folder};
use crate::lines::output::Output;

/// Writes a request for each row.
pub(super) fn convert(args: &ConvertArgs) -> anyhow::Result<Made> {
    let [path] = args.inputs.as_slice() else {
        return Ok(Made::default());
    };
    let mut table = Table::open(path)?;
    let place = |flag: &str, name: &Option<String>| {
        let place = name.as_deref().map(|name| table.column(flag, name));
        place.transpose()
    };
    let (id, image) = (
        place("--id", &args.id)?,
        place("--image", &args.request.image)?,
    );
    let output = Output::create(args.output.as_deref())?;
    let mut requests = Requests::new(&args.request, table.columns(), output)?;
    while let Some(row) = table.next()? {
        let values: Vec<&str> = row.cells.iter().map(String::as_str).collect();
        let image = image
            .and_then(|image| values.get(image))
            .filter(|image| !image.is_empty());
        let image = image
            .map(|image| folder::image_url(path, image))
            .transpose();
        image
            .and_then(|image| requests.put(&row.name(id), &values, image.as_deref()))
            .with_context(|| row.place.clone())?;
    }
    Ok(Made {
        written: requests.finish()?,
        without: 0,
    })
}
