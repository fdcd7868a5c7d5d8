//! Sends lines, one after another on each permit.
//!
//! A flight that lands takes the next line itself, so that a freed permit is used at once and
//! without a new task.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use overnight_core::attempt::{Blame, Form, NoAnswer, Reply, timed_out};
use overnight_core::outcome::{LineError, LineIds, Substitute, TEXT_BYTES_MAX, wrap_text};
use overnight_core::plan::PlanEntry;
use overnight_core::usage::Usage;
use overnight_store::blobs::BlobError;
use tokio::time::Instant;

use crate::input::InputReader;
use crate::lanes::Flight;
use crate::lanes::verdict::{Landed, News};
use crate::line::{HELD_BYTES_MAX, Line};
use crate::record::{LineResult, Outcome};
use crate::run::Run;
use crate::shared::Shared;
use crate::upstream::{AnswerBody, Call, CallBody, Received};

/// A line whose input could not be read just now is tried again after this pause.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// A long body is read in pieces of so many bytes: hundreds are sent at a time, each with some pieces on its way.
const BODY_PIECE_BYTES: u64 = 16 << 10;

/// The id in the result line of an input line that cannot be read.
const NO_ID: &[u8] = b"null";

/// Starts flights.
pub(crate) fn launch(shared: &Arc<Shared>, flights: Vec<Flight>) {
    for flight in flights {
        shared.tasks.spawn(fly(Arc::clone(shared), flight));
    }
}

async fn fly(shared: Arc<Shared>, flight: Flight) {
    let mut next = Some(flight);
    while let Some(flight) = next {
        let place = flight.place;
        let kept = attempt(&shared, flight).await;
        let mut more = shared.lanes.refill(place, kept);
        next = more.pop();
        launch(&shared, more);
    }
}

/// The raw `custom_id` and the body of a line that is about to be sent.
struct Loaded {
    custom_id: Bytes,
    body: CallBody,
}

/// Makes one attempt, and notes what came of it. Answers the lane of a line that waits for another.
async fn attempt(shared: &Arc<Shared>, flight: Flight) -> Option<usize> {
    let run = Arc::clone(&flight.run);
    let abort = run.abort.clone();
    let sent = tokio::select! {
        biased;
        () = abort.cancelled() => None,
        sent = exchange(shared, &flight) => Some(sent),
    };
    let kept = match sent {
        None => {
            shared.lanes.abandon(&flight);
            None
        }
        Some(Ok((custom_id, received, took))) => {
            land(shared, flight, &custom_id, received, took).await
        }
        Some(Err(BlobError::Unavailable(error))) => {
            tracing::warn!(batch.id = %run.batch_id(), error, "the input could not be read");
            shared.lanes.defer(flight, UNREADABLE_PAUSE);
            None
        }
        Some(Err(error)) => {
            unreadable(shared, &flight, &error);
            None
        }
    };
    run.landed();
    kept
}

/// Reads what must be read, sends the line and gathers the answer.
async fn exchange(
    shared: &Shared,
    flight: &Flight,
) -> Result<(Bytes, Received, Duration), BlobError> {
    let Loaded { custom_id, body } = load(&flight.run, &flight.line).await?;
    let call = Call {
        path: Arc::clone(flight.run.path()),
        model: Arc::clone(&flight.model),
        body,
    };
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
    Ok((custom_id, received, took))
}

async fn load(run: &Run, line: &Line) -> Result<Loaded, BlobError> {
    let entry = &line.entry;
    let held = if let Some(bytes) = &line.bytes {
        Some(bytes.clone())
    } else {
        let input = run.input().ok_or_else(|| mismatch(entry))?;
        if entry.length > HELD_BYTES_MAX {
            return load_long(input, entry).await;
        }
        let bytes = input.read(entry.range()).await?;
        entry.parts(&bytes).is_some().then_some(bytes)
    };
    let bytes = held.ok_or_else(|| mismatch(entry))?;
    let custom_id = bytes.slice(entry.id_range());
    Ok(Loaded {
        custom_id,
        body: CallBody::Held(bytes.slice(entry.body_range())),
    })
}

