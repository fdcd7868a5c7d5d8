//! The list of errors, bounded so that a batch that failed stays small enough to be read.

use super::fault;
use crate::batch::InputError;

/// The most entries in the list of errors.
pub const ENTRIES_MAX: usize = 1_000;

/// The most bytes of the list of errors, as JSON.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// What the entries about the whole file, the entry that says how many more there are, and the list
/// around them may take together.
const RESERVED_BYTES: usize = 4 << 10;

/// The errors of lines, as many as the list may have, and the number of the others.
#[derive(Debug)]
pub(super) struct Errors {
    entries: Vec<InputError>,
    bytes: usize,
    left_out: u64,
    entries_max: usize,
    bytes_max: usize,
}

impl Errors {
    /// An empty list with the cap of the wire.
    pub(super) const fn capped() -> Self {
        Self::with_cap(ENTRIES_MAX, ENTRY_BYTES_MAX - RESERVED_BYTES)
    }

    const fn with_cap(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
            left_out: 0,
            entries_max,
            bytes_max,
        }
    }

    /// Adds the error of the next line.
    pub(super) fn push(&mut self, error: InputError) {
        let bytes = self.bytes + json_bytes(&error);
        if self.left_out > 0 || self.entries.len() >= self.entries_max || bytes > self.bytes_max {
            self.left_out += 1;
            return;
        }
        self.bytes = bytes;
        self.entries.push(error);
    }

    /// Whether no line had an error.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.left_out == 0
    }

    /// How many there are, also those that are not in the list.
    pub(super) const fn total(&self) -> u64 {
        self.entries.len() as u64 + self.left_out
    }

    /// The list: what is wrong with the whole file, then the lines.
    pub(super) fn into_list(self, about_the_file: Vec<InputError>) -> Vec<InputError> {
        let mut list = about_the_file;
        let mut left_out = self.left_out;
        let room = self.entries_max.saturating_sub(list.len());
        let kept = if left_out > 0 || self.entries.len() > room {
            self.entries.len().min(room.saturating_sub(1))
        } else {
            self.entries.len()
        };
        left_out += (self.entries.len() - kept) as u64;
        list.extend(self.entries.into_iter().take(kept));
        if left_out > 0 {
            list.push(fault::more(left_out));
        }
        list
    }
}

/// The bytes of an entry as JSON, with the comma after it.
fn json_bytes(error: &InputError) -> usize {
    // An error serialises unless memory fails.
    serde_json::to_vec(error).map_or(usize::MAX / 2, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::InputErrorCode;

    fn error(line: u64) -> InputError {
        InputError {
            code: InputErrorCode::InvalidUrl,
            message: "it is wrong".to_owned(),
            param: None,
            line: Some(line),
        }
    }

    fn listed(mut errors: Errors, count: u64) -> Vec<Option<u64>> {
        for line in 1..=count {
            errors.push(error(line));
        }
        let list = errors.into_list(Vec::new());
        list.iter().map(|entry| entry.line).collect()
    }

    #[test]
    fn a_list_is_cut_at_its_number_of_entries_and_then_says_so() {
        let capped = || Errors::with_cap(3, usize::MAX);
        assert_eq!(listed(capped(), 3), [Some(1), Some(2), Some(3)]);
        assert_eq!(listed(capped(), 4), [Some(1), Some(2), None]);
    }

    #[test]
    fn a_list_is_cut_at_its_bytes_and_nothing_smaller_is_let_in_behind() {
        let each = json_bytes(&error(1));
        let capped = || Errors::with_cap(100, 2 * each);
        assert_eq!(listed(capped(), 2), [Some(1), Some(2)]);
        assert_eq!(listed(capped(), 3), [Some(1), Some(2), None]);
        let mut errors = Errors::with_cap(100, 2 * each);
        let large = InputError {
            message: "x".repeat(2 * each),
            ..error(1)
        };
        errors.push(large);
        errors.push(error(2));
        assert!(!errors.is_empty());
        assert_eq!(errors.into_list(Vec::new()).len(), 1);
    }

    #[test]
    fn errors_are_counted_also_when_they_are_not_listed() {
        let mut errors = Errors::with_cap(3, usize::MAX);
        assert_eq!(errors.total(), 0);
        for line in 1..=5 {
            errors.push(error(line));
            assert_eq!(errors.total(), line);
        }
    }

    #[test]
    fn entries_are_counted_with_the_comma_behind_them() {
        let json = serde_json::to_string(&error(1)).unwrap();
        assert_eq!(json_bytes(&error(1)), json.len() + 1);
        let one = fault::more(1).message;
        assert_eq!(one, "1 more line has an error, which is not listed here.");
        let two = fault::more(2).message;
        assert_eq!(two, "2 more lines have errors, which are not listed here.");
    }

    #[test]
    fn the_list_of_a_batch_has_a_thousand_entries_in_a_mebibyte() {
        let capped = Errors::capped();
        assert_eq!(capped.entries_max, 1_000);
        assert_eq!(capped.bytes_max, (1 << 20) - (4 << 10));
    }
}
