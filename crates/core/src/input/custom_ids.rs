//! Finds a `custom_id` that was there before, in tens of bytes a line.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashSet;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The texts of all lines so far, as hashes.
///
/// Two different texts with one 128-bit hash would take about 2^64 lines to meet by chance; the
/// seed, which nobody knows, keeps them from being made.
#[derive(Debug)]
pub(super) struct CustomIds {
    seed: u64,
    hashes: HashSet<u128, BuildHasherDefault<AsItIs>>,
}

impl CustomIds {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            hashes: HashSet::default(),
        }
    }

    /// Adds a text; false when it was there already.
    pub(super) fn insert(&mut self, text: &[u8]) -> bool {
        self.hashes.insert(xxh3_128_with_seed(text, self.seed))
    }
}

/// Hashes a hash: takes its lower half as it is.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    }
}
