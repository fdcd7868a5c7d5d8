//! JSON written straight into the answer's bytes: the literal parts as they stand in the source,
//! the few values between them by name. Nothing is built first, so an answer costs one allocation.

use serde::Serialize;

use crate::draw::Draw;

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Json {
    bytes: Vec<u8>,
}

impl Json {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Appends what is JSON already.
    pub(crate) fn raw(&mut self, json: &str) -> &mut Self {
        self.bytes.extend_from_slice(json.as_bytes());
        self
    }

    /// Appends a value.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> &mut Self {
        // Writing to memory does not fail, and the values here are texts, numbers and lists.
        serde_json::to_writer(&mut self.bytes, value).unwrap_or_default();
        self
    }

    /// Appends the 16 hex digits that name this body's answer.
    pub(crate) fn id(&mut self, draw: Draw) -> &mut Self {
        self.raw(&format!("{:016x}", draw.digest()))
    }

    /// Appends what stands between members of a list, before all but the first.
    pub(crate) fn comma(&mut self, at: u64) -> &mut Self {
        if at > 0 {
            self.bytes.push(b',');
        }
        self
    }

    /// The bytes, for those who append text themselves.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
