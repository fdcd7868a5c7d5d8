//! What happened to a batch and to some of its lines, as spans for whoever draws traces.
//!
//! ```text
//! batch                    from its creation to its end
//! └── run                  each time that a worker held it
//!     ├── validate
//!     ├── line             those that are sampled
//!     │   └── attempt      each time that it was sent
//!     └── seal
//! ```
//!
//! A trace belongs to a batch and not to a process: its id and that of its first span are made of the
//! batch's id, so that what several workers tell of one batch comes together without their talking to
//! each other. Spans are told once they are over, and at best effort: what a process that dies has not
//! told is not told by the next.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::attempt::Reply;
use overnight_core::batch::{Batch, Lease};
use overnight_core::id::BatchId;
use overnight_core::time::{Clock, Timestamp};

use crate::line::Line;
use crate::shared::{Shared, lock};
use crate::upstream::Received;

/// The span of one request to an upstream.
const ATTEMPT: &str = "attempt";

/// Takes spans.
pub trait Tracer: Send + Sync + 'static {
    /// Takes one that is over. It is called on the way of lines, so it must not wait for anything.
    fn record(&self, span: Span);
}

/// Who is told of spans, and of how many lines.
#[derive(Clone)]
pub struct Tracing {
    /// Who takes them.
    pub tracer: Arc<dyn Tracer>,
    /// The share of lines that have spans, from 0 to 1. Which ones is a matter of batch and line, so that all
    /// attempts of a line are told or none.
    pub line_share: f64,
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing")
            .field("line_share", &self.line_share)
            .finish_non_exhaustive()
    }
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which trace it belongs to, and which span it is.
    pub context: SpanContext,
    /// The span that it is a part of; `None` for that of the batch.
    pub parent: Option<u64>,
    /// What it is: one of the names in the head of this module.
    pub name: &'static str,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What is known of it. The keys are those of the log, and those of OpenTelemetry's conventions.
    pub facts: Vec<(&'static str, Fact)>,
    /// What happened within it, and when.
    pub moments: Vec<(&'static str, Timestamp)>,
    /// Why it failed, if it did.
    pub fault: Option<String>,
}

impl Span {
    /// Whether it is a request to another server.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.name == ATTEMPT
    }
}

/// The names of a span, as they are passed on to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
}

impl fmt::Display for SpanContext {
    /// As the header `traceparent` has it (<https://www.w3.org/TR/trace-context/#traceparent-header>), of a
    /// span that is recorded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

/// Something that is known of a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A text.
    Text(Arc<str>),
    /// A number.
    Number(u64),
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// The trace of one run of a batch.
pub(crate) struct RunTrace {
    tracing: Tracing,
    clock: Clock,
    batch: SpanContext,
    run: u64,
    lease: Lease,
    began: Timestamp,
    /// When the lines that are under way and sampled were first sent.
    first_sent: Mutex<BTreeMap<u32, Timestamp>>,
}

/// An attempt that is under way.
#[derive(Clone, Copy)]
pub(crate) struct AttemptTrace {
    context: SpanContext,
    line: u64,
    began: Timestamp,
}

impl AttemptTrace {
    /// What the upstream is told.
    pub(crate) const fn context(&self) -> SpanContext {
        self.context
    }
}

impl RunTrace {
    /// The trace of a run that begins now; `None` when nobody is told of it.
    pub(crate) fn of(shared: &Shared, lease: &Lease) -> Option<Self> {
        let tracing = shared.tracing.clone()?;
        let batch = batch_context(&lease.batch);
        Some(Self {
            run: derived(&(batch.span, "run", lease.epoch)),
            began: shared.clock.now(),
            tracing,
            clock: shared.clock.clone(),
            batch,
            lease: lease.clone(),
            first_sent: Mutex::default(),
        })
    }

    /// Tells of a stage of the run that began then and ends now.
    pub(crate) fn stage(&self, name: &'static str, began: Timestamp, fault: Option<String>) {
        let id = derived(&(self.run, name));
        let span = self.span(name, id, Some(self.run), began);
        self.tracing.tracer.record(Span { fault, ..span });
    }

