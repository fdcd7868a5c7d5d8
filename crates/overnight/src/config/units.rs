//! Lengths of time and sizes as people write them: `500ms`, `24h`, `64MiB`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The longest length of time that can be set: a hundred years of 365 days.
const SECONDS_MAX: f64 = 100.0 * 365.0 * 86_400.0;

/// A length of time: `500ms`, `10s`, `5m`, `24h`, `7d`, a sum such as `1h30m`, or a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: `64MiB`, `512MB`, `1GiB`, or a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// Units of time, the largest first, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Units of size that a value is shown in, the largest first, then those that are understood as well.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl Span {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 3600)
    }

    pub(crate) const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    /// The length, where zero stands for "for ever".
    pub(crate) fn unless_zero(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }

    /// Reads a text; `None` when it is not a length of time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Self::from_seconds(seconds);
        }
        let mut rest = text;
        let mut sum = Duration::ZERO;
        while !rest.is_empty() {
            let (number, after) = split_number(rest)?;
            let letters = after
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let (_, millis) = TIME_UNITS.into_iter().find(|(name, _)| *name == unit)?;
            let unit_seconds = Duration::from_millis(millis).as_secs_f64();
            sum = sum.checked_add(Self::from_seconds(number * unit_seconds)?.0)?;
            rest = after.trim_start();
        }
        (!text.is_empty()).then_some(Self(sum))
    }

    fn from_seconds(seconds: f64) -> Option<Self> {
        (0.0..=SECONDS_MAX)
            .contains(&seconds)
            .then(|| Self(Duration::from_secs_f64(seconds)))
    }
}

impl Size {
    /// So many KiB.
    pub(crate) const fn kib(count: u64) -> Self {
        Self(count * 1024)
    }

    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The size, where zero stands for "no bound".
    pub(crate) fn unless_zero(self) -> Option<u64> {
        (self.0 != 0).then_some(self.0)
    }

    /// Reads a text; `None` when it is not a size.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product is checked to be a whole number that a f64 holds exactly"
    )]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(bytes) = text.parse::<u64>() {
            return Some(Self(bytes));
        }
        let (number, unit) = split_number(text)?;
        let unit = unit.trim();
        let (_, factor) = SIZE_UNITS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        let bytes = (number * factor as f64).round();
        ((0.0..9.0e15).contains(&bytes)).then_some(Self(bytes as u64))
    }
}

/// The decimal number that a text begins with, and what follows it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        match TIME_UNITS
            .into_iter()
            .find(|(_, unit)| millis.is_multiple_of(*unit))
        {
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = SIZE_UNITS.into_iter().take(4);
        match units
            .into_iter()
            .find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit))
        {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Share(pub(crate) f64);

impl Share {
    /// Reads a number; `None` when it is no share.
    fn of(number: f64) -> Option<Self> {
        (0.0..=1.0).contains(&number).then_some(Self(number))
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time such as \"500ms\", \"10s\", \"5m\", \"24h\" or \"7d\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
        Span::from_seconds(seconds)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SpanVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64MiB\", \"512MB\" or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
        u64::try_from(bytes)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SizeVisitor)
    }
}

struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1 such as 0.01")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
        let number = text.trim().parse().ok();
        let share = number.and_then(Share::of);
        share.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Share, E> {
        Share::of(number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Share, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Share, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ShareVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_span(text: &str, seconds: Option<f64>) {
        assert_eq!(
            Span::parse(text).map(|span| span.0.as_secs_f64()),
            seconds,
            "{text}"
        );
    }

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        check_span("500ms", Some(0.5));
        check_span("10s", Some(10.0));
        check_span("1h30m", Some(5400.0));
        check_span("1h 30m", Some(5400.0));
        check_span("7d", Some(604_800.0));
        check_span("90", Some(90.0));
        check_span("0", Some(0.0));
        check_span("1.5s", Some(1.5));
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in [
            "", "h", "10", "-1s", "5 weeks", "1h30", "NaN", "inf", "1e99",
        ] {
            check_span(text, if text == "10" { Some(10.0) } else { None });
        }
    }

    #[test]
    fn a_size_is_read_in_binary_and_decimal_units() {
        assert_eq!(Size::parse("64MiB"), Some(Size::mib(64)));
        assert_eq!(Size::parse("512 mb"), Some(Size(512_000_000)));
        assert_eq!(Size::parse("1.5KiB"), Some(Size(1536)));
        assert_eq!(Size::parse("209715200"), Some(Size::mib(200)));
        for text in ["", "MiB", "-1", "12 parsecs", "1e30GB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_shown_in_the_largest_unit_that_loses_nothing_and_are_read_back() {
        for text in ["0s", "500ms", "90s", "5m", "24h", "7d"] {
            let span = Span::parse(text).unwrap();
            assert_eq!(Span::parse(&span.to_string()), Some(span), "{text}");
        }
        assert_eq!(Span::seconds(90).to_string(), "90s");
        assert_eq!(Span::hours(24).to_string(), "1d");
        assert_eq!(Size::mib(200).to_string(), "200MiB");
        assert_eq!(Size(1000).to_string(), "1000");
    }
}
