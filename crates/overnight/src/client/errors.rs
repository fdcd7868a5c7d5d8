//! Why a command did not get what it asked a server for, and what to do.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::is_later;

/// How the message of a route begins that a server does not have.
const NO_ROUTE: &str = "Invalid URL";

/// What went wrong with a request.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The server cannot be reached, or was lost on the way.
    Unreachable {
        /// Its address.
        server: String,
        /// What the system says.
        why: String,
    },
    /// It needs a key, or another one.
    Unauthenticated {
        /// Its address.
        server: String,
        /// What it says.
        message: String,
    },
    /// It refuses.
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The code of the error, if it has one.
        code: Option<String>,
        /// What it says.
        message: String,
        /// How long it asks to wait.
        wait: Duration,
    },
    /// It answers with something that is not understood.
    Odd {
        /// Its address.
        server: String,
        /// What it was asked for.
        path: String,
        /// What is wrong with the answer.
        why: String,
    },
}

#[derive(Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Deserialize)]
struct Body {
    message: String,
    code: Option<String>,
}

impl ClientError {
    /// The error of an answer that is no success.
    pub(super) fn refused(server: &str, status: StatusCode, body: &[u8], wait: Duration) -> Self {
        let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
        let (message, code) = envelope.map_or_else(
            || (format!("{server} answers with {status}"), None),
            |envelope| (envelope.error.message, envelope.error.code),
        );
        let is_unknown = status == StatusCode::NOT_FOUND && message.starts_with(NO_ROUTE);
        let message = if is_unknown {
            format!("{server} is older than this command, or no Overnight: {message}")
        } else {
            message
        };
        let server = server.to_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Self::Unauthenticated { server, message }
            }
            _ => Self::Refused {
                status,
                code,
                message,
                wait,
            },
        }
    }

    /// Whether the server asks to come again later: nothing was done then.
    pub(super) fn may_repeat(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if is_later(*status))
    }

    /// How long to wait before.
    pub(super) const fn wait(&self) -> Duration {
        match self {
            Self::Refused { wait, .. } => *wait,
            Self::Unreachable { .. } | Self::Unauthenticated { .. } | Self::Odd { .. } => {
                Duration::from_secs(1)
            }
        }
    }

    /// Whether the server said that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether the server may be back in a while.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => is_later(*status),
            Self::Unauthenticated { .. } | Self::Odd { .. } => false,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { server, why } => write!(
                f,
                "{server} cannot be reached ({why}): is `overnight serve` running there? Name another \
                 server with --server, --profile or OPENAI_BASE_URL"
            ),
            Self::Unauthenticated { server, message } => write!(
                f,
                "{server} does not accept the key: {message} Give one with --key, OVERNIGHT_KEY or \
                 OPENAI_API_KEY"
            ),
            Self::Refused {
                status,
                code,
                message,
                ..
            } => {
                write!(f, "{message} ({}", status.as_u16())?;
                match code {
                    Some(code) => write!(f, ", {code})"),
                    None => f.write_str(")"),
                }
            }
            Self::Odd { server, path, why } => {
                write!(
                    f,
                    "what {server} answers to {path} is not understood: {why}"
                )
            }
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> ClientError {
        let status = StatusCode::from_u16(status).unwrap();
        ClientError::refused("http://host", status, body.as_bytes(), Duration::ZERO)
    }

    #[test]
    fn a_refusal_says_what_the_server_says() {
        let told = of(404, r#"{"error":{"message":"No batch.","code":null}}"#);
        assert_eq!(told.to_string(), "No batch. (404)");
        assert!(told.is_not_found() && !told.may_repeat());
        let told = of(404, r#"{"error":{"message":"Invalid URL (GET /v1/x)"}}"#);
        assert_eq!(
            told.to_string(),
            "http://host is older than this command, or no Overnight: Invalid URL (GET /v1/x) (404)"
        );
        let told = of(502, "<html>");
        assert_eq!(
            told.to_string(),
            "http://host answers with 502 Bad Gateway (502)"
        );
        assert!(of(503, "").may_repeat());
        let told = of(401, r#"{"error":{"message":"Wrong.","code":"x"}}"#).to_string();
        assert!(
            told.starts_with("http://host does not accept the key: Wrong. Give"),
            "{told}"
        );
    }
}
