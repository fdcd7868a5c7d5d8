//! Finds the token counts in an answer while it is read.

use crate::usage::Usage;

/// How deep the counts lie: an answer, its `usage`, the details in there.
pub(super) const WATCHED_DEPTH_MAX: usize = 3;

/// One of the counts of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Input,
    Cached,
    Output,
    Reasoning,
    Total,
}

/// What the key that was read last announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Announced {
    /// Nothing to look at.
    #[default]
    Nothing,
    /// The object that holds the counts.
    Usage,
    /// The object inside of it that holds one more count.
    Details(Count),
    /// A count.
    Count(Count),
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    Usage,
    /// The details that hold the count named `cached_tokens` or `reasoning_tokens`.
    Details(Count),
}

/// Follows the keys, objects and numbers of an answer and keeps the token counts.
///
/// What is missing, null, negative or no number counts as nothing: an odd report never costs a
/// line its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenReader {
    place: Place,
    announced: Announced,
    usage: Usage,
}

impl TokenReader {
    /// A key of an object at this depth, the outermost being 1.
    pub(super) fn key(&mut self, depth: usize, key: &[u8]) {
        self.announced = match (self.place, depth) {
            (Place::Outside, 1) if key == b"usage" => Announced::Usage,
            (Place::Usage, 2) => announced_in_usage(key),
            (Place::Details(Count::Cached), 3) if key == b"cached_tokens" => {
                Announced::Count(Count::Cached)
            }
            (Place::Details(Count::Reasoning), 3) if key == b"reasoning_tokens" => {
                Announced::Count(Count::Reasoning)
            }
            (Place::Outside | Place::Usage | Place::Details(_), _) => Announced::Nothing,
        };
    }

    /// An object or array begins.
    pub(super) fn open(&mut self) {
        match std::mem::take(&mut self.announced) {
            Announced::Usage => {
                self.usage = Usage::default();
                self.place = Place::Usage;
            }
            Announced::Details(count) => self.place = Place::Details(count),
            Announced::Nothing | Announced::Count(_) => {}
        }
    }

    /// The object or array at this depth ends.
    pub(super) fn close(&mut self, depth: usize) {
        self.announced = Announced::Nothing;
        self.place = match (self.place, depth) {
            (Place::Details(_), 3) => Place::Usage,
            (Place::Usage, 2) => Place::Outside,
            (place, _) => place,
        };
    }

    /// A number that is not negative.
    pub(super) fn number(&mut self, number: u64) {
        let Announced::Count(count) = std::mem::take(&mut self.announced) else {
            return;
        };
        let kept = match count {
            Count::Input => &mut self.usage.input_tokens,
            Count::Cached => &mut self.usage.cached_tokens,
            Count::Output => &mut self.usage.output_tokens,
            Count::Reasoning => &mut self.usage.reasoning_tokens,
            Count::Total => &mut self.usage.total_tokens,
        };
        // Some servers report a count under both of its names, one of them as 0.
        *kept = number.max(*kept);
    }

    /// What was found.
    pub(super) const fn finish(self) -> Usage {
        let mut usage = self.usage;
        if usage.total_tokens == 0 {
            usage.total_tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        }
        usage
    }
}

fn announced_in_usage(key: &[u8]) -> Announced {
    match key {
        b"prompt_tokens" | b"input_tokens" => Announced::Count(Count::Input),
        b"completion_tokens" | b"output_tokens" => Announced::Count(Count::Output),
        b"total_tokens" => Announced::Count(Count::Total),
        b"prompt_tokens_details" | b"input_tokens_details" => Announced::Details(Count::Cached),
        b"completion_tokens_details" | b"output_tokens_details" => {
            Announced::Details(Count::Reasoning)
        }
        _ => Announced::Nothing,
    }
}
