//! Failed lines, grouped by their causes.

use std::collections::HashMap;

use overnight_core::failure::Failure;

/// How many causes are told apart. Those that come later are counted together.
pub(crate) const GROUPS_MAX: usize = 1_000;

/// What stands in the place of a signature for all of those.
const OTHERS: &str = "other causes";

/// How many characters of a message are shown.
const SAMPLE_CHARS_MAX: usize = 500;

/// The lines with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) signature: String,
    pub(crate) code: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) count: u64,
    /// The lowest of them, if their numbers are known.
    pub(crate) first_line: Option<u32>,
    /// The message of that line.
    pub(crate) sample: String,
    pub(crate) hint: Option<&'static str>,
    pub(crate) is_retryable: bool,
}

/// The causes so far.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_signature: HashMap<String, Group>,
    total: u64,
}

impl Groups {
    /// Counts a failed line.
    pub(super) fn add(&mut self, line: Option<u32>, failure: &Failure) {
        self.total += 1;
        let mut signature = failure.signature();
        if self.by_signature.len() >= GROUPS_MAX && !self.by_signature.contains_key(&signature) {
            OTHERS.clone_into(&mut signature);
        }
        let group = self
            .by_signature
            .entry(signature)
            .or_insert_with_key(|signature| Group {
                signature: signature.clone(),
                code: failure.code.clone(),
                status: failure.status,
                count: 0,
                first_line: line,
                sample: sample(failure),
                hint: failure.advice(),
                is_retryable: failure.is_retryable(),
            });
        group.count += 1;
        let is_lower = line.is_some_and(|line| group.first_line.is_none_or(|first| line < first));
        if is_lower {
            group.first_line = line;
            group.sample = sample(failure);
        }
    }

    /// The groups, the largest first, and how many lines they have.
    pub(super) fn into_list(self) -> (Vec<Group>, u64) {
        let mut groups: Vec<Group> = self.by_signature.into_values().collect();
        groups.sort_by(|one, other| {
            let by_size = other.count.cmp(&one.count);
            by_size.then_with(|| one.signature.cmp(&other.signature))
        });
        (groups, self.total)
    }
}

fn sample(failure: &Failure) -> String {
    failure.message.chars().take(SAMPLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure {
            status: Some(500),
            code: None,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_group_shows_its_lowest_line() {
        let mut groups = Groups::default();
        for (line, message) in [
            (Some(7), "a 1"),
            (Some(3), "a 2"),
            (None, "a 3"),
            (Some(9), "b"),
        ] {
            groups.add(line, &failure(message));
        }
        let (list, total) = groups.into_list();
        assert_eq!(total, 4);
        let shown: Vec<_> = list
            .iter()
            .map(|group| {
                (
                    group.signature.as_str(),
                    group.count,
                    group.first_line,
                    group.sample.as_str(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("500: a <n>", 3, Some(3), "a 2"),
                ("500: b", 1, Some(9), "b")
            ]
        );
    }

    #[test]
    fn no_number_of_causes_takes_more_than_its_bound() {
        let mut groups = Groups::default();
        for cause in 0..u32::try_from(GROUPS_MAX).unwrap() + 50 {
            let letters: String = cause
                .to_string()
                .bytes()
                .map(|digit| char::from(digit - b'0' + b'a'))
                .collect();
            groups.add(Some(cause), &failure(&letters));
        }
        let (list, total) = groups.into_list();
        assert_eq!(
            (list.len(), total),
            (GROUPS_MAX + 1, GROUPS_MAX as u64 + 50)
        );
        assert_eq!((list[0].signature.as_str(), list[0].count), (OTHERS, 50));
    }
}
