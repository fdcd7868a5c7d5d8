//! Why a line failed: read from its error line, and named so that lines with one cause have one name.
//!
//! ```text
//! error line ──► Failure::read ──┬──► signature   the same for the same cause
//!                                ├──► advice      what a person may do about it
//!                                └──► is_retryable
//! ```
//!
//! A batch with ten thousand failed lines has a handful of causes, but each message names an id, a
//! length or a URL of its own. A [`Failure::signature`] leaves those out. It is a name that people
//! read and programs send back, never a proof: two causes may share one, and nothing but what is
//! shown and chosen depends on it.

mod advice;
mod read;
mod signature;

pub use self::read::Failure;
pub use self::signature::{MESSAGE_CHARS_MAX, SIGNATURE_CHARS_MAX, normalised};

#[cfg(test)]
mod properties;
