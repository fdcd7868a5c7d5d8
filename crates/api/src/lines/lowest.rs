//! The lowest lines behind a cursor, of however many come in any order.

use std::collections::BTreeMap;

/// Keeps a page of rows by their line numbers, and one row more, which tells that more follow.
#[derive(Debug)]
pub(super) struct Lowest<T> {
    after: u32,
    limit: usize,
    rows: BTreeMap<u32, T>,
}

impl<T> Lowest<T> {
    /// The first `limit` lines behind that one.
    pub(super) const fn new(after: u32, limit: usize) -> Self {
        Self {
            after,
            limit,
            rows: BTreeMap::new(),
        }
    }

    /// Whether a line with that number would be kept.
    pub(super) fn wants(&self, line: u32) -> bool {
        let has_room = self.rows.len() <= self.limit;
        let highest = self.rows.last_key_value().map(|(line, _)| *line);
        line > self.after && (has_room || highest.is_some_and(|highest| line < highest))
    }

    /// Whether any line from `first` to `last` would be kept.
    pub(super) fn wants_any(&self, first: u32, last: u32) -> bool {
        last > self.after && self.wants(first.max(self.after.saturating_add(1)))
    }

    /// Keeps the row if its line is among the lowest. The first row of a line counts.
    pub(super) fn put(&mut self, line: u32, row: T) {
        if self.wants(line) {
            self.rows.entry(line).or_insert(row);
            if self.rows.len() > self.limit + 1 {
                self.rows.pop_last();
            }
        }
    }

    /// The rows in the order of their lines, and whether there are more.
    pub(super) fn into_page(mut self) -> (Vec<T>, bool) {
        let has_more = self.rows.len() > self.limit;
        if has_more {
            self.rows.pop_last();
        }
        (self.rows.into_values().collect(), has_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lines: impl IntoIterator<Item = u32>, after: u32, limit: usize) -> (Vec<u32>, bool) {
        let mut lowest = Lowest::new(after, limit);
        for line in lines {
            lowest.put(line, line);
            assert!(lowest.rows.len() <= limit + 1);
        }
        lowest.into_page()
    }

    #[test]
    fn the_lowest_are_kept_in_whatever_order_they_come() {
        assert_eq!(page((1..=9).rev(), 3, 3), (vec![4, 5, 6], true));
        assert_eq!(page([7, 5, 6, 5], 4, 3), (vec![5, 6, 7], false));
        assert_eq!(page([2, 9, 1], 0, 1), (vec![1], true));
        assert_eq!(page([2, 9, 1], 9, 1), (vec![], false));
    }

    #[test]
    fn a_range_is_passed_by_only_when_none_of_it_would_be_kept() {
        let mut lowest = Lowest::new(10, 1);
        assert!(!lowest.wants_any(1, 10));
        assert!(lowest.wants_any(1, 11));
        lowest.put(15, ());
        lowest.put(20, ());
        assert!(lowest.wants_any(18, 30));
        assert!(!lowest.wants_any(20, 30));
        assert!(lowest.wants_any(5, 30));
    }
}
