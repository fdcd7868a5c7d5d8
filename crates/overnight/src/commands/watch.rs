//! `overnight watch`: how batches get on, until they have ended.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use crate::client::errors::ClientError;
use crate::client::wire::{Batch, Progress, Told};
use crate::show::live::Live;
use crate::show::text::{count, counted, span, tokens};
use crate::show::{Tone, Voice, insist, print_json};

/// How often a server is asked: it brings its answers up to date once a second.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a server may be away while a batch is watched. Batches survive its restart.
const ABSENCE_PATIENCE: Duration = Duration::from_mins(10);

/// How many errors of a refused input are shown.
const ERRORS_SHOWN: usize = 10;

/// The flags of `overnight watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// The batches: ids, their beginnings or ends, or @last.
    #[arg(value_name = "ID", default_value = "@last")]
    ids: Vec<String>,
    /// Say with the exit code how they ended: 0 all lines ok, 3 some failed, 5 cancelled or expired, 6 refused.
    #[arg(long)]
    exit_status: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// That they have ended.
    OfWatching,
    /// How they ended; of several the worst.
    OfBatches,
}

/// Shows the batches until all have ended.
pub(super) async fn watch(args: WatchArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let mut ids = Vec::new();
    for text in &args.ids {
        ids.push(asking.client.batch_id(text).await?);
    }
    let code = if args.exit_status {
        Code::OfBatches
    } else {
        Code::OfWatching
    };
    until_ended(&asking, ids, code).await
}

/// Tells of a batch that was begun; waits for its end when that is wanted, and then the exit code says how it
/// ended.
pub(super) async fn begun(
    asking: &Asking,
    batch: Told<Batch>,
    waits: bool,
) -> anyhow::Result<ExitCode> {
    asking.print_batch(&batch)?;
    let id = batch.read.id;
    if waits {
        return until_ended(asking, vec![id], Code::OfBatches).await;
    }
    asking
        .voice
        .say(&format!("see how it gets on: overnight watch {id}"));
    Ok(ExitCode::SUCCESS)
}

/// Shows batches until all have ended, and tells how.
pub(super) async fn until_ended(
    asking: &Asking,
    ids: Vec<String>,
    code: Code,
) -> anyhow::Result<ExitCode> {
    let mut live = Live::new(asking.voice);
    let mut open = ids;
    let mut last: Vec<Value> = vec![Value::Null; open.len()];
    let mut ended: Vec<Batch> = Vec::new();
    let mut away_since: Option<Instant> = None;
    while !open.is_empty() {
        let mut still = Vec::new();
        for (id, before) in open.into_iter().zip(last) {
            let (batch, progress) = match look(asking, &id).await {
                Ok(seen) => {
                    away_since = None;
                    seen
                }
                Err(error) if error.is_absence() => {
                    let since = *away_since.get_or_insert_with(|| {
                        live.say(&format!("{error}; still watching"));
                        Instant::now()
                    });
                    if since.elapsed() > ABSENCE_PATIENCE {
                        return Err(error.into());
                    }
                    still.push((id, before));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let seen = json!({ "batch": batch.json, "progress": progress.json });
            if asking.voice.is_json && seen != before {
                print_json(&seen)?;
            }
            live.show(&batch.read, &progress.read);
            if batch.read.is_ended() {
                ended.push(batch.read);
            } else {
                still.push((id, seen));
            }
        }
        (open, last) = still.into_iter().unzip();
        if !open.is_empty() {
            sleep(LOOK_INTERVAL).await;
        }
    }
    live.finish();
    let mut worst = 0;
    for batch in &ended {
        tell(batch, asking.voice);
        worst = worst.max(batch.exit_code());
    }
    Ok(match code {
        Code::OfWatching => ExitCode::SUCCESS,
        Code::OfBatches => ExitCode::from(worst),
    })
}

/// How a batch is, and what it does; a server that does not say the latter has nothing to say.
async fn look(asking: &Asking, id: &str) -> Result<(Told<Batch>, Told<Progress>), ClientError> {
    let batch = asking.client.batch(id).await?;
    Ok((batch, progress(asking, id).await?))
}

/// What a batch does.
pub(super) async fn progress(asking: &Asking, id: &str) -> Result<Told<Progress>, ClientError> {
    let progress = asking
        .client
        .get(&format!("/v1/batches/{id}/progress"))
        .await;
    match progress {
        Err(error) if error.is_not_found() => Ok(Told {
            read: Progress::default(),
            json: Value::Null,
        }),
        answered => answered,
    }
}

/// Tells how a batch ended, and what to do next.
fn tell(batch: &Batch, voice: Voice) {
    let counts = batch.counts();
    let took = batch
        .ended_at()
        .map(|at| at.saturating_sub(batch.created_at));
    let took = took
        .map(|seconds| format!(" in {}", span(seconds)))
        .unwrap_or_default();
    let status = voice.paint_aside(Tone::of(&batch.status), &batch.status);
    let mut text = format!(
        "{} {status}{took}: {} of {} ok, {} failed",
        batch.id,
        count(counts.completed),
        counted(counts.total, "line"),
        count(counts.failed),
    );
    if let Some(usage) = batch.usage {
        #[expect(clippy::cast_precision_loss, reason = "it is shown shortened")]
        let shown = [usage.input_tokens, usage.output_tokens].map(|number| tokens(number as f64));
        let [input, output] = shown;
        // Writing to a string cannot fail.
        let _ = write!(text, "; {input} input and {output} output tokens");
    }
    voice.say(&text);
    for error in batch
        .errors
        .iter()
        .flat_map(|list| &list.data)
        .take(ERRORS_SHOWN)
    {
        let line = error
            .line
            .map(|line| format!("line {line}: "))
            .unwrap_or_default();
        insist(&format!("  {line}{}", error.message));
    }
    if batch.output_file_id.is_some() {
        voice.say(&format!(
            "results: overnight results {} -o OUT.jsonl",
            batch.id
        ));
    }
    if batch.error_file_id.is_some() {
        voice.say(&format!("failed lines: overnight errors {}", batch.id));
    }
}
