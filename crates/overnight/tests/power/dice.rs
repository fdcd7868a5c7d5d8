//! Chance that can be repeated.

/// A sequence of numbers that a seed decides.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The low bits of the hash of a counter: enough to choose by.
        self.0 = self.0.wrapping_add(1);
        let hash = xxhash_rust::xxh3::xxh3_64(&self.0.wrapping_mul(0x9e37_79b9).to_le_bytes());
        usize::try_from(hash >> 1).unwrap() % end
    }
}
