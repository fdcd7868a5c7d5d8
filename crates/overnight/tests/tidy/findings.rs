//! What a rule has found.

use std::fmt::Display;

/// The places where one rule is broken.
pub(crate) struct Findings {
    rule: &'static str,
    found: Vec<String>,
}

impl Findings {
    /// None yet; `rule` is the sentence that a reader of the failure needs.
    pub(crate) const fn of(rule: &'static str) -> Self {
        Self {
            rule,
            found: Vec::new(),
        }
    }

    /// The rule is broken at that place.
    pub(crate) fn add(&mut self, place: impl Display, what: impl Display) {
        self.found.push(format!("  {place}: {what}"));
    }

    /// Fails the test, naming every place, when there is any.
    #[track_caller]
    pub(crate) fn check(self) {
        let Self { rule, found } = self;
        assert!(
            found.is_empty(),
            "{rule}\n{}\n({} places)",
            found.join("\n"),
            found.len()
        );
    }
}
