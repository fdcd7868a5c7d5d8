//! Token counts: what one answer reports, and their sum over a batch.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens that the upstream reported, under the names that the batch object uses.
///
/// Chat completions, completions and embeddings report `prompt_tokens` and `completion_tokens`;
/// they count as input and output. Sums stop at the largest number instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Those of `input_tokens` that the upstream had cached.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of `output_tokens` that the model spent on reasoning.
    pub reasoning_tokens: u64,
    /// The upstream's own total; usually input and output together.
    pub total_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_taken_of_each_count_and_stop_at_the_largest_number() {
        let one = |first| Usage {
            input_tokens: first,
            cached_tokens: first + 1,
            output_tokens: first + 2,
            reasoning_tokens: first + 3,
            total_tokens: u64::MAX - 1,
        };
        let mut sum = one(10);
        sum += one(100);
        let expected = Usage {
            input_tokens: 110,
            cached_tokens: 112,
            output_tokens: 114,
            reasoning_tokens: 116,
            total_tokens: u64::MAX,
        };
        assert_eq!(sum, expected);
    }
}
