//! Sends lines, one after another on each permit.
//!
//! A flight that lands takes the next line itself, so that a freed permit is used at once and
//! without a new task.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use overnight_core::attempt::{Blame, Form, NoAnswer, Reply, timed_out};
use overnight_core::outcome::{LineError, LineIds, Substitute, TEXT_BYTES_MAX, wrap_text};
use overnight_core::usage::Usage;
use overnight_store::blobs::BlobError;
use tokio::time::Instant;

use crate::lanes::Flight;
use crate::lanes::verdict::{Landed, News};
use crate::line::Line;
use crate::load::{Loaded, NO_ID, UNREADABLE_PAUSE, custom_id, load};
use crate::record::{LineResult, Outcome};
use crate::run::{Run, Stop};
use crate::shared::Shared;
use crate::trace::AttemptTrace;
use crate::upstream::{AnswerBody, Call, Received};

/// Starts flights.
pub(crate) fn launch(shared: &Arc<Shared>, flights: impl IntoIterator<Item = Flight>) {
    for flight in flights {
        shared.spawn(fly(Arc::clone(shared), flight));
    }
}

async fn fly(shared: Arc<Shared>, flight: Flight) {
    let mut next = Some(flight);
    let mut more = Vec::new();
    while let Some(flight) = next {
        let place = flight.place;
        let run = Arc::clone(&flight.run);
        let attempted = contained(attempt(&shared, &run, flight)).await;
        let kept = attempted.unwrap_or_else(|BrokeDown| {
            // What the line came to is not known, so its batch may not end.
            tracing::error!(batch.id = %run.batch_id(), "noting an answer broke down");
            run.break_off(Stop::Broken);
            None
        });
        run.landed();
        shared.lanes.refill(place, kept, &mut more);
        next = more.pop();
        launch(&shared, more.drain(..));
    }
}

/// Makes one attempt, and notes what came of it. Answers the lane of a line that waits for another.
async fn attempt(shared: &Shared, run: &Run, flight: Flight) -> Option<usize> {
    let sent = tokio::select! {
        biased;
        () = run.abort.cancelled() => {
            shared.lanes.abandon(&flight);
            return None;
        }
        sent = contained(exchange(shared, &flight)) => sent,
    };
    match sent {
        Ok(Ok((custom_id, received, took))) => {
            return land(shared, flight, &custom_id, received, took).await;
        }
        Ok(Err(BlobError::Unavailable(error))) => {
            tracing::warn!(batch.id = %run.batch_id(), error, "the input could not be read");
            shared.lanes.defer(flight, UNREADABLE_PAUSE);
        }
        Ok(Err(error)) => unreadable(shared, &flight, &error).await,
        Err(BrokeDown) => broke_down(shared, &flight).await,
    }
    None
}

/// A panic is a fault of ours, and ends no more than what it happened in.
async fn contained<T>(work: impl Future<Output = T>) -> Result<T, BrokeDown> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    // What was the matter and where has been told when it happened.
    ended.map_err(|_panic| BrokeDown)
}

/// Something panicked.
struct BrokeDown;

/// Reads what must be read, sends the line and gathers the answer.
async fn exchange(
    shared: &Shared,
    flight: &Flight,
) -> Result<(Bytes, Received, Duration), BlobError> {
    let Loaded { custom_id, body } = load(&flight.run, &flight.line).await?;
    let trace = flight.run.trace.as_ref();
    let traced = trace.and_then(|trace| trace.attempt(&flight.line));
    let call = Call {
        path: Arc::clone(flight.run.path()),
        model: Arc::clone(&flight.model),
        body,
        leave: flight.run.leave().clone(),
        span: traced.as_ref().map(AttemptTrace::context),
    };
    // The last that is done here. What must still be connected asks again.
    call.leave.given().await;
    let began = Instant::now();
    let received = flight.upstream.send(call).await;
    let took = began.elapsed();
    if let Some(metrics) = shared.upstream_metrics.get(flight.place) {
        metrics.latency.observe(took.as_secs_f64());
        match Blame::of(&received.reply) {
            Blame::Nobody | Blame::Line => metrics.answered.inc(),
            Blame::Overload { .. } => metrics.refused.inc(),
            Blame::Unreachable | Blame::Connection | Blame::Ours | Blame::Doubt { .. } => {
                metrics.failed.inc()
            }
        };
    }
    if let (Some(trace), Some(traced)) = (trace, traced) {
        let upstream = shared.lanes.name(flight.place);
        trace.attempted(
            traced,
            (&flight.line, &upstream, &flight.model),
            (&received, took),
        );
    }
    Ok((custom_id, received, took))
}

