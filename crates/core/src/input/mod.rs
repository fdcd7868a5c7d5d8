//! What an input file must look like: bytes to plan, in one streaming pass.
//!
//! ```text
//! chunks ──► LineSplitter ──► Checker ──┬──► plan bytes, Summary   all may be run
//!                                       └──► Rejection             all that may not, and why
//! ```
//!
//! Checking reads each line once and keeps tens of bytes of it, so a file of any size is checked in
//! flat memory and at the speed of reading. It finds *all* lines that are wrong, not the first: a
//! person who waits for a batch of 50,000 lines wants one list to work through.
//!
//! The codes and sentences are the wire's; clients match on them.

mod checker;
mod custom_ids;
mod errors;
mod fault;
mod locate;
mod models;
mod request;
mod splice;
mod splitter;
mod token;
mod utf8;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::checker::{Checker, Watch, is_json_object};
pub use self::errors::{ENTRIES_MAX, ENTRY_BYTES_MAX};
pub use self::fault::{QUOTED_CHARS_MAX, too_large};
pub use self::locate::{Place, place_of};
pub use self::splice::{Override, with_overrides};
pub use self::splitter::{Line, LineSplitter, LineTooLong};
pub use self::utf8::{NotUtf8, Utf8Check};
use crate::batch::InputError;
use crate::endpoint::Endpoint;

/// How many arrays and objects may lie inside each other in a body.
pub const DEPTH_MAX: usize = 512;

/// What the lines of one file are checked against.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The endpoint of the batch, which every line has to name.
    pub endpoint: Endpoint,
    /// How much a file may hold.
    pub limits: InputLimits,
    /// Whether all lines have to name one model.
    pub single_model: bool,
    /// The models that lines may name.
    pub catalog: Catalog,
}

/// How much an input file may hold. 0 means no limit, everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputLimits {
    /// Requests, that is lines that are not blank.
    pub lines_max: u64,
    /// Bytes of the file.
    pub file_bytes_max: u64,
    /// Inputs of embeddings over all lines.
    pub embedding_inputs_max: u64,
    /// Bytes of one line, without its line end.
    pub line_bytes_max: usize,
    /// Different models.
    pub models_max: usize,
}

/// Which models are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalog {
    /// Any: an upstream takes every model, or one that could serve it cannot be asked at present.
    Any,
    /// These.
    Known(BTreeSet<Arc<str>>),
}

impl Catalog {
    /// Whether a line may name the model.
    #[must_use]
    pub fn contains(&self, model: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Known(models) => models.contains(model),
        }
    }
}

/// What a file holds whose lines may all be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of requests.
    pub total: u64,
    /// The one model of all lines; `None` when they name several.
    pub model: Option<Arc<str>>,
    /// Every model with the number of its lines, in the order of the plan's table.
    pub models: Vec<(Arc<str>, u64)>,
    /// The bytes of the file.
    pub bytes: u64,
    /// The bytes of all bodies.
    pub body_bytes: u64,
    /// The inputs of embeddings over all lines; 0 at other endpoints.
    pub embedding_inputs: u64,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What is wrong: first with the whole file, then line by line. At most [`ENTRIES_MAX`] entries
    /// and [`ENTRY_BYTES_MAX`] bytes together; when that is not enough, the last entry says how many more
    /// there are. Never empty.
    pub errors: Vec<InputError>,
    /// How many errors there are, also those that are not listed.
    pub errors_total: u64,
    /// The number of requests, whether they have errors or not; 0 when the file is too large to be
    /// counted.
    pub total: u64,
    /// The models that were refused because nobody serves them. When a fresh [`Catalog`] has one of
    /// them, the file is worth checking again. Bounded: of very many, only the first are here.
    pub unknown_models: Vec<Arc<str>>,
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
