//! Messages without what varies in them.

/// How much of a message is looked at, in characters.
pub const MESSAGE_CHARS_MAX: usize = 1_000;

/// The most characters of a normalised message.
pub const SIGNATURE_CHARS_MAX: usize = 240;

/// A word without a digit is taken for an id when it has so many letters.
const ID_CHARS: usize = 24;

/// Stands for a number.
const NUMBER: &str = "<n>";
/// Stands for an id: a word with digits in it, or a very long one.
const ID: &str = "<id>";
/// Stands for what was quoted.
const VALUE: &str = "<value>";
/// Stands for an address.
const URL: &str = "<url>";

/// The message with numbers, ids, quoted values and addresses replaced, white space made single
/// spaces, and lists of replaced things made one. At most [`SIGNATURE_CHARS_MAX`] characters; only
/// the first [`MESSAGE_CHARS_MAX`] of the message count.
#[must_use]
pub fn normalised(message: &str) -> String {
    let chars: Vec<char> = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let mut out = Normal::default();
    let mut at = 0;
    while let Some(char) = chars.get(at).copied() {
        let rest = chars.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied();
        at += if let Some(length) = address(rest, before) {
            out.stand_in(URL);
            length
        } else if let Some(length) = quoted(rest, before) {
            out.stand_in(VALUE);
            length
        } else if is_of_word(char) {
            let (word, length) = word(rest);
            match kind(word) {
                Some(stand_in) => out.stand_in(stand_in),
                None => out.word(word),
            }
            length
        } else {
            out.other(char);
            1
        };
    }
    out.finish()
}

/// The text that is put together, and what may still be taken back from it.
#[derive(Default)]
struct Normal {
    text: String,
    /// The stand-in that was added last, and the length of the text behind it, while nothing but
    /// what separates the members of a list has come since.
    last: Option<(&'static str, usize)>,
}

impl Normal {
    fn stand_in(&mut self, stand_in: &'static str) {
        if let Some((last, end)) = self.last
            && last == stand_in
        {
            // A list is as long as it happens to be.
            self.text.truncate(end);
            return;
        }
        self.text.push_str(stand_in);
        self.last = Some((stand_in, self.text.len()));
    }

    fn word(&mut self, word: &[char]) {
        self.text.extend(word);
        self.last = None;
    }

    fn other(&mut self, char: char) {
        if char.is_whitespace() || char.is_control() {
            if !self.text.is_empty() && !self.text.ends_with(' ') {
                self.text.push(' ');
            }
            return;
        }
        if char != ',' && char != ';' {
            self.last = None;
        }
        self.text.push(char);
    }

    fn finish(self) -> String {
        let text = self.text.trim_end();
        match text.char_indices().nth(SIGNATURE_CHARS_MAX) {
            Some((end, _)) => text.get(..end).unwrap_or(text).trim_end().to_owned(),
            None => text.to_owned(),
        }
    }
}

/// How many characters an address at the start has.
fn address(chars: &[char], before: Option<char>) -> Option<usize> {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let has = |scheme: &str| {
        let mut chars = chars.iter();
        scheme.chars().all(|wanted| {
            chars
                .next()
                .is_some_and(|char| char.eq_ignore_ascii_case(&wanted))
        })
    };
    if !has("http://") && !has("https://") {
        return None;
    }
    let ends = |char: &char| {
        char.is_whitespace() || matches!(char, '"' | '\'' | '`' | '<' | '>' | ')' | ',')
    };
    Some(chars.iter().position(ends).unwrap_or(chars.len()))
}

/// How many characters a quoted value at the start has, both quotes included. An apostrophe inside
/// of a word opens and closes nothing.
fn quoted(chars: &[char], before: Option<char>) -> Option<usize> {
    let quote = *chars.first()?;
    let close = match quote {
        '\'' | '"' | '`' => quote,
        '\u{201c}' => '\u{201d}',
        '\u{2018}' => '\u{2019}',
        _ => return None,
    };
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let inside = chars.get(1..)?;
    let closes = |at: usize| {
        let behind = inside.get(at + 1);
        inside.get(at) == Some(&close) && !behind.is_some_and(|char| char.is_alphanumeric())
    };
    (0..inside.len()).find(|at| closes(*at)).map(|at| at + 2)
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The word at the start, and how many characters it has. A hyphen between its characters belongs to
/// it, and a point, comma or colon between digits: `8,192`, `gpt-3.5`, `10:30` and `well-known` are
/// one word each.
fn word(chars: &[char]) -> (&[char], usize) {
    let mut end = 0;
    while let Some(char) = chars.get(end).copied() {
        let before = end.checked_sub(1).and_then(|end| chars.get(end)).copied();
        let next = chars.get(end + 1).copied();
        let joins = match char {
            '-' => next.is_some_and(is_of_word),
            '.' | ',' | ':' => {
                before.is_some_and(char::is_numeric) && next.is_some_and(char::is_numeric)
            }
            _ => false,
        };
        if !is_of_word(char) && !joins {
            break;
        }
        end += 1;
    }
    (chars.get(..end).unwrap_or_default(), end)
}

/// What stands in for a word, if something does.
fn kind(word: &[char]) -> Option<&'static str> {
    let has_digit = word.iter().any(|char| char.is_numeric());
    let has_letter = word.iter().any(|char| char.is_alphabetic());
    let is_long = || {
        word.split(|char| *char == '-')
            .any(|part| part.len() >= ID_CHARS)
    };
    match (has_digit, has_letter) {
        (true, false) => Some(NUMBER),
        (true, true) => Some(ID),
        (false, _) => is_long().then_some(ID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_replaced_and_the_rest_stays() {
        for (message, expected) in [
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9,001.",
                "This model's maximum context length is <n> tokens. However, you requested <n>.",
            ),
            (
                "The model 'org/m-7b' does not exist",
                "The model <value> does not exist",
            ),
            (
                "request chatcmpl-1f2e at https://a.example:8000/v1/x?y=1, see \"docs\"",
                "request <id> at <url>, see <value>",
            ),
            ("ids [1, 2,3] are   odd\n", "ids [<n>] are odd"),
            ("don't can't 'won't", "don't can't 'won't"),
            ("a well-known state", "a well-known state"),
            (
                "task 123e4567-e89b-12d3-a456-426614174000 died",
                "task <id> died",
            ),
            ("ids 1; 2; 3 and 4 + 5", "ids <n> and <n> + <n>"),
            (
                "\u{201c}m\u{201d} or \u{2018}n\u{2019} at 10:30",
                "<value> or <value> at <n>",
            ),
            (
                "a word-that-is-made-of-many-short-ones and abcdefghijklmnopqrstuvwxyzabcdefghijkl",
                "a word-that-is-made-of-many-short-ones and <id>",
            ),
            ("", ""),
            ("\u{0}\u{7}", ""),
        ] {
            assert_eq!(normalised(message), expected, "{message}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = "\u{e4} ".repeat(5_000);
        let normal = normalised(&message);
        assert_eq!(normal.chars().count(), SIGNATURE_CHARS_MAX - 1);
    }
}
