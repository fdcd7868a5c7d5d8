//! The text of an answer: as many words as it has tokens, and the first of them say what it is.

use crate::draw::Walk;

const OPENING: [&str; 6] = [
    "Simulated",
    "answer",
    "by",
    "overnight-sim;",
    "random",
    "words:",
];

/// Plain words, none of which needs an escape in JSON. A power of two, so that any number picks one
/// evenly.
const WORDS: [&str; 64] = [
    "amber", "anchor", "apple", "arrow", "autumn", "basket", "beacon", "birch", "breeze", "bridge",
    "candle", "canyon", "cedar", "cloud", "copper", "coral", "cotton", "creek", "crystal", "dawn",
    "delta", "ember", "falcon", "feather", "fern", "forest", "garden", "glacier", "granite",
    "harbor", "hazel", "heron", "island", "ivory", "jasmine", "juniper", "kettle", "lantern",
    "maple", "marble", "meadow", "mirror", "moss", "nectar", "ocean", "olive", "orchard", "otter",
    "pebble", "pine", "prairie", "quartz", "raven", "reed", "river", "saffron", "silver", "summit",
    "thistle", "tide", "timber", "valley", "willow", "winter",
];

/// Appends a text of so many words, divided by single spaces.
pub(crate) fn write_text(out: &mut Vec<u8>, walk: &mut Walk, words: u64) {
    let opening = OPENING.into_iter();
    let rest = std::iter::repeat_with(|| pick(walk.next()));
    let count = usize::try_from(words).unwrap_or(usize::MAX);
    for (at, word) in opening.chain(rest).take(count).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
}

fn pick(number: u64) -> &'static str {
    let at = usize::try_from(number % WORDS.len() as u64).unwrap_or_default();
    WORDS.get(at).copied().unwrap_or("word")
}

#[cfg(test)]
mod tests {
    use crate::draw::{Draw, Question};

    use super::*;

    fn text(words: u64) -> String {
        let mut out = Vec::new();
        write_text(
            &mut out,
            &mut Draw::new(0, b"body").walk(Question::Words, 0),
            words,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_has_as_many_words_as_asked() {
        for words in [0, 1, 2, 6, 7, 100] {
            assert_eq!(
                text(words)
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .count() as u64,
                words
            );
        }
    }

    #[test]
    fn a_text_says_that_it_is_simulated_and_needs_no_escapes() {
        assert!(text(9).starts_with("Simulated answer by overnight-sim; random words: "));
        assert_eq!(
            serde_json::to_string(&text(500)).unwrap(),
            format!("\"{}\"", text(500))
        );
    }
}
