//! How batches of a server get on, on stderr: bars on a terminal, else a plain line every ten seconds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::Voice;
use super::text::{clock, count, percent, rate, size, tokens};
use crate::client::wire::{Batch, Counts, Progress};

/// How often a plain line is written while the status stays the same.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// What the bar of a batch looks like.
const BAR: &str = "{prefix} {bar:28} {msg}";

/// What the bar of bytes looks like.
const BYTES: &str = "{prefix} {bar:28} {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}";

/// What the lines below a bar look like.
const NOTE: &str = "  {msg}";

/// Shows how batches get on.
pub(crate) struct Live {
    voice: Voice,
    bars: MultiProgress,
    rows: BTreeMap<String, Row>,
}

/// One batch.
struct Row {
    bar: ProgressBar,
    notes: [ProgressBar; 2],
    /// The status that was last told, and when.
    told: Option<(String, Instant)>,
}

impl Live {
    /// Shows nothing yet.
    pub(crate) fn new(voice: Voice) -> Self {
        let bars = MultiProgress::new();
        if !voice.is_live {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            voice,
            bars,
            rows: BTreeMap::new(),
        }
    }

    /// Shows how a batch is.
    pub(crate) fn show(&mut self, batch: &Batch, progress: &Progress) {
        let (voice, bars) = (self.voice, &self.bars);
        let row = self.rows.entry(batch.id.clone()).or_insert_with(|| Row {
            bar: bars.add(ProgressBar::new(0).with_style(style(BAR))),
            notes: [0, 1].map(|_| bars.add(ProgressBar::new(0).with_style(style(NOTE)))),
            told: None,
        });
        let facts = facts(batch, progress);
        if voice.is_live {
            row.draw(batch, progress, &facts);
            return;
        }
        let is_due = row
            .told
            .as_ref()
            .is_none_or(|(status, at)| *status != batch.status || at.elapsed() >= LINE_INTERVAL);
        if is_due {
            row.told = Some((batch.status.clone(), Instant::now()));
            let reason = progress.reason.as_deref();
            let reason = reason
                .map(|reason| format!("; {reason}"))
                .unwrap_or_default();
            voice.say(&format!("{} {}: {facts}{reason}", batch.id, batch.status));
        }
    }

    /// Says a sentence above the bars.
    pub(crate) fn say(&self, text: &str) {
        self.bars.suspend(|| self.voice.say(text));
    }

    /// Takes the bars away.
    pub(crate) fn finish(self) {
        // A terminal that cannot be written to shows nothing anyway.
        let _ = self.bars.clear();
    }
}

impl Row {
    fn draw(&self, batch: &Batch, progress: &Progress, facts: &str) {
        let Counts {
            total,
            completed,
            failed,
        } = batch.counts();
        self.bar.set_length(total.max(1));
        self.bar.set_position(completed + failed);
        let short: String = batch
            .id
            .chars()
            .rev()
            .take(6)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        self.bar.set_prefix(format!("…{short} {}", batch.status));
        self.bar.set_message(facts.to_owned());
        let [first, second] = &self.notes;
        let mut note = format!("ok {}  failed {}", count(completed), count(failed));
        // Writing to a string cannot fail, here and below.
        let _ = write!(note, "  in flight {}", count(progress.in_flight));
        if let Some(limit) = progress.limit.filter(|limit| *limit > 0) {
            let _ = write!(note, "/{}", count(limit));
        }
        if progress.retrying > 0 {
            let _ = write!(note, "  to be tried again {}", count(progress.retrying));
        }
        if let Some(latency) = progress.latency_ms {
            let seconds = |ms: f64| ms / 1_000.0;
            let (p50, p95, p99) = (latency.p50, latency.p95, latency.p99);
            let _ = write!(note, "  p50 {:.1}s p95 {:.1}s", seconds(p50), seconds(p95));
            let _ = write!(note, " p99 {:.1}s", seconds(p99));
        }
        first.set_message(note);
        second.set_message(progress.reason.clone().unwrap_or_default());
    }
}

/// How far it is, how fast, and how long it will take.
fn facts(batch: &Batch, progress: &Progress) -> String {
    let Counts {
        total,
        completed,
        failed,
    } = batch.counts();
    let ended = completed + failed;
    let mut text = format!(
        "{}/{} lines  {}",
        count(ended),
        count(total),
        percent(ended, total)
    );
    if batch.is_ended() {
        return text;
    }
    if progress.paused {
        text.push_str("  paused");
    }
    if progress.lines_per_second > 0.0 {
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "  {}", rate(progress.lines_per_second));
    }
    if let Some(rates) = progress
        .tokens_per_second
        .filter(|rates| rates.output > 0.0)
    {
        let _ = write!(text, "  {} tok/s", tokens(rates.output));
    }
    if let Some(eta) = progress.eta_seconds {
        let _ = write!(text, "  ETA {}", clock(eta));
    }
    if failed > 0 {
        let _ = write!(text, "  failed {}", count(failed));
    }
    text
}

/// A bar for bytes that are sent or taken, when there is a terminal to draw on.
pub(crate) fn byte_bar(voice: Voice, what: &str, bytes: u64) -> ProgressBar {
    let bar = if voice.is_live {
        ProgressBar::new(bytes)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(style(BYTES));
    bar.set_prefix(what.to_owned());
    voice.detail(&format!("{what} {}", size(bytes)));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, BYTES, NOTE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_batch_is_told_in_a_line() {
        let batch: Batch = serde_json::from_value(json!({
            "id": "batch_1", "endpoint": "/v1/x", "status": "in_progress",
            "input_file_id": "file-1", "completion_window": "24h", "created_at": 0,
            "request_counts": { "total": 1000, "completed": 620, "failed": 3 },
        }))
        .unwrap();
        let progress: Progress = serde_json::from_value(json!({
            "lines_per_second": 12.4, "eta_seconds": 31, "in_flight": 4,
            "tokens_per_second": { "input": 1.0, "output": 41_200.0 },
        }))
        .unwrap();
        let expected = "623/1,000 lines  62.3 %  12/s  41.2k tok/s  ETA 00:31  failed 3";
        assert_eq!(facts(&batch, &progress), expected);
        let ended = Batch {
            status: "expired".to_owned(),
            ..batch
        };
        assert_eq!(facts(&ended, &progress), "623/1,000 lines  62.3 %");
    }
}
