//! The final answer of a line, and its result line.
//!
//! ```text
//! answer ──► read_answer (is it JSON? how many tokens?) ──► write_head, append_answer, write_tail
//! text   ──► wrap_text ─────────────────────────────────────────┘
//! unrun  ──► write_error
//! ```
//!
//! The bytes of an upstream's answer reach the result file as they are: nothing is parsed into a
//! tree and written out again, so the order of keys, big integers and escapes survive. Only line
//! ends are left out, since a result is one line; in JSON they can only stand between tokens.

mod answer;
mod json;
mod line;
mod preview;
mod read;
mod substitute;
mod tokens;

pub use self::answer::{
    Answer, AnswerReader, NotJson, ReadError, append_answer, read_answer, read_answer_from,
    strip_newlines,
};
pub use self::json::DEPTH_MAX;
pub use self::line::{LineError, LineIds, write_error, write_head, write_tail};
pub use self::preview::preview;
pub use self::read::{ResultHead, ResultLine, read_head, read_line};
pub use self::substitute::{Substitute, TEXT_BYTES_MAX, wrap_text};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
