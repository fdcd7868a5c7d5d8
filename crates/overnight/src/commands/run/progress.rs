//! How a run gets on, on stderr: a bar on a terminal, else a plain line every ten seconds.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{
    HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle,
};
use overnight_core::batch::Batch;
use overnight_engine::LiveBatch;
use tokio::time::Instant;

use crate::config::units::Span;
use crate::wiring::logs;

/// How often a plain line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// What the bar looks like.
const TEMPLATE: &str = "{bar:32} {human_pos}/{human_len}  {percent} %  {rate}  ETA {eta}  {msg}";

/// What the bar looks like before the number of lines is known.
const TEMPLATE_CHECKING: &str = "{spinner} checking the input  {elapsed}";

/// Shows how a run gets on.
pub(super) struct Progress {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
    is_counting: bool,
    /// Whether nothing is shown.
    is_quiet: bool,
    started: Instant,
    /// The lines that had ended before this run began.
    before: u64,
    /// When the last plain line was written, and how many lines had ended by then.
    last: (Instant, u64),
    ended: u64,
}

/// What one run did, without those before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long it took.
    pub(super) elapsed: Duration,
    /// The lines that ended before it.
    pub(super) before: u64,
    /// Whether nobody wants to be told.
    pub(super) is_quiet: bool,
}

impl Progress {
    /// Shows nothing yet, or nothing at all.
    pub(super) fn start(is_quiet: bool) -> Self {
        let now = Instant::now();
        let is_live = io::stderr().is_terminal() && !is_quiet;
        let bar = is_live.then(ProgressBar::no_length);
        let bars = MultiProgress::new();
        Self {
            bars,
            bar,
            is_counting: false,
            is_quiet,
            started: now,
            before: 0,
            last: (now, 0),
            ended: 0,
        }
    }

    /// Where log lines go so that they do not tear the bar.
    pub(super) fn log_target(&self) -> logs::To {
        match &self.bar {
            Some(_) => logs::To::Above(self.bars.clone()),
            None => logs::To::Stderr,
        }
    }

    /// Begins to show, at what an earlier run has recorded.
    pub(super) fn begin(&mut self, batch: &Batch) {
        self.before = batch.tally.ended();
        self.ended = self.before;
        self.last = (self.started, self.before);
        if self.before > 0 {
            let (ended, total) = (HumanCount(self.before), HumanCount(batch.total()));
            self.say(&format!("going on at {ended} of {total} lines"));
        }
        if let Some(bar) = &self.bar {
            self.bars.add(bar.clone());
            bar.set_style(style(TEMPLATE_CHECKING));
        }
    }

    /// Shows the state of the run.
    pub(super) fn show(&mut self, live: &LiveBatch) {
        self.ended = live.completed + live.failed;
        match self.bar.clone() {
            Some(bar) => self.draw(&bar, live),
            None => self.write(live),
        }
    }

    /// Says that the run is about to stop.
    pub(super) fn stopping(&self, live: &LiveBatch, grace: Span) {
        let left = match live.in_flight {
            0 => "what has ended is recorded".to_owned(),
            count => format!(
                "{} requests in flight are given {grace} to end",
                HumanCount(count)
            ),
        };
        self.say(&format!("stopping: {left}; Ctrl-C again quits at once"));
    }

    /// Writes a line above the bar.
    pub(super) fn say(&self, line: &str) {
        if self.is_quiet {
            return;
        }
        // When there is nobody to tell, the run goes on all the same.
        let _ = self.bars.suspend(|| writeln!(io::stderr(), "{line}"));
    }

    /// Takes the bar away.
    pub(super) fn finish(self) -> Pace {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        Pace {
            elapsed: self.started.elapsed(),
            before: self.before,
            is_quiet: self.is_quiet,
        }
    }

    fn draw(&mut self, bar: &ProgressBar, live: &LiveBatch) {
        if live.total == 0 {
            bar.tick();
            return;
        }
        if !self.is_counting {
            self.is_counting = true;
            bar.set_length(live.total);
            bar.set_position(self.before);
            bar.set_style(style(TEMPLATE));
            // What an earlier run did says nothing about this one's speed.
            bar.reset_eta();
        }
        bar.set_position(self.ended);
        bar.set_message(condition(live));
    }

    fn write(&mut self, live: &LiveBatch) {
        let (since, ended) = self.last;
        let elapsed = since.elapsed();
        if elapsed < LINE_INTERVAL {
            return;
        }
        self.last = (Instant::now(), self.ended);
        if live.total == 0 {
            self.say("checking the input");
            return;
        }
        let here = u32::try_from(self.ended.saturating_sub(ended)).unwrap_or(u32::MAX);
        let rate = f64::from(here) / elapsed.as_secs_f64();
        let left = u32::try_from(live.total.saturating_sub(self.ended)).unwrap_or(u32::MAX);
        let eta = match here {
            0 => "unknown".to_owned(),
            _ => HumanDuration(Duration::from_secs_f64(f64::from(left) / rate)).to_string(),
        };
        self.say(&format!(
            "{}/{} lines, {rate:.1}/s, ETA {eta}, {}",
            HumanCount(self.ended),
            HumanCount(live.total),
            condition(live),
        ));
    }
}

/// What is going on besides counting.
fn condition(live: &LiveBatch) -> String {
    let mut text = format!(
        "in flight {}, failed {}",
        live.in_flight,
        HumanCount(live.failed)
    );
    if live.retrying > 0 {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            ", waiting to be tried again {}",
            HumanCount(live.retrying)
        );
    }
    if let Some(reason) = &live.reason {
        text.push_str("; ");
        text.push_str(reason);
    }
    text
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", write_rate)
}

fn write_rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // A terminal that cannot be written to shows nothing anyway.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [TEMPLATE, TEMPLATE_CHECKING] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn a_reason_to_wait_is_told() {
        let live = LiveBatch {
            failed: 1200,
            in_flight: 7,
            retrying: 2,
            reason: Some("the upstream is away".to_owned()),
            ..LiveBatch::default()
        };
        assert_eq!(
            condition(&live),
            "in flight 7, failed 1,200, waiting to be tried again 2; the upstream is away"
        );
    }
}
