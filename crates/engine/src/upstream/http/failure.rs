//! Reads what it means that an attempt failed.

use std::error::Error as _;
use std::time::Duration;

use http::Extensions;
use hyper_util::client::legacy::Error;
use overnight_core::attempt::NoAnswer;

use super::connect::Answers;

/// How soon after a request an idle connection that was closed meanwhile says so: a round trip, with
/// room for a slow network. Later, the upstream had the request and was lost over it.
const STALE_WINDOW: Duration = Duration::from_secs(1);

/// The most characters of a detail.
const DETAIL_CHARS_MAX: usize = 300;

/// Why there was no head of an answer, `after` the request began.
pub(super) fn of_head(error: &Error, after: Duration) -> NoAnswer {
    if error.is_connect() {
        return NoAnswer::Refused;
    }
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<hyper::Error>());
    if cause.is_some_and(hyper::Error::is_user) {
        // The body of the request could not be read.
        return NoAnswer::Ours;
    }
    if cause.is_some_and(hyper::Error::is_parse) {
        return NoAnswer::NotHttp;
    }
    if after <= STALE_WINDOW && was_reused(error) {
        NoAnswer::StaleConnection
    } else {
        NoAnswer::Reset
    }
}

fn was_reused(error: &Error) -> bool {
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
