//! Which of the open levels of nesting are objects: one bit each.

/// How many levels one word holds.
const WORD_LEVELS: usize = u64::BITS as usize;

/// The arrays and objects that are open. The innermost 1 to 64 lie in one word, and only deeper
/// nesting needs memory: a bit a level.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// The lowest bit is the innermost level.
    inner: u64,
    /// Full words of the levels around those.
    outer: Vec<u64>,
    depth: usize,
    deepest: usize,
}

impl Levels {
    pub(super) fn open_object(&mut self) {
        self.open(1);
    }

    pub(super) fn open_array(&mut self) {
        self.open(0);
    }

    fn open(&mut self, bit: u64) {
        if self.depth > 0 && self.depth.is_multiple_of(WORD_LEVELS) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | bit;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    pub(super) fn close(&mut self) {
        debug_assert!(self.depth > 0);
        self.inner >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(WORD_LEVELS) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    /// How many levels are open.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// How many were open at once, at most.
    pub(super) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Whether the innermost open level is an object.
    pub(super) const fn in_object(&self) -> bool {
        self.inner & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_remembered_across_words() {
        let is_object = |level: usize| level.is_multiple_of(3) ^ level.is_multiple_of(7);
        for deepest in [1, 63, 64, 65, 127, 128, 129, 1_000] {
            let mut levels = Levels::default();
            // Up and down again at every step, so that each boundary is crossed both ways.
            for level in 0..deepest {
                for _ in 0..2 {
                    if is_object(level) {
                        levels.open_object();
                    } else {
                        levels.open_array();
                    }
                    assert_eq!(levels.in_object(), is_object(level));
                    levels.close();
                }
                if is_object(level) {
                    levels.open_object();
                } else {
                    levels.open_array();
                }
            }
            for level in (0..deepest).rev() {
                assert_eq!(levels.depth(), level + 1);
                assert_eq!(levels.in_object(), is_object(level), "{level} of {deepest}");
                levels.close();
            }
            assert_eq!((levels.depth(), levels.deepest()), (0, deepest));
        }
    }
}
