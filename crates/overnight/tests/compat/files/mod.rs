//! The Files API.

pub(crate) mod list;
pub(crate) mod one;
pub(crate) mod upload;

/// A line that every endpoint of chats accepts.
pub(crate) const LINE: &str = r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}"#;

/// The same with its end.
pub(crate) fn one_line() -> String {
    format!("{LINE}\n")
}