    /// Begins an attempt of a line, if that is sampled.
    pub(crate) fn attempt(&self, line: &Line) -> Option<AttemptTrace> {
        let number = line.entry.line;
        if !self.is_sampled(number) {
            return None;
        }
        let began = self.clock.now();
        lock(&self.first_sent).entry(number).or_insert(began);
        let line_span = self.line_span(number);
        let span = derived(&(line_span, line.attempts()));
        Some(AttemptTrace {
            context: SpanContext { span, ..self.batch },
            line: line_span,
            began,
        })
    }

    /// Tells of an attempt that has ended.
    pub(crate) fn attempted(
        &self,
        attempt: AttemptTrace,
        (line, upstream, model): (&Line, &str, &Arc<str>),
        (received, took): (&Received, Duration),
    ) {
        let AttemptTrace {
            context,
            line: parent,
            began,
        } = attempt;
        let mut facts = vec![
            ("batch.id", self.lease.batch.as_str().into()),
            ("line.no", u64::from(line.entry.line).into()),
            ("attempt", (u64::from(line.attempts()) + 1).into()),
            ("upstream.name", upstream.into()),
            ("gen_ai.request.model", Fact::Text(Arc::clone(model))),
        ];
        if let Reply::Answered { status, .. } = &received.reply {
            facts.push(("http.response.status_code", u64::from(*status).into()));
        }
        let usage = &received.usage;
        for (key, tokens) in [
            ("gen_ai.usage.input_tokens", usage.input_tokens),
            ("gen_ai.usage.output_tokens", usage.output_tokens),
        ] {
            if tokens > 0 {
                facts.push((key, tokens.into()));
            }
        }
        if let Some(id) = &received.request_id {
            facts.push(("upstream.request_id", id.as_str().into()));
        }
        self.tracing.tracer.record(Span {
            context,
            parent: Some(parent),
            name: ATTEMPT,
            began,
            took,
            facts,
            moments: Vec::new(),
            fault: fault(&received.reply, received.detail.as_deref()),
        });
    }

    /// Tells of a line whose outcome is that reply, if it is sampled.
    pub(crate) fn line_answered(&self, line: &Line, reply: &Reply, detail: Option<&str>) {
        let attempts = u64::from(line.attempts()) + 1;
        self.line_ended(line.entry.line, Some(attempts), || fault(reply, detail));
    }

    /// Tells of a line that ended for another reason than a reply, if it is sampled and was sent.
    pub(crate) fn line_given_up(&self, line: &Line, why: &str) {
        let attempts = u64::from(line.attempts());
        self.line_ended(line.entry.line, Some(attempts), || Some(why.to_owned()));
    }

    fn line_ended(
        &self,
        number: u32,
        attempts: Option<u64>,
        fault: impl FnOnce() -> Option<String>,
    ) {
        if !self.is_sampled(number) {
            return;
        }
        let Some(began) = lock(&self.first_sent).remove(&number) else {
            return;
        };
        let mut span = self.span("line", self.line_span(number), Some(self.run), began);
        span.facts.push(("line.no", u64::from(number).into()));
        let attempts = attempts.map(|attempts| ("attempts", attempts.into()));
        span.facts.extend(attempts);
        span.fault = fault();
        self.tracing.tracer.record(span);
    }

    /// Tells of the run, which ends now, and of the lines that were sent in it and have not ended.
    pub(crate) fn run_ended(&self, why: &'static str, fault: Option<String>) {
        let open: Vec<u32> = lock(&self.first_sent).keys().copied().collect();
        for line in open {
            let why = || Some("it was not answered before the run ended".to_owned());
            self.line_ended(line, None, why);
        }
        let mut span = self.span("run", self.run, Some(self.batch.span), self.began);
        span.facts
            .push(("worker.id", self.lease.worker.as_str().into()));
        span.facts.push(("lease.epoch", self.lease.epoch.into()));
        span.facts.push(("run.end", why.into()));
        self.tracing.tracer.record(Span { fault, ..span });
    }

