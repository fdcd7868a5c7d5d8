//! Reads what it means that an attempt failed.

use std::error::Error as _;
use std::time::Duration;

use http::Extensions;
use hyper_util::client::legacy;
use overnight_core::attempt::NoAnswer;
use thiserror::Error;

use super::connect::{Answers, BoxError};

/// How soon after a request an idle connection that was closed meanwhile says so: a round trip, with
/// room for a slow network. Later, the upstream had the request and was lost over it.
const STALE_WINDOW: Duration = Duration::from_secs(1);

/// The most characters of a detail.
const DETAIL_CHARS_MAX: usize = 300;

/// Why no head of an answer came.
#[derive(Debug, Error)]
pub(super) enum Lost {
    /// There is no connection.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// A plain connection was lost, or what it brought is not HTTP.
    #[error("{error}")]
    Connection {
        #[source]
        error: hyper::Error,
        /// Whether it had brought an answer before.
        had_answered: bool,
    },
    /// Something was the matter with an encrypted one.
    #[error(transparent)]
    Tls(legacy::Error),
}

/// Why there was no head of an answer, `after` the request began.
pub(super) fn of_head(lost: &Lost, after: Duration) -> NoAnswer {
    let (cause, was_reused) = match lost {
        Lost::Connect(_) => return NoAnswer::Refused,
        Lost::Connection {
            error,
            had_answered,
        } => (Some(error), *had_answered),
        Lost::Tls(error) if error.is_connect() => return NoAnswer::Refused,
        Lost::Tls(error) => {
            let source = error.source();
            let cause = source.and_then(|source| source.downcast_ref::<hyper::Error>());
            (cause, was_reused(error))
        }
    };
    if cause.is_some_and(hyper::Error::is_user) {
        // The body of the request could not be read.
        return NoAnswer::Ours;
    }
    if cause.is_some_and(hyper::Error::is_parse) {
        return NoAnswer::NotHttp;
    }
    if after <= STALE_WINDOW && was_reused {
        NoAnswer::StaleConnection
    } else {
        NoAnswer::Reset
    }
}

fn was_reused(error: &legacy::Error) -> bool {
    let mut known = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut known);
    }
    known.get::<Answers>().is_some_and(Answers::any)
}

/// An error and its causes in one line. The client's errors hold neither bodies nor headers.
pub(super) fn detail(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => text.split_at(end).0.to_owned(),
        None => text,
    }
}
