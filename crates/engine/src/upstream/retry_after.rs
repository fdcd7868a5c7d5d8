//! How long an upstream asks to be left alone.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The longest wait that is believed: a header that says more is more likely wrong than right.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Reads `retry-after-ms` or `Retry-After`: seconds, also with a fraction, or a date. A date counts
/// from the answer's own `Date`, since clocks differ; without one it says nothing. What lies in
/// the past is no wait.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Some(seconds(millis / 1000.0));
    }
    let value = text(RETRY_AFTER.as_str())?;
    number(value).map(seconds).or_else(|| {
        let until = date(value)?;
        let from = date(text(DATE.as_str())?)?;
        Some(Duration::from_secs(until.saturating_sub(from)).min(WAIT_MAX))
    })
}

fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| !number.is_nan())
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, WAIT_MAX.as_secs_f64()))
}

/// Seconds since 1970 of a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_weekday, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next()? != "GMT" || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, by years that begin in March.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_TO_1970: u64 = 719_468;
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(headers: &[(&'static str, &'static str)], expected: Option<f64>) {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        assert_eq!(
            read(&map).map(|wait| wait.as_secs_f64()),
            expected,
            "{headers:?}"
        );
    }

    #[test]
    fn seconds_may_have_a_fraction_and_are_bounded() {
        check(&[("retry-after", "20")], Some(20.0));
        check(&[("retry-after", " 0.25 ")], Some(0.25));
        check(&[("retry-after", "-3")], Some(0.0));
        check(&[("retry-after", "1e300")], Some(3600.0));
        check(&[("retry-after", "inf")], Some(3600.0));
        check(&[("retry-after", "NaN")], None);
        check(&[("retry-after", "soon")], None);
        check(&[], None);
    }

    #[test]
    fn milliseconds_come_first() {
        check(
            &[("retry-after-ms", "1500"), ("retry-after", "20")],
            Some(1.5),
        );
        check(
            &[("retry-after-ms", "soon"), ("retry-after", "20")],
            Some(20.0),
        );
    }

    #[test]
    fn a_date_counts_from_the_answers_own_date() {
        let date = ("date", "Tue, 29 Feb 2028 23:59:30 GMT");
        check(
            &[date, ("retry-after", "Wed, 01 Mar 2028 00:00:15 GMT")],
            Some(45.0),
        );
        check(
            &[date, ("retry-after", "Tue, 29 Feb 2028 23:59:00 GMT")],
            Some(0.0),
        );
        check(
            &[date, ("retry-after", "Wed, 01 Mar 2034 00:00:00 GMT")],
            Some(3600.0),
        );
        check(&[("retry-after", "Wed, 01 Mar 2028 00:00:15 GMT")], None);
        check(
            &[date, ("retry-after", "Wed, 01 Foo 2028 00:00:15 GMT")],
            None,
        );
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Sun, 06 Nov 1994 24:49:37 GMT"), None);
    }
}
