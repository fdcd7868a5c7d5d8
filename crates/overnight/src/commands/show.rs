//! `overnight show`: all there is to say about a batch.

use std::process::ExitCode;

use super::Surroundings;
use super::asking::{AskArgs, Asking};
use super::watch::progress;
use crate::client::wire::{Batch, Progress, Usage};
use crate::show::text::{ago, clock, count, percent, rate, span};
use crate::show::{Tone, print, print_json};

/// How many errors of a refused input are shown.
const ERRORS_SHOWN: usize = 20;

/// The flags of `overnight show`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The batch: its id, the beginning or end of it, or @last.
    #[arg(value_name = "ID", default_value = "@last")]
    id: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Prints the batch.
pub(super) async fn show(args: ShowArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let asking = args.ask.ready(around)?;
    let id = asking.client.batch_id(&args.id).await?;
    let batch = asking.client.batch(&id).await?;
    if asking.voice.is_json {
        print_json(&batch.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let progress = progress(&asking, &id).await?;
    for (name, value) in facts(&asking, &batch.read, &progress.read) {
        print(&format!(
            "{:10} {value}",
            asking.voice.paint(Tone::Faint, name)
        ))?;
    }
    for error in batch
        .read
        .errors
        .iter()
        .flat_map(|list| &list.data)
        .take(ERRORS_SHOWN)
    {
        let code = error.code.as_deref().unwrap_or("error");
        let line = error
            .line
            .map(|line| format!("line {line} "))
            .unwrap_or_default();
        print(&format!("  {line}{code} {}", error.message))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said about a batch, by name.
#[derive(Default)]
struct Facts(Vec<(&'static str, String)>);

impl Facts {
    fn add(&mut self, name: &'static str, value: impl Into<Option<String>>) {
        self.0.extend(value.into().map(|value| (name, value)));
    }
}

fn facts(asking: &Asking, batch: &Batch, progress: &Progress) -> Vec<(&'static str, String)> {
    let mut facts = Facts::default();
    facts.add("batch", batch.id.clone());
    let status = asking.voice.paint(Tone::of(&batch.status), &batch.status);
    facts.add("status", status);
    add_progress(&mut facts, batch, progress);
    facts.add("model", batch.model.clone());
    facts.add("endpoint", batch.endpoint.clone());
    add_times(&mut facts, batch, asking.now());
    let tokens = |usage: Usage| {
        let (input, output) = (count(usage.input_tokens), count(usage.output_tokens));
        format!("{input} in, {output} out")
    };
    facts.add("tokens", batch.usage.map(tokens));
    facts.add("input", batch.input_file_id.clone());
    facts.add("output", batch.output_file_id.clone());
    facts.add("errors", batch.error_file_id.clone());
    for (key, value) in batch.metadata.iter().flatten() {
        facts.add("metadata", format!("{key}={value}"));
    }
    facts.add("retry of", progress.parent.clone());
    for child in &progress.children {
        facts.add("retried as", child.clone());
    }
    facts.0
}

/// How far it is, and why it is no farther.
fn add_progress(facts: &mut Facts, batch: &Batch, progress: &Progress) {
    let paused = "by a person; `overnight resume` goes on";
    facts.add("paused", progress.paused.then(|| paused.to_owned()));
    facts.add("reason", progress.reason.clone());
    let counts = batch.counts();
    let ended = counts.completed + counts.failed;
    let lines = format!(
        "{} of {} ended ({}), {} ok, {} failed",
        count(ended),
        count(counts.total),
        percent(ended, counts.total),
        count(counts.completed),
        count(counts.failed),
    );
    facts.add("lines", lines);
    if batch.is_ended() || batch.status == "validating" {
        return;
    }
    let speed = rate(progress.lines_per_second);
    let in_flight = count(progress.in_flight);
    facts.add("rate", format!("{speed}, {in_flight} in flight"));
    facts.add("ETA", progress.eta_seconds.map(clock));
}

/// When what happened, and when it has to end.
fn add_times(facts: &mut Facts, batch: &Batch, now: u64) {
    facts.add("created", ago(batch.created_at, now));
    facts.add("started", batch.in_progress_at.map(|at| ago(at, now)));
    let ended = batch.ended_at().map(|at| {
        let took = span(at.saturating_sub(batch.created_at));
        format!("{}, after {took}", ago(at, now))
    });
    facts.add("ended", ended);
    let left = batch.expires_at.filter(|_| !batch.is_ended());
    let left = left.map(|at| {
        let window = &batch.completion_window;
        format!("in {} (window {window})", span(at.saturating_sub(now)))
    });
    facts.add("expires", left);
}
