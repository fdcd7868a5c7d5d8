//! The system's clock and entropy, as values.

use std::cell::RefCell;
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

/// So many bytes are asked of the system at a time: every line needs two draws, and a call costs more
/// than the rest of what makes an id.
const POOL_BYTES: usize = 4 << 10;

/// One draw.
const DRAW_BYTES: usize = size_of::<u128>();

thread_local! {
    /// What this thread was given and has not used yet.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

struct Pool {
    bytes: [u8; POOL_BYTES],
    /// How many of the bytes, the first ones, were not used yet.
    left: usize,
}

impl Pool {
    fn draw(&mut self) -> Result<u128, getrandom::Error> {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes)?;
            self.left = POOL_BYTES;
        }
        self.left -= DRAW_BYTES;
        let mut drawn = [0; DRAW_BYTES];
        if let Some(bytes) = self.bytes.get_mut(self.left..self.left + DRAW_BYTES) {
            drawn.copy_from_slice(bytes);
            // What was used is nowhere to be found again.
            bytes.fill(0);
        }
        Ok(u128::from_ne_bytes(drawn))
    }
}

fn draw() -> Result<u128, getrandom::Error> {
    POOL.with_borrow_mut(Pool::draw)
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
    fn no_two_draws_are_the_same() {
        let draws: std::collections::BTreeSet<u128> = (0..2_000).map(|_| draw().unwrap()).collect();
        assert_eq!(draws.len(), 2_000);
        assert!(!draws.contains(&0));
    }

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