/// A long line: its body is streamed. Its last piece is sent only after the whole line was compared
/// with its checksum, so that no upstream ever works on damaged bytes.
async fn load_long(input: &InputReader, entry: &PlanEntry) -> Result<Loaded, BlobError> {
    let start = entry.offset + u64::from(entry.id_start);
    let custom_id = input.read(start..start + u64::from(entry.id_len)).await?;
    let body_start = entry.offset + u64::from(entry.body_start);
    let body_end = body_start + u64::from(entry.body_len);
    let reader = LongLine {
        reader: input.stream(entry.range()).in_pieces_of(BODY_PIECE_BYTES),
        at: entry.offset,
        body: body_start..body_end,
        crc32c: 0,
        held_back: Bytes::new(),
        entry: *entry,
        is_done: false,
    };
    let pieces = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((piece, reader))
    });
    let body = CallBody::Streamed {
        length: u64::from(entry.body_len),
        pieces: pieces.boxed(),
    };
    Ok(Loaded { custom_id, body })
}

struct LongLine {
    reader: overnight_store::blobs::ExtentReader,
    at: u64,
    body: std::ops::Range<u64>,
    crc32c: u32,
    /// The last piece of the body so far.
    held_back: Bytes,
    entry: PlanEntry,
    is_done: bool,
}

impl LongLine {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        while !self.is_done {
            let piece = match self.reader.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    self.is_done = true;
                    if self.crc32c != self.entry.crc32c {
                        return Some(Err(std::io::Error::other(mismatch(&self.entry))));
                    }
                    return Some(Ok(std::mem::take(&mut self.held_back)));
                }
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(std::io::Error::other(error)));
                }
            };
            self.crc32c = crc32c::crc32c_append(self.crc32c, &piece);
            let (start, end) = (self.at, self.at + piece.len() as u64);
            self.at = end;
            let (from, to) = (start.max(self.body.start), end.min(self.body.end));
            if from < to {
                let range =
                    usize::try_from(from - start).ok()?..usize::try_from(to - start).ok()?;
                let ready = std::mem::replace(&mut self.held_back, piece.slice(range));
                if !ready.is_empty() {
                    return Some(Ok(ready));
                }
            }
        }
        None
    }
}

fn mismatch(entry: &PlanEntry) -> BlobError {
    let text = format!("line {} of the input is not what was validated", entry.line);
    BlobError::Corrupt(text.into())
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
    let result = LineResult {
        line: line.entry.line,
        custom_id,
        ids: line_ids(shared),
        attempts: line.attempts().saturating_add(1),
        took,
        usage,
    };
    let outcome = outcome(shared, &reply, body, detail.as_deref()).await;
    run.recorder.push(&result, outcome, run.in_flight());
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
        return substitute(Substitute::NotJson);
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
fn unreadable(shared: &Shared, flight: &Flight, error: &BlobError) {
    let run = Arc::clone(&flight.run);
    let entry = flight.line.entry;
    tracing::error!(
        batch.id = %run.batch_id(),
        line.no = entry.line,
        error = error as &dyn Error,
        "a line of the input is damaged"
    );
    shared.lanes.abandon(flight);
    let why = format!(
        "Line {} of the input file could not be read: it is damaged.",
        entry.line
    );
    record_without_reply(shared, &run, &flight.line, Substitute::NoAnswer(&why), 500);
}

/// Ends the lines of models that no upstream serves any more.
pub(crate) async fn refuse_unserved(shared: &Shared) {
    for (run, line, model) in shared.lanes.take_refused() {
        run.recorder.room().await;
        refuse(shared, &run, &line, &model).await;
    }
}

async fn refuse(shared: &Shared, run: &Run, line: &Line, model: &str) {
    let custom_id = load(run, line)
        .await
        .map_or(Bytes::from_static(NO_ID), |line| line.custom_id);
    let outcome = substitute(Substitute::NoSuchModel(model));
    run.recorder
        .push(&result(shared, line, &custom_id), outcome, run.in_flight());
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
    run.recorder
        .push(&result(shared, line, NO_ID), outcome, run.in_flight());
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