    /// Tells of the batch, which has ended.
    pub(crate) fn batch_ended(&self, batch: &Batch) {
        let mut span = self.span("batch", self.batch.span, None, batch.created_at);
        let status = batch.state.status();
        span.facts.extend([
            ("project", batch.project.as_str().into()),
            ("endpoint", batch.spec.endpoint.as_str().into()),
            ("batch.status", status.as_str().into()),
            ("batch.total", batch.total().into()),
            ("batch.completed", batch.tally.completed.into()),
            ("batch.failed", batch.tally.failed.into()),
            ("gen_ai.usage.input_tokens", batch.usage.input_tokens.into()),
            (
                "gen_ai.usage.output_tokens",
                batch.usage.output_tokens.into(),
            ),
        ]);
        if let Some(model) = batch.model() {
            span.facts.push(("gen_ai.request.model", model.into()));
        }
        let history = &batch.history;
        for (name, at) in [
            ("in_progress", history.in_progress_at),
            ("cancelling", history.cancelling_at),
            ("finalizing", history.finalizing_at),
        ] {
            span.moments.extend(at.map(|at| (name, at)));
        }
        let has_failed = history.failed_at.is_some() || history.expired_at.is_some();
        span.fault = has_failed.then(|| format!("the batch is {status}"));
        self.tracing.tracer.record(span);
    }

    /// A span that began then and ends now.
    fn span(&self, name: &'static str, id: u64, parent: Option<u64>, began: Timestamp) -> Span {
        Span {
            context: SpanContext {
                span: id,
                ..self.batch
            },
            parent,
            name,
            began,
            took: self.clock.now().since(began),
            facts: vec![("batch.id", self.lease.batch.as_str().into())],
            moments: Vec::new(),
            fault: None,
        }
    }

    fn line_span(&self, line: u32) -> u64 {
        derived(&(self.run, line))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of lines needs no 64 bits"
    )]
    fn is_sampled(&self, line: u32) -> bool {
        let drawn = derived(&(self.batch.span, "sampled", line)) as f64 / u64::MAX as f64;
        drawn < self.tracing.line_share || self.tracing.line_share >= 1.0
    }
}

/// What is wrong with a reply.
fn fault(reply: &Reply, detail: Option<&str>) -> Option<String> {
    match (reply, detail) {
        (Reply::Answered { status, .. }, _) => {
            let is_fine = (200..300).contains(status);
            (!is_fine).then(|| format!("the upstream answered with status {status}"))
        }
        (Reply::NoAnswer(why), None) => Some(format!("the upstream {why}")),
        (Reply::NoAnswer(why), Some(detail)) => Some(format!("the upstream {why} ({detail})")),
    }
}

/// The trace of a batch, and its first span: the number that its id spells, and the random half of that.
fn batch_context(id: &BatchId) -> SpanContext {
    let digits = id.as_str().rsplit('_').next().unwrap_or_default();
    let number = u128::from_str_radix(digits, 16).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "the random half is meant")]
    let span = number as u64;
    if span == 0 {
        // No id that was made here.
        let span = derived(&id.as_str());
        let trace = u128::from(span) << 64 | u128::from(derived(&span));
        return SpanContext { trace, span };
    }
    SpanContext {
        trace: number,
        span,
    }
}

/// A number that is the same wherever the parts are the same; never 0.
fn derived(parts: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_the_number_that_the_batch_id_spells() {
        let context = batch_context(&"batch_690467101e240fffffffffffffffffff".into());
        assert_eq!(
            context.to_string(),
            "00-690467101e240fffffffffffffffffff-ffffffffffffffff-01"
        );
    }

    #[test]
    fn an_id_that_spells_no_number_has_a_trace_all_the_same() {
        let (one, other) = (
            batch_context(&"mine".into()),
            batch_context(&"yours".into()),
        );
        assert_ne!(one, other);
        assert_eq!(one, batch_context(&"mine".into()));
        assert!(one.trace != 0 && one.span != 0);
    }
}
