//! Which bytes of a file a request asks for.

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

/// The bytes that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them: no range was asked for, or one that is ignored.
    Whole,
    /// Some of them, at least one.
    Part(Range<u64>),
    /// Only some that the file does not have.
    Nothing,
}

impl Wanted {
    /// Reads the headers of a request for a file of that size and `ETag`. What is malformed, in
    /// other units, or asks for several ranges at once is answered with the whole file, as HTTP
    /// allows; so is a range of a file that is not the one that the client began to read.
    pub(super) fn of(headers: &HeaderMap, etag: &str, size: u64) -> Self {
        if headers
            .get(IF_RANGE)
            .is_some_and(|wanted| wanted.as_bytes() != etag.as_bytes())
        {
            return Self::Whole;
        }
        let mut ranges = headers.get_all(RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return Self::Whole;
        };
        range
            .to_str()
            .ok()
            .and_then(|range| parse(range, size))
            .unwrap_or(Self::Whole)
    }
}

fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (unit, spec) = range.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    if first.is_empty() {
        let start = size.saturating_sub(number(last)?);
        return Some(if start < size {
            Wanted::Part(start..size)
        } else {
            Wanted::Nothing
        });
    }
    let first = number(first)?;
    let end = match last {
        "" => u64::MAX,
        last => number(last)?.saturating_add(1),
    };
    if first >= end {
        return None;
    }
    Some(if first < size {
        Wanted::Part(first..end.min(size))
    } else {
        Wanted::Nothing
    })
}

/// Digits only; more than fit are as good as the largest number.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::arbitrary::seeded;

    fn wanted(range: &str, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().expect("a header value"));
        Wanted::of(&headers, "\"e\"", size)
    }

    #[test]
    fn each_form_of_a_range_means_what_http_says() {
        assert_eq!(wanted("bytes=0-3", 10), Wanted::Part(0..4));
        assert_eq!(wanted("bytes=4-", 10), Wanted::Part(4..10));
        assert_eq!(wanted("bytes=8-99", 10), Wanted::Part(8..10));
        assert_eq!(wanted("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(wanted("bytes=-99", 10), Wanted::Part(0..10));
        assert_eq!(
            wanted("bytes=0-99999999999999999999", 10),
            Wanted::Part(0..10)
        );
        assert_eq!(wanted("bytes=10-", 10), Wanted::Nothing);
        assert_eq!(wanted("bytes=-0", 10), Wanted::Nothing);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        for ignored in [
            "bytes=3-1",
            "bytes=0-1,4-5",
            "lines=0-1",
            "bytes=a-b",
            "bytes=-",
            "x",
        ] {
            assert_eq!(wanted(ignored, 10), Wanted::Whole, "{ignored}");
        }
    }

    proptest! {
        #![proptest_config(seeded(1_000))]

        #[test]
        fn a_range_means_the_bytes_from_its_first_to_its_last(
            first in 0_u64..300,
            length in prop::option::of(1_u64..300),
            size in 0_u64..300,
        ) {
            let all: Vec<u64> = (0..size).collect();
            let last = length.map(|length| first + length - 1);
            let named = |at: &u64| *at >= first && last.is_none_or(|last| *at <= last);
            let expected: Vec<u64> = all.iter().copied().filter(named).collect();
            let text = last.map_or_else(String::new, |last| last.to_string());
            let found = match wanted(&format!("bytes={first}-{text}"), size) {
                Wanted::Part(part) => part.collect(),
                Wanted::Nothing => Vec::new(),
                Wanted::Whole => all,
            };
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_some_range(
            bytes in proptest::collection::vec(prop_oneof![32_u8..127, 128_u8..=255], 0..30),
            size in 0_u64..300,
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, http::HeaderValue::from_bytes(&bytes).expect("a header value"));
            if let Wanted::Part(part) = Wanted::of(&headers, "\"e\"", size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn a_part_always_lies_inside_of_the_file(
            range in "(bytes)?=?[0-9]{0,3}-?[0-9-]{0,3}",
            size in 0_u64..300,
        ) {
            if let Wanted::Part(part) = wanted(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
