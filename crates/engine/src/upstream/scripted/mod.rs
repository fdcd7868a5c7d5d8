//! An upstream that plays a script, for tests under paused time.
//!
//! The testkit's server plays the same [`Script`] over real sockets, and a suite holds both to the same
//! replies. So what the engine is tested with here is what it meets there.

mod script;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use overnight_core::attempt::NoAnswer;

pub use self::script::{Answer, Script, Seen, Step, chat_answer};
use super::answer::AnswerBudget;
use super::receive::{Receiving, no_answer};
use super::{Call, CallBody, Gauges, ModelList, Received, Timeouts, Upstream};

/// An upstream in memory.
pub struct ScriptedUpstream {
    script: Script,
    timeouts: Timeouts,
    budget: AnswerBudget,
    seen: Mutex<Vec<Seen>>,
    models: Mutex<Result<ModelList, String>>,
    models_asked: AtomicUsize,
    gauges: Mutex<VecDeque<Gauges>>,
    up: AtomicBool,
    in_flight: AtomicUsize,
    in_flight_max: AtomicUsize,
}

impl ScriptedUpstream {
    /// An upstream that plays `script`, is up, takes every model and shows no gauges.
    #[must_use]
    pub fn new(script: Script, timeouts: Timeouts, budget: AnswerBudget) -> Self {
        Self {
            script,
            timeouts,
            budget,
            seen: Mutex::default(),
            models: Mutex::new(Ok(ModelList::NoList)),
            models_asked: AtomicUsize::new(0),
            gauges: Mutex::default(),
            up: AtomicBool::new(true),
            in_flight: AtomicUsize::new(0),
            in_flight_max: AtomicUsize::new(0),
        }
    }

    /// Says from here on what its list of models is, or why it cannot be had.
    pub fn list_models(&self, list: Result<ModelList, String>) {
        *lock(&self.models) = list;
    }

    /// Shows these gauges, one a question; the last one stays.
    pub fn show_gauges(&self, gauges: impl IntoIterator<Item = Gauges>) {
        *lock(&self.gauges) = gauges.into_iter().collect();
    }

    /// Answers health checks well from here on.
    pub fn go_up(&self) {
        self.up.store(true, Ordering::SeqCst);
    }

    /// Answers no health check from here on. What is sent still follows the script.
    pub fn go_down(&self) {
        self.up.store(false, Ordering::SeqCst);
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// How often it was asked for its list of models.
    #[must_use]
    pub fn models_asked(&self) -> usize {
        self.models_asked.load(Ordering::SeqCst)
    }

    /// How many requests are with it.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// The most requests that were with it at once.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        self.in_flight_max.load(Ordering::SeqCst)
    }

    async fn play(&self, mut step: Step) -> Result<Received, Received> {
        loop {
            step = match step {
                Step::Gated { gate, then } => {
                    gate.cancelled().await;
                    *then
                }
                Step::Late { after, answer } if after < self.timeouts.head => {
                    tokio::time::sleep(after).await;
                    Step::Answer(answer)
                }
                Step::Late { .. } | Step::Silent => {
                    tokio::time::sleep(self.timeouts.head).await;
                    return Err(no_answer(NoAnswer::HeadTimeout, None));
                }
                Step::Refuse => return Err(no_answer(NoAnswer::Refused, None)),
                Step::Reset => return Err(no_answer(NoAnswer::Reset, None)),
                Step::LoseIdle => return Err(no_answer(NoAnswer::StaleConnection, None)),
                Step::Answer(answer) => {
                    let receiving = self.receive(&answer, answer.body.clone()).await?;
                    return Ok(receiving.finish().await);
                }
                Step::Cut { answer, sent } => {
                    self.receive(&answer, begin(&answer, sent)).await?;
                    return Err(no_answer(NoAnswer::CutBody, None));
                }
                Step::Stall { answer, sent } => {
                    self.receive(&answer, begin(&answer, sent)).await?;
                    tokio::time::sleep(self.timeouts.idle).await;
                    return Err(no_answer(NoAnswer::IdleTimeout, None));
                }
                Step::Endless => return Err(no_answer(NoAnswer::TooLarge, None)),
            }
        }
    }

    async fn receive(&self, answer: &Answer, body: Bytes) -> Result<Receiving, Received> {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let mut receiving = Receiving::new(status, headers(answer), &self.budget);
        receiving.push(body).await?;
        Ok(receiving)
    }
}

#[async_trait]
impl Upstream for ScriptedUpstream {
    async fn send(&self, call: Call) -> Received {
        let _in_flight = InFlight::enter(self);
        let body = match gather(call.body).await {
            Ok(body) => body,
            Err(error) => return no_answer(NoAnswer::Ours, Some(error.to_string())),
        };
        let path = call.path.to_string();
        let span = call
            .span
            .map(|span| ("traceparent".to_owned(), span.to_string()));
        let seen = Seen {
            path,
            model: Some(call.model.to_string()),
            headers: span.into_iter().collect(),
            body,
        };
        lock(&self.seen).push(seen.clone());
        let step = self.script.next(&seen);
        self.play(step).await.unwrap_or_else(|ended| ended)
    }

    async fn models(&self) -> Result<ModelList, String> {
        self.models_asked.fetch_add(1, Ordering::SeqCst);
        lock(&self.models).clone()
    }

    async fn gauges(&self) -> Option<Gauges> {
        let mut gauges = lock(&self.gauges);
        if gauges.len() > 1 {
            gauges.pop_front()
        } else {
            gauges.front().copied()
        }
    }

    async fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }
}

/// One request that is with the upstream, until it is answered or dropped.
struct InFlight<'a>(&'a ScriptedUpstream);

impl<'a> InFlight<'a> {
    fn enter(upstream: &'a ScriptedUpstream) -> Self {
        let now = upstream.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        upstream.in_flight_max.fetch_max(now, Ordering::SeqCst);
        Self(upstream)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn begin(answer: &Answer, sent: usize) -> Bytes {
    answer.body.slice(..sent.min(answer.body.len()))
}

fn headers(answer: &Answer) -> HeaderMap {
    let parsed = answer.headers.iter().filter_map(|(name, value)| {
        Some((
            name.parse::<HeaderName>().ok()?,
            HeaderValue::from_str(value).ok()?,
        ))
    });
    parsed.collect()
}

async fn gather(body: CallBody) -> std::io::Result<Bytes> {
    match body {
        CallBody::Held(bytes) => Ok(bytes),
        CallBody::Streamed { pieces, .. } => {
            let add = async |mut all: BytesMut, piece: Bytes| {
                all.extend_from_slice(&piece);
                Ok(all)
            };
            Ok(pieces.try_fold(BytesMut::new(), add).await?.freeze())
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
