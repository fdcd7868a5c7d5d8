//! The models that lines name, as small numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Every model of the file so far, in the order in which lines first named them.
#[derive(Debug, Default)]
pub(super) struct Models {
    entries: Vec<(Arc<str>, u64)>,
    numbers: BTreeMap<Arc<str>, u32>,
    /// The model of the line before: nearly always that of the next one.
    last: u32,
}

impl Models {
    /// The number of a model that a line named before.
    pub(super) fn find(&mut self, name: &str) -> Option<u32> {
        if let Some((last, _)) = self.entries.get(self.last as usize)
            && **last == *name
        {
            return Some(self.last);
        }
        self.last = *self.numbers.get(name)?;
        Some(self.last)
    }

    /// Gives a new model its number.
    pub(super) fn insert(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        // There are at most as many models as lines, whose numbers have 32 bits.
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push((Arc::clone(&name), 0));
        self.numbers.insert(name, number);
        self.last = number;
        number
    }

    /// Counts a line of that model.
    pub(super) fn count(&mut self, number: u32) {
        if let Some((_, lines)) = self.entries.get_mut(number as usize) {
            *lines += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The model that was named first.
    pub(super) fn first(&self) -> Option<&str> {
        self.entries.first().map(|(name, _)| &**name)
    }

    /// Every model with the number of its lines.
    pub(super) fn into_entries(self) -> Vec<(Arc<str>, u64)> {
        self.entries
    }
}

/// The most bytes of names that are kept of models that nobody serves.
const UNKNOWN_BYTES_MAX: usize = 64 << 10;

/// Models that were refused because nobody serves them: the first ones, each once.
#[derive(Debug, Default)]
pub(super) struct UnknownModels {
    names: Vec<Arc<str>>,
    bytes: usize,
}

impl UnknownModels {
    pub(super) fn insert(&mut self, name: &str) {
        // A name costs its bytes and two words, so that many empty ones are bounded as well.
        let bytes = self.bytes + name.len() + size_of::<Arc<str>>();
        if bytes <= UNKNOWN_BYTES_MAX && !self.names.iter().any(|known| **known == *name) {
            self.bytes = bytes;
            self.names.push(name.into());
        }
    }

    pub(super) fn into_names(self) -> Vec<Arc<str>> {
        self.names
    }
}
