//! The system's clock and entropy, as values.

use std::time::{SystemTime, UNIX_EPOCH};

use overnight_core::id::Entropy;
use overnight_core::time::{Clock, Timestamp};

/// The system's time of day.
pub(crate) fn clock() -> Clock {
    Clock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the clock"
        )]
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    })
}

/// The system's random bits.
///
/// # Errors
///
/// The system gives none: then no id could be made.
pub(crate) fn entropy() -> anyhow::Result<Entropy> {
    draw().map_err(|error| anyhow::anyhow!("the system gives no random bits: {error}"))?;
    Ok(Entropy::new(|| {
        // It gave some at the start, and a system's source does not dry up.
        #[expect(
            clippy::expect_used,
            reason = "an id that is not random would be worse than a panic"
        )]
        draw().expect("random bits")
    }))
}

fn draw() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// The command line of this process, quoted where a shell needs it.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().enumerate().map(|(index, word)| {
        let word = word.to_string_lossy().into_owned();
        if index == 0 {
            "overnight".to_owned()
        } else {
            shell_word(word)
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn shell_word(word: String) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_a_shell_would_split_them() {
        let quoted = |word: &str| shell_word(word.to_owned());
        assert_eq!(
            quoted("http://localhost:8000/v1"),
            "http://localhost:8000/v1"
        );
        assert_eq!(quoted("my file"), "'my file'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
