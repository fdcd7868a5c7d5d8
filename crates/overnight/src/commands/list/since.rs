//! A moment in the past, as people name it: so long ago, or a day.

use std::str::FromStr;
use std::time::Duration;

use crate::config::units::Span;

/// The seconds of a day.
const DAY: u64 = 86_400;

/// The days from the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE: u64 = 719_468;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this second since 1970.
    At(u64),
}

impl Since {
    /// The second since 1970, when it is `now`.
    pub(super) const fn seconds(self, now: u64) -> u64 {
        match self {
            Self::Ago(span) => now.saturating_sub(span.as_secs()),
            Self::At(second) => second,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = day(text).map(|days| Self::At(days * DAY));
        let ago = || Span::parse(text).map(|span| Self::Ago(span.0));
        at.or_else(ago)
            .ok_or_else(|| "must be like 90m, 24h or 7d, or a day like 2026-01-31".to_owned())
    }
}

/// The days from 1970 on to a day of the calendar, such as `2026-01-31`.
fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.parse::<u64>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // In years that begin in March the day that may be missing is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(DAYS_BEFORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_ago_or_a_day() {
        let at = |text: &str| text.parse::<Since>().unwrap().seconds(1_000_000);
        assert_eq!(at("1h"), 1_000_000 - 3_600);
        assert_eq!(at("9999d"), 0);
        assert_eq!(at("1970-01-01"), 0);
        assert_eq!(at("2000-03-01"), 951_868_800);
        assert_eq!(at("2024-02-29"), 1_709_164_800);
        assert_eq!(at("2026-12-31"), 1_798_675_200);
        for wrong in [
            "",
            "soon",
            "2025-02-29",
            "2026-13-01",
            "2026-1-1",
            "1969-12-31",
        ] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
