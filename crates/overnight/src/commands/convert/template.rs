//! Texts with places for values: `Classify: {text}`. Doubled braces stand for themselves.

use crate::failure::UsageError;

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The number of a value.
    Value(usize),
}

impl Template {
    /// Reads a text whose places name one of `names`. `flag` is what errors call it.
    ///
    /// # Errors
    ///
    /// It names something else; the error lists what there is.
    pub(super) fn parse(flag: &str, text: &str, names: &[String]) -> Result<Self, UsageError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let is_double = matches!(letter, '{' | '}') && letters.peek() == Some(&letter);
            if is_double {
                letters.next();
                plain.push(letter);
            } else if letter == '{' {
                let name: String = letters
                    .by_ref()
                    .take_while(|letter| *letter != '}')
                    .collect();
                let value = names.iter().position(|known| known.trim() == name.trim());
                let Some(value) = value else {
                    return Err(unknown(flag, &name, names));
                };
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Value(value));
            } else {
                plain.push(letter);
            }
        }
        parts.push(Part::Text(plain));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// The text with the values put in, which are in the order of the names.
    pub(super) fn fill(&self, values: &[&str]) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Value(number) => values.get(*number).copied().unwrap_or_default(),
        });
        parts.collect()
    }
}

/// What is told about a name that there is not.
pub(super) fn unknown(flag: &str, name: &str, names: &[String]) -> UsageError {
    let shown: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
    UsageError(format!(
        "{flag}: there is no `{name}`; there are {} (write a brace itself as {{{{ or }}}})",
        shown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in() {
        let names = ["a".to_owned(), "b c".to_owned()];
        let fill = |text: &str| {
            Template::parse("--user", text, &names)
                .unwrap()
                .fill(&["1", "{a}"])
        };
        assert_eq!(fill("x{a}{b c}y"), "x1{a}y");
        assert_eq!(fill("{{\"a\": {a}}}"), "{\"a\": 1}");
        assert_eq!(fill(""), "");
    }

    #[test]
    fn a_name_that_there_is_not_is_told_with_those_that_there_are() {
        let error = Template::parse("--user", "{d}", &["a".to_owned()]).unwrap_err();
        assert!(
            error
                .0
                .starts_with("--user: there is no `d`; there are {a}"),
            "{}",
            error.0
        );
    }
}