/// Judges a reply, and records it when it is the line's outcome.
async fn land(
    shared: &Shared,
    flight: Flight,
    custom_id: &Bytes,
    received: Received,
    took: Duration,
) -> Option<usize> {
    let Received {
        reply,
        body,
        usage,
        detail,
        ..
    } = received;
    let jitter = jitter(shared);
    let tokens = (usage.total_tokens > 0).then_some(usage.total_tokens);
    let news = News {
        reply: &reply,
        tokens,
        detail: detail.as_deref(),
        jitter,
    };
    // The permit is kept while the answer waits for room, so that a slow disk slows the sending.
    flight.run.recorder.room().await;
    let (run, landed) = shared.lanes.land(flight, &news);
    let line = match landed {
        Landed::Final(line) => line,
        Landed::Kept { lane } => return Some(lane),
    };
    if let Some(trace) = &run.trace {
        trace.line_answered(&line, &reply, detail.as_deref());
    }
    let result = LineResult {
        line: line.entry.line,
        custom_id,
        ids: line_ids(shared),
        attempts: line.attempts().saturating_add(1),
        took,
        usage,
    };
    let outcome = outcome(shared, &reply, body, detail.as_deref()).await;
    run.recorder.push(&result, outcome, run.traffic());
    None
}

/// What a final reply means for the result line.
async fn outcome(
    shared: &Shared,
    reply: &Reply,
    body: AnswerBody,
    detail: Option<&str>,
) -> Outcome {
    let status = match reply {
        Reply::Answered {
            status,
            form: Form::Json,
            ..
        } => {
            return Outcome::Answer {
                status: *status,
                body,
            };
        }
        Reply::Answered {
            status,
            form: Form::NotJson,
            ..
        } => *status,
        Reply::NoAnswer(_) if timed_out(reply) => return Outcome::Error(LineError::RequestTimeout),
        Reply::NoAnswer(NoAnswer::TooLarge) => {
            let bytes_max = shared.settings.answer_bytes_max;
            return substitute(Substitute::TooLarge { bytes_max });
        }
        Reply::NoAnswer(why) => {
            let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
            return substitute(Substitute::NoAnswer(&format!(
                "The upstream {why}{detail}."
            )));
        }
    };
    if (200..300).contains(&status) {
        return substitute(Substitute::NotJson(detail));
    }
    let text = body.piece(0).await.ok().flatten().unwrap_or_default();
    let text = text
        .get(..text.len().min(TEXT_BYTES_MAX + 4))
        .unwrap_or_default();
    Outcome::Substitute {
        status,
        body: wrap_text(status, text),
    }
}

fn substitute(substitute: Substitute<'_>) -> Outcome {
    Outcome::Substitute {
        status: substitute.status(),
        body: substitute.body(),
    }
}

/// A line whose input is lost or damaged gets an error of its own, and stops nothing else.
async fn unreadable(shared: &Shared, flight: &Flight, error: &BlobError) {
    let run = Arc::clone(&flight.run);
    let entry = flight.line.entry;
    shared.found_damaged_line(&run, &entry, error).await;
    shared.lanes.abandon(flight);
    let why = format!(
        "Line {} of the input file could not be read: it is damaged.",
        entry.line
    );
    record_without_reply(shared, &run, &flight.line, Substitute::NoAnswer(&why), 500);
}

/// A fault of ours in the exchange of one line ends that line.
async fn broke_down(shared: &Shared, flight: &Flight) {
    let run = Arc::clone(&flight.run);
    tracing::error!(
        batch.id = %run.batch_id(),
        line.no = flight.line.entry.line,
        "the exchange of a line broke down"
    );
    shared.lanes.abandon(flight);
    let why = "A fault of the batch server ended this request; its log says more.";
    end_without_reply(shared, &run, &flight.line, Substitute::NoAnswer(why)).await;
}

/// Ends the lines of models that no upstream serves any more.
pub(crate) async fn refuse_unserved(shared: &Shared) {
    for (run, line, model) in shared.lanes.take_refused() {
        run.recorder.room().await;
        end_without_reply(shared, &run, &line, Substitute::NoSuchModel(&model)).await;
    }
}

/// Ends a line that no upstream has answered.
async fn end_without_reply(shared: &Shared, run: &Run, line: &Line, reply: Substitute<'_>) {
    let Some(custom_id) = custom_id(shared, run, line).await else {
        return;
    };
    let outcome = substitute(reply);
    if let Some(trace) = &run.trace {
        trace.line_given_up(line, "it was given up without an answer");
    }
    run.recorder
        .push(&result(shared, line, &custom_id), outcome, run.traffic());
}

fn record_without_reply(
    shared: &Shared,
    run: &Run,
    line: &Line,
    substitute: Substitute<'_>,
    status: u16,
) {
    let outcome = Outcome::Substitute {
        status,
        body: substitute.body(),
    };
    if let Some(trace) = &run.trace {
        trace.line_given_up(line, "its input is damaged");
    }
    run.recorder
        .push(&result(shared, line, NO_ID), outcome, run.traffic());
}

fn result<'a>(shared: &Shared, line: &Line, custom_id: &'a [u8]) -> LineResult<'a> {
    LineResult {
        line: line.entry.line,
        custom_id,
        ids: line_ids(shared),
        attempts: line.attempts(),
        took: Duration::ZERO,
        usage: Usage::default(),
    }
}

/// The ids of a result line.
pub(crate) fn line_ids(shared: &Shared) -> LineIds {
    LineIds::new(
        shared.clock.now(),
        shared.entropy.draw(),
        shared.entropy.draw(),
    )
}

/// Between 0 and 1.
fn jitter(shared: &Shared) -> f64 {
    let bits = u32::try_from(shared.entropy.draw() >> 96).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}
