//! Query parameters. Unknown ones are ignored.

use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use crate::errors::ApiError;
use crate::params::{duplicate, integer};

/// How many parameters are looked at.
const PAIRS_MAX: usize = 64;

/// The parameters of a request in their order.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of an address behind the question mark.
    pub(crate) fn parse(raw: Option<&str>) -> Self {
        let pairs = raw
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .take(PAIRS_MAX)
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(key), decoded(value))
                })
                .collect(),
        )
    }

    /// The value of a parameter; an empty one counts as none.
    ///
    /// # Errors
    ///
    /// 400 when it is given more than once.
    pub(crate) fn one(&self, param: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self
            .0
            .iter()
            .filter(|(key, _)| key == param)
            .map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() {
            return Err(duplicate(param));
        }
        Ok(first.map(String::as_str).filter(|value| !value.is_empty()))
    }

    /// The value of a parameter that is a whole number in a range.
    ///
    /// # Errors
    ///
    /// 400 when it is given more than once, is no whole number, or is out of range.
    pub(crate) fn integer(
        &self,
        param: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiError> {
        self.one(param)?
            .map(|text| integer(param, text, range))
            .transpose()
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
