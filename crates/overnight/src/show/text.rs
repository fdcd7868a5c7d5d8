//! Numbers as people read them.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration};

/// A number with commas.
pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number of things, in the plural where it belongs: `1 line`, `1,200 lines`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", HumanCount(number))
}

/// Bytes.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A stretch of time, roughly.
pub(crate) fn span(seconds: u64) -> String {
    HumanDuration(Duration::from_secs(seconds)).to_string()
}

/// How long ago something was, roughly.
pub(crate) fn ago(at: u64, now: u64) -> String {
    format!("{} ago", span(now.saturating_sub(at)))
}

/// A stretch of time as a clock shows it: `12:34:56`, `34:56`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A rate: two digits of a small one, none behind the point of a large one.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 10.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{per_second:.0}/s")
    }
}

/// A number of tokens, shortened: `950`, `41.2k`, `3.4M`.
pub(crate) fn tokens(number: f64) -> String {
    if number < 1_000.0 {
        format!("{number:.0}")
    } else if number < 1_000_000.0 {
        format!("{:.1}k", number / 1_000.0)
    } else {
        format!("{:.1}M", number / 1_000_000.0)
    }
}

/// The share of a part in a whole, in percent; 0 of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
    format!("{}.{} %", share / 10, share % 10)
}

/// A text in one line of at most so many characters, control characters left out.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let mut letters = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let short: String = letters.by_ref().take(chars_max).collect();
    if letters.next().is_none() {
        return short;
    }
    short
        .chars()
        .take(chars_max.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(counted(1, "line"), "1 line");
        assert_eq!(counted(1_200, "line"), "1,200 lines");
        assert_eq!(
            (clock(59), clock(3_723)),
            ("00:59".into(), "1:02:03".into())
        );
        assert_eq!(
            (rate(0.25), rate(1_204.4)),
            ("0.2/s".into(), "1204/s".into())
        );
        assert_eq!(
            (tokens(950.0), tokens(41_230.0)),
            ("950".into(), "41.2k".into())
        );
        assert_eq!(
            (percent(1, 3), percent(0, 0)),
            ("33.3 %".into(), "0.0 %".into())
        );
        assert_eq!(
            (shortened("a\nb", 3), shortened("abcd", 3)),
            ("a b".into(), "ab…".into())
        );
    }
}
