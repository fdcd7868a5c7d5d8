//! Writes result lines: four keys, in the order that clients know.

use crate::time::Timestamp;

/// Lowercase hexadecimal digits.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The two numbers that a result line is named by: its own id, and that of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineIds {
    line: u128,
    request: u128,
}

impl LineIds {
    /// Ids for a line that ended at that time. The line's id has the layout of every other id (its
    /// time, then `entropy`); the request's id is `request` itself.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128, request: u128) -> Self {
        let seconds = u128::from(at.seconds()) & 0xffff_ffff;
        let micros = u128::from(at.micros() % 1_000_000);
        Self {
            line: (seconds << 96) | (micros << 76) | (entropy >> 52),
            request,
        }
    }
}

/// Why a line has an error instead of an answer. These three are all that clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineError {
    /// The completion window ended before the line had an outcome.
    Expired,
    /// The batch was cancelled before the line had an outcome.
    Cancelled,
    /// The line was sent, and no answer came in time.
    RequestTimeout,
}

impl LineError {
    /// The word on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "batch_expired",
            Self::Cancelled => "batch_cancelled",
            Self::RequestTimeout => "request_timeout",
        }
    }

    /// The sentence on the wire.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Expired => {
                "This request could not be executed before the completion window expired."
            }
            Self::Cancelled => "This request was not executed because the batch was cancelled.",
            Self::RequestTimeout => "This request timed out before a response was received.",
        }
    }
}

/// Appends a result line up to its body. The body's JSON without line ends must follow, then
/// [`write_tail`].
///
/// `custom_id` is the raw token of the input line, quotes included, and is copied as it is.
pub fn write_head(out: &mut Vec<u8>, ids: LineIds, custom_id: &[u8], status: u16) {
    write_names(out, ids, custom_id);
    out.extend_from_slice(b",\"response\":{\"status_code\":");
    write_decimal(out, status);
    out.extend_from_slice(b",\"request_id\":\"");
    write_hex(out, ids.request);
    out.extend_from_slice(b"\",\"body\":");
}

/// Appends what follows the body of a result line, with the line's end.
pub fn write_tail(out: &mut Vec<u8>) {
    out.extend_from_slice(b"},\"error\":null}\n");
}

/// Appends the whole result line of a line that has no answer.
pub fn write_error(out: &mut Vec<u8>, ids: LineIds, custom_id: &[u8], error: LineError) {
    write_names(out, ids, custom_id);
    out.extend_from_slice(b",\"response\":null,\"error\":{\"code\":\"");
    out.extend_from_slice(error.code().as_bytes());
    out.extend_from_slice(b"\",\"message\":\"");
    out.extend_from_slice(error.message().as_bytes());
    out.extend_from_slice(b"\"}}\n");
}

/// Appends the first two keys.
fn write_names(out: &mut Vec<u8>, ids: LineIds, custom_id: &[u8]) {
    out.extend_from_slice(b"{\"id\":\"batch_req_");
    write_hex(out, ids.line);
    out.extend_from_slice(b"\",\"custom_id\":");
    out.extend_from_slice(custom_id);
}

/// Appends 32 hexadecimal digits.
fn write_hex(out: &mut Vec<u8>, number: u128) {
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    let mut digits = [[0; 2]; 16];
    for (pair, byte) in digits.iter_mut().zip(number.to_be_bytes()) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    out.extend_from_slice(digits.as_flattened());
}

/// Appends a number in decimal digits.
fn write_decimal(out: &mut Vec<u8>, mut number: u16) {
    let start = out.len();
    loop {
        let digit = u8::try_from(number % 10).unwrap_or_default();
        out.push(b'0' + digit);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
