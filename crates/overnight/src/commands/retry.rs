//! `overnight retry-failed`: the failed lines of a batch as a new one, or those of a file as a new input.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Map, Value};

use super::asking::{AskArgs, Asking};
use super::pairs::parse_set;
use super::{Surroundings, errors, watch};
use crate::client::wire::{Batch, Failures, Told};
use crate::failure::UsageError;
use crate::lines::ids::{LineId, ended, id_of};
use crate::lines::output::Output;
use crate::lines::source::each_line;
use crate::show::text::counted;
use crate::show::{insist, print_json};

/// The flags of `overnight retry-failed`.
#[derive(Debug, clap::Args)]
pub(crate) struct RetryArgs {
    /// The batch: its id, the beginning or end of it, or @last; or a file of failed lines, OUT.errors.jsonl.
    #[arg(value_name = "ID|ERRORS.jsonl")]
    what: String,
    /// The input that the file of failed lines belongs to; those lines are written to `-o`.
    #[arg(long, value_name = "IN.jsonl")]
    input: Option<PathBuf>,
    /// Where the lines of a file go [default: stdout].
    #[arg(short, long, value_name = "FILE", requires = "input")]
    output: Option<PathBuf>,
    /// The lines of one cause alone, by its number in `overnight errors`, from 1.
    #[arg(long, value_name = "CAUSE", conflicts_with = "input")]
    cause: Option<usize>,
    /// Another value for a key of each body, such as `max_tokens=8192`; the value is JSON, or else a text.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_set)]
    set: Vec<(String, Value)>,
    /// Another model.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Wait until the new batch has ended; the exit code says how.
    #[arg(long, conflicts_with = "input")]
    wait: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// What is asked of a server.
#[derive(Serialize)]
struct Retry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    set: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

/// Begins the new batch, and prints its id; or writes the lines of a file.
pub(super) async fn retry(args: RetryArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let file = Path::new(&args.what);
    if let Some(input) = &args.input {
        from_file(&asking, &args, file, input)?;
        return Ok(ExitCode::SUCCESS);
    }
    if file.is_file() {
        let text = format!(
            "{}: say with --input which file its lines came from",
            args.what
        );
        return Err(UsageError(text).into());
    }
    let id = asking.client.batch_id(&args.what).await?;
    let failures: Option<Failures> = match args.cause {
        Some(_) => Some(
            asking
                .client
                .get(&format!("/v1/batches/{id}/failures"))
                .await?,
        ),
        None => None,
    };
    let failures = failures.as_ref();
    let signature = failures
        .map(|failures| errors::chosen(failures, args.cause))
        .transpose()?;
    let retry = Retry {
        signature: signature.flatten(),
        set: args.set.iter().cloned().collect(),
        model: args.model.as_deref(),
    };
    let path = format!("/v1/batches/{id}/retry");
    let batch: Told<Batch> = asking.client.post(&path, &retry).await?;
    watch::begun(&asking, batch, args.wait).await
}

/// Writes the input lines of the failed lines of a file.
fn from_file(asking: &Asking, args: &RetryArgs, errors: &Path, input: &Path) -> anyhow::Result<()> {
    let mut failed: BTreeSet<LineId> = BTreeSet::new();
    each_line(errors, |line| {
        let (Some(id), Some(ended)) = (id_of(line.bytes), ended(line.bytes)) else {
            bail!("{}:{}: this is no result line", errors.display(), line.no);
        };
        if !ended.is_ok() {
            failed.insert(LineId::of(&id));
        }
        Ok(())
    })?;
    let wanted = failed.len();
    let mut output = Output::create(args.output.as_deref())?;
    let mut written = 0_u64;
    each_line(input, |line| {
        let is_wanted = id_of(line.bytes).is_some_and(|id| failed.remove(&LineId::of(&id)));
        if !is_wanted {
            return Ok(());
        }
        written += 1;
        if args.set.is_empty() && args.model.is_none() {
            return output.put_line(line.bytes);
        }
        let changed = changed(line.bytes, args)
            .with_context(|| format!("{}:{}", input.display(), line.no))?;
        output.put_line(&changed)
    })?;
    output.finish()?;
    let missing = failed.len();
    if missing > 0 {
        insist(&format!(
            "{missing} of {} are of no line of {}",
            counted(wanted as u64, "failed line"),
            input.display()
        ));
    }
    asking
        .voice
        .say(&format!("wrote {}", counted(written, "line")));
    if asking.voice.is_json && args.output.is_some() {
        print_json(&serde_json::json!({ "written": written, "missing": missing }))?;
    }
    Ok(())
}

/// An input line with other values in its body.
fn changed(line: &[u8], args: &RetryArgs) -> anyhow::Result<Vec<u8>> {
    let mut request: Value = serde_json::from_slice(line).context("this line is no JSON")?;
    let body = request.get_mut("body").and_then(Value::as_object_mut);
    let body = body.context("this line has no body")?;
    let model = args
        .model
        .iter()
        .map(|model| ("model".to_owned(), Value::from(model.as_str())));
    body.extend(args.set.iter().cloned().chain(model));
    Ok(serde_json::to_vec(&request)?)
}
