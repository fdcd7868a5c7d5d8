//! `overnight errors`: why lines of a batch failed, by cause.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use crate::client::wire::{FailureGroup, Failures, Line, Page, Told};
use crate::lines::output::Output;
use crate::show::table::{Cell, Side, Table};
use crate::show::text::{count, counted, shortened};
use crate::show::{Tone, print, print_json};

/// The widest that the message of a line is shown.
const PREVIEW_CHARS: usize = 80;

/// Lines on a page.
const PAGE: u64 = 1_000;

/// The flags of `overnight errors`.
#[derive(Debug, clap::Args)]
pub(crate) struct ErrorsArgs {
    /// The batch: its id, the beginning or end of it, or @last.
    #[arg(value_name = "ID", default_value = "@last")]
    id: String,
    /// The failed lines in the place of their causes; of one cause alone with its number in the list, from 1.
    #[arg(long, value_name = "CAUSE", num_args = 0..=1, default_missing_value = "0")]
    lines: Option<usize>,
    /// Write the input lines of what failed to a file: to be mended, and submitted again.
    #[arg(long, value_name = "FILE")]
    export_inputs: Option<PathBuf>,
    /// With `--export-inputs`: those of one cause alone, by its number in the list, from 1.
    #[arg(long, value_name = "CAUSE", requires = "export_inputs")]
    cause: Option<usize>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Prints the causes, or the lines.
pub(super) async fn errors(args: ErrorsArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let id = asking.client.batch_id(&args.id).await?;
    let failures: Failures = asking
        .client
        .get(&format!("/v1/batches/{id}/failures"))
        .await?;
    if let Some(path) = &args.export_inputs {
        let signature = chosen(&failures, args.cause)?;
        let written = export(&asking, &id, signature, path).await?;
        let lines = counted(written, "line");
        asking
            .voice
            .say(&format!("wrote {lines} to {}", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    match args.lines {
        None => print_causes(&asking, &id, &failures)?,
        Some(number) => {
            let signature = chosen(&failures, Some(number).filter(|number| *number > 0))?;
            print_lines(&asking, &id, signature).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The signature of the cause that a person names by its number.
pub(super) fn chosen(failures: &Failures, number: Option<usize>) -> anyhow::Result<Option<&str>> {
    let Some(number) = number else {
        return Ok(None);
    };
    let cause = number
        .checked_sub(1)
        .and_then(|place| failures.data.get(place));
    let Some(cause) = cause else {
        let causes = counted(failures.data.len() as u64, "cause");
        anyhow::bail!("there is no cause {number}; there are {causes}, numbered from 1");
    };
    Ok(Some(&cause.read.signature))
}

fn print_causes(asking: &Asking, id: &str, failures: &Failures) -> anyhow::Result<()> {
    if asking.voice.is_json {
        return failures
            .data
            .iter()
            .try_for_each(|cause| print_json(&cause.json));
    }
    if failures.data.is_empty() {
        asking.voice.say(&format!("no line of {id} has failed"));
        return Ok(());
    }
    for (number, Told { read: cause, .. }) in failures.data.iter().enumerate() {
        let FailureGroup {
            signature,
            code,
            status_code,
            count: lines,
            first_line,
            sample,
            hint,
            ..
        } = cause;
        let status = status_code.map(|status| format!("status {status}"));
        let kind: Vec<String> = status.into_iter().chain(code.clone()).collect();
        let head = format!(
            "{}. {}, {}",
            number + 1,
            counted(*lines, "line"),
            kind.join(" ")
        );
        print(&asking.voice.paint(Tone::Bad, &head))?;
        print(&format!("   {}", sample.as_deref().unwrap_or(signature)))?;
        let first = first_line.map(|line| format!("first at line {line}"));
        let advice: Vec<&str> = first.iter().chain(hint).map(String::as_str).collect();
        print(&format!(
            "   {}",
            asking.voice.paint(Tone::Faint, &advice.join("; "))
        ))?;
    }
    asking.voice.say(&format!(
        "{} failed; send them again: overnight retry-failed {id}",
        counted(failures.total, "line")
    ));
    Ok(())
}

/// Gives out the failed lines of a cause, or of all, by their numbers.
async fn each_failed(
    asking: &Asking,
    id: &str,
    signature: Option<&str>,
    mut take: impl AsyncFnMut(Told<Line>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let signature = signature.map(|text| format!("&signature={}", in_query(text)));
    let signature = signature.unwrap_or_default();
    let mut after = 0;
    loop {
        let path =
            format!("/v1/batches/{id}/lines?status=failed{signature}&after={after}&limit={PAGE}");
        let page: Page<Told<Line>> = asking.client.get(&path).await?;
        let before = after;
        for line in page.data {
            after = line.read.number;
            take(line).await?;
        }
        if !page.has_more || after == before {
            return Ok(());
        }
    }
}

async fn print_lines(asking: &Asking, id: &str, signature: Option<&str>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("LINE", Side::Right),
        ("ID", Side::Left),
        ("STATUS", Side::Right),
        ("TRIES", Side::Right),
        ("MESSAGE", Side::Left),
    ]);
    each_failed(asking, id, signature, async |Told { read: line, json }| {
        if asking.voice.is_json {
            return print_json(&json);
        }
        let status = line.status_code.map(|status| status.to_string());
        let preview = line.preview.unwrap_or_default();
        table.row(vec![
            count(line.number).into(),
            shortened(&line.custom_id.unwrap_or_default(), PREVIEW_CHARS / 2).into(),
            Cell::toned(status.unwrap_or_else(|| "-".to_owned()), Tone::Bad),
            line.attempts.map_or_else(String::new, count).into(),
            shortened(&preview, PREVIEW_CHARS).into(),
        ]);
        Ok(())
    })
    .await?;
    if asking.voice.is_json {
        return Ok(());
    }
    table.print(asking.voice)
}

/// Writes the input lines of what failed.
async fn export(
    asking: &Asking,
    id: &str,
    signature: Option<&str>,
    path: &std::path::Path,
) -> anyhow::Result<u64> {
    let mut output = Output::create(Some(path))?;
    let mut written = 0;
    each_failed(asking, id, signature, async |line| {
        let path = format!("/v1/batches/{id}/lines/{}", line.read.number);
        let whole: Value = asking.client.get(&path).await?;
        let request = whole.get("request").filter(|request| request.is_object());
        let Some(request) = request else {
            anyhow::bail!(
                "the server does not have line {} any more",
                line.read.number
            );
        };
        written += 1;
        output.put_line(request.to_string().as_bytes())
    })
    .await?;
    output.finish()?;
    Ok(written)
}

/// A text as it stands in a query.
pub(super) fn in_query(text: &str) -> String {
    let escaped = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_cannot_hold_is_escaped() {
        assert_eq!(in_query("a-1 ü&="), "a-1%20%C3%BC%26%3D");
    }
}
