//! The upstream seam: one request out, one reply back.
//!
//! The engine knows an inference server only as an [`Upstream`]. [`http`] is the real one; tests
//! script another. Both pass the same script of replies, so what is tested with the one holds for the
//! other.

pub mod answer;
pub mod http;
mod receive;
mod retry_after;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use overnight_core::attempt::Reply;
use overnight_core::usage::Usage;
use overnight_store::status::ServedModel;

pub use self::answer::AnswerBody;
use crate::lease::Leave;
use crate::trace::SpanContext;

/// One request to an upstream.
pub struct Call {
    /// The path that the line asks for, as in `/v1/chat/completions`.
    pub path: Arc<str>,
    /// The model's name as the lines have it, so that an alias can be put in its place.
    pub model: Arc<str>,
    /// The bytes of the line's `body`, untouched.
    pub body: CallBody,
    /// Leave to send it: waited for before the first byte, since it may have ended while a connection
    /// was made.
    pub leave: Leave,
    /// The span of this attempt, when it is traced: an upstream that traces as well continues there.
    pub span: Option<SpanContext>,
}

/// The body of a request.
pub enum CallBody {
    /// A small one, in memory.
    Held(Bytes),
    /// A large one, read while it is sent.
    Streamed {
        /// How many bytes the stream brings.
        length: u64,
        /// The bytes; an error ends the attempt.
        pieces: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

/// What one attempt brought back.
#[derive(Debug)]
pub struct Received {
    /// What the rules look at.
    pub reply: Reply,
    /// The body of the answer; empty without one.
    pub body: AnswerBody,
    /// The tokens that the answer reports.
    pub usage: Usage,
    /// Why there is no answer, in more detail, for logs and reasons. Never holds a body or a key.
    pub detail: Option<String>,
    /// The upstream's own `x-request-id`, if it sent one of reasonable length.
    pub request_id: Option<String>,
}

/// What an upstream's list of models says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelList {
    /// It serves these.
    Models(Vec<ServedModel>),
    /// It has no such list (404 or 405 on `/v1/models`), so it takes every model.
    NoList,
}

/// What an upstream's gauges say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Requests that the engine works on.
    pub running: u64,
    /// Requests that wait in the engine's own queue.
    pub waiting: u64,
}

/// An inference server that speaks the `OpenAI` API.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Sends one request and gathers its answer. Dropping the future ends the request.
    async fn send(&self, call: Call) -> Received;

    /// Asks which models it serves.
    ///
    /// # Errors
    ///
    /// A sentence that says why the list could not be had.
    async fn models(&self) -> Result<ModelList, String>;

    /// Asks for its gauges; `None` when it shows none that are known.
    async fn gauges(&self) -> Option<Gauges>;

    /// Whether its `/health` answers well; true when it has no such route but answers.
    async fn is_up(&self) -> bool;

    /// Takes the way to it leg by leg, up to the first that fails; no legs where there is no way to speak of.
    async fn reach(&self) -> Vec<Leg> {
        Vec::new()
    }
}

/// A stage of the way to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its name, or that of its proxy, becomes an address.
    Resolve,
    /// A connection is made.
    Connect,
    /// Both sides agree on encryption, and its certificate is checked.
    Encrypt,
}

/// A leg of the way to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What it leads to.
    pub stage: Stage,
    /// How long it took.
    pub took: Duration,
    /// What came of it, or why it failed, for a person. Holds no credentials.
    pub outcome: Result<String, String>,
}

/// How long an upstream may take, and how much it may answer.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To be connected.
    pub connect: Duration,
    /// To the head of the answer, from the last byte of the request.
    pub head: Duration,
    /// Between two bytes of the body.
    pub idle: Duration,
}
