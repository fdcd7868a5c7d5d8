//! What a scripted upstream does, request by request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

/// A request as an upstream saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The path.
    pub path: String,
    /// The model as the engine asked for it; unknown to a server, which sees only bytes.
    pub model: Option<String>,
    /// The headers, names in lower case; none in memory.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Bytes,
}

impl Seen {
    /// The first header of that name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, without the length of the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An answer that says it is JSON.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// The same with a further header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A small chat completion that says `content`, with 3 tokens in and 2 out.
#[must_use]
pub fn chat_answer(content: &str) -> Answer {
    let body = serde_json::json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
    });
    Answer::new(200, body.to_string())
}

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Step {
    /// It is answered.
    Answer(Answer),
    /// It is answered when that time has passed.
    Late {
        /// How long the answer takes to begin.
        after: Duration,
        /// The answer.
        answer: Answer,
    },
    /// It is never answered.
    Silent,
    /// An answer begins and stops coming, the connection stays.
    Stall {
        /// The answer.
        answer: Answer,
        /// How many bytes of its body come.
        sent: usize,
    },
    /// An answer begins and the connection is closed.
    Cut {
        /// The answer.
        answer: Answer,
        /// How many bytes of its body come.
        sent: usize,
    },
    /// An answer of status 200 never ends.
    Endless,
    /// A new connection is lost before the answer.
    Reset,
    /// A connection that was used before is lost before the answer.
    LoseIdle,
    /// There is no connection. A server refuses all from here on, until it is told to listen.
    Refuse,
    /// Something happens when a gate opens: when its token is cancelled.
    Gated {
        /// The gate.
        gate: CancellationToken,
        /// What happens then.
        then: Box<Step>,
    },
}

/// What happens to the requests, in the order in which they come.
pub struct Script {
    steps: Mutex<VecDeque<Step>>,
    rest: Box<dyn Fn(&Seen) -> Step + Send + Sync>,
}

impl Script {
    /// One step a request, and [`chat_answer`] to all further ones.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let rest = |_: &Seen| Step::Answer(chat_answer("ok"));
        Self {
            steps: Mutex::new(steps.into_iter().collect()),
            rest: Box::new(rest),
        }
    }

    /// The step that a request asks for.
    #[must_use]
    pub fn by(rest: impl Fn(&Seen) -> Step + Send + Sync + 'static) -> Self {
        Self {
            steps: Mutex::default(),
            rest: Box::new(rest),
        }
    }

    /// Takes the step for a request.
    #[must_use]
    pub fn next(&self, seen: &Seen) -> Step {
        let step = self
            .steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        step.unwrap_or_else(|| (self.rest)(seen))
    }

    /// Looks at the next step, when it does not depend on the request.
    pub fn peek<T>(&self, look: impl FnOnce(&Step) -> T) -> Option<T> {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .front()
            .map(look)
    }

    /// Leaves out the next step, when it does not depend on the request.
    pub fn skip(&self) {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
