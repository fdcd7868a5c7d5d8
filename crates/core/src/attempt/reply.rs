//! One reply, and who it blames at first sight.

use std::fmt;
use std::time::Duration;

/// What one attempt brought back: data, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The upstream answered completely.
    Answered {
        /// The HTTP status.
        status: u16,
        /// What the body is.
        form: Form,
        /// How long the upstream asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not.
    NoAnswer(NoAnswer),
}

/// What the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Well-formed JSON.
    Json,
    /// Anything else: HTML, plain text, nothing, JSON that is cut or nested too deep.
    NotJson,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// There was no connection: refused, unreachable, a name or a certificate that does not hold.
    Refused,
    /// A connection that had been idle was lost before the first byte of an answer: it was closed
    /// just when it was used again.
    StaleConnection,
    /// The connection was lost before the head of an answer.
    Reset,
    /// What came was no answer in HTTP, or one with a head beyond all measure.
    NotHttp,
    /// The connection was lost within the body, or the body's length is not what its head says.
    CutBody,
    /// No head of an answer within `head_timeout`.
    HeadTimeout,
    /// No byte of the body for `idle_timeout`.
    IdleTimeout,
    /// The body is larger than `answer_bytes_max`.
    TooLarge,
    /// Not the upstream's doing: the line's body could not be read here, or the answer not kept.
    Ours,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "could not be connected to",
            // Told only where it happened to the same line time after time.
            Self::StaleConnection | Self::Reset => "closed the connection before answering",
            Self::NotHttp => "answered with something that is not HTTP",
            Self::CutBody => "cut its answer short",
            Self::HeadTimeout => "did not begin to answer in time",
            Self::IdleTimeout => "stopped in the middle of its answer",
            Self::TooLarge => "answered more than `answer_bytes_max`",
            Self::Ours => "was not asked, or its answer was lost, for a fault of this server",
        })
    }
}

/// Whose fault a reply is, as far as the reply alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nobody's: a 2xx with JSON.
    Nobody,
    /// The line's own, at once.
    Line,
    /// The upstream's: it has too much to do.
    Overload {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The upstream's: it is not there.
    Unreachable,
    /// The connection's: send again at once.
    Connection,
    /// This server's: send again after a pause, a few times.
    Ours,
    /// The line's if the upstream is otherwise well, after that many failures; else the upstream's.
    Doubt {
        /// How many charged failures end the line; `None` for the setting `attempts_max`.
        failures_max: Option<u8>,
        /// Whether the connection was lost: the line may be what kills the upstream.
        lost: bool,
    },
}

impl Blame {
    /// Reads a reply.
    #[must_use]
    pub const fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Answered {
                status,
                form,
                retry_after,
            } => Self::of_answer(*status, *form, *retry_after),
            Reply::NoAnswer(why) => Self::of_no_answer(*why),
        }
    }

    const fn of_answer(status: u16, form: Form, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => match form {
                Form::Json => Self::Nobody,
                Form::NotJson => Self::Doubt {
                    failures_max: Some(2),
                    lost: false,
                },
            },
            400 | 413 | 415 | 422 => Self::Line,
            429 | 503 => Self::Overload { retry_after },
            408 | 500..=599 => Self::Doubt {
                failures_max: None,
                lost: false,
            },
            _ => Self::Doubt {
                failures_max: Some(2),
                lost: false,
            },
        }
    }

    const fn of_no_answer(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Refused => Self::Unreachable,
            NoAnswer::StaleConnection => Self::Connection,
            NoAnswer::Reset | NoAnswer::CutBody => Self::Doubt {
                failures_max: None,
                lost: true,
            },
            NoAnswer::HeadTimeout | NoAnswer::NotHttp => Self::Doubt {
                failures_max: Some(2),
                lost: false,
            },
            NoAnswer::IdleTimeout => Self::Doubt {
                failures_max: None,
                lost: false,
            },
            NoAnswer::TooLarge => Self::Line,
            NoAnswer::Ours => Self::Ours,
        }
    }
}
